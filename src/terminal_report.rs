//! Plain text on stdout, for the two subcommands that own it: `demo` and `doctor`.
//!
//! Everywhere else stdout is the MCP wire, and clippy denies printing to it. These two serve no client there,
//! and this is the only place that writes for them. A leaf: it imports nothing of this crate.

use std::io::{IsTerminal, Write};

/// What became of something, as the sign in front of its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// It is as it should be.
    Good,
    /// It is not.
    Bad,
    /// It was not tried, or is worth knowing without being wrong.
    Note,
}

impl Mark {
    /// The sign.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Bad => "✗",
            Self::Note => "–",
        }
    }

    /// Select Graphic Rendition of ECMA-48: green, red, yellow.
    const fn color(self) -> &'static str {
        match self {
            Self::Good => "\x1b[32m",
            Self::Bad => "\x1b[31m",
            Self::Note => "\x1b[33m",
        }
    }
}

/// Lines on stdout.
#[derive(Debug, Clone, Copy)]
pub struct Report {
    colored: bool,
}

impl Report {
    /// Writes to stdout, with colors if that is a terminal and nobody objects (<https://no-color.org>).
    pub fn stdout() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            colored: std::io::stdout().is_terminal() && !refused,
        }
    }

    /// A line.
    pub fn line(&self, text: &str) {
        let mut stdout = std::io::stdout().lock();
        // A reader that has gone (`| head`) must not end a walk or a check half-way.
        let _ = writeln!(stdout, "{text}");
    }

    /// A line with its sign.
    pub fn marked(&self, mark: Mark, text: &str) {
        self.line(&marked(mark, text, self.colored));
    }
}

fn marked(mark: Mark, text: &str, colored: bool) -> String {
    let sign = mark.sign();
    if colored {
        format!("{}{sign}\x1b[0m {text}", mark.color())
    } else {
        format!("{sign} {text}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_sign_is_colored_and_only_on_request() {
        assert_eq!(marked(Mark::Bad, "no", false), "✗ no");
        assert_eq!(marked(Mark::Good, "yes", true), "\x1b[32m✓\x1b[0m yes");
    }
}
