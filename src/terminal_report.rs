//! Plain text on stdout, for the two subcommands that own it: `demo` and `doctor`.
//!
//! Everywhere else stdout is the MCP wire, and clippy denies printing there. The two subcommands serve no client, and
//! only this module prints for them. A leaf: imports nothing of this crate.

use std::io::{IsTerminal, Write};

/// A verdict, as the sign in front of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Success.
    Good,
    /// A fault.
    Bad,
    /// Not tried, or worth knowing without being a fault.
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
    /// Writes to stdout, with colors on a terminal unless NO_COLOR is set (<https://no-color.org>).
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
