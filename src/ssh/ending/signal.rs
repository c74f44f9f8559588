//! Signals by name, as SSH, the tools and the results write them.

use std::fmt;

use russh::Sig;

/// Longest name of a signal that is taken from a server.
const NAME_MAX_CHARS: usize = 16;

/// A signal for a remote process: those of RFC 4254 section 6.10, USR2, and any other that a server reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGABRT
    Abrt,
    /// SIGALRM
    Alrm,
    /// SIGFPE
    Fpe,
    /// SIGHUP
    Hup,
    /// SIGILL
    Ill,
    /// SIGINT
    Int,
    /// SIGKILL
    Kill,
    /// SIGPIPE
    Pipe,
    /// SIGQUIT
    Quit,
    /// SIGSEGV
    Segv,
    /// SIGTERM
    Term,
    /// SIGUSR1
    Usr1,
    /// SIGUSR2
    Usr2,
    /// Another signal, under the name that the server gave it.
    Other(OtherName),
    /// The server reported a signal under a text that is no name.
    Unknown,
}

/// The name of a signal that has no variant: 1 to 16 capital letters and digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct OtherName {
    bytes: [u8; NAME_MAX_CHARS],
    len: usize,
}

/// Every variant that has a name of its own.
const NAMED: [(&str, Signal); 13] = [
    ("ABRT", Signal::Abrt),
    ("ALRM", Signal::Alrm),
    ("FPE", Signal::Fpe),
    ("HUP", Signal::Hup),
    ("ILL", Signal::Ill),
    ("INT", Signal::Int),
    ("KILL", Signal::Kill),
    ("PIPE", Signal::Pipe),
    ("QUIT", Signal::Quit),
    ("SEGV", Signal::Segv),
    ("TERM", Signal::Term),
    ("USR1", Signal::Usr1),
    ("USR2", Signal::Usr2),
];

impl Signal {
    /// The signals that end a command, in the order in which they are tried.
    pub const LADDER: [Self; 3] = [Self::Int, Self::Term, Self::Kill];

    /// Reads `TERM`, `SIGTERM` or `term`.
    pub fn parse(text: &str) -> Option<Self> {
        let name = text.to_ascii_uppercase();
        let name = name.strip_prefix("SIG").unwrap_or(&name);
        NAMED
            .iter()
            .find(|(other, _)| *other == name)
            .map(|(_, signal)| *signal)
            .or_else(|| OtherName::new(name).map(Self::Other))
    }

    /// The name without `SIG`, as RFC 4254 and `kill -s` write it; `unknown` when there is none.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Abrt => "ABRT",
            Self::Alrm => "ALRM",
            Self::Fpe => "FPE",
            Self::Hup => "HUP",
            Self::Ill => "ILL",
            Self::Int => "INT",
            Self::Kill => "KILL",
            Self::Pipe => "PIPE",
            Self::Quit => "QUIT",
            Self::Segv => "SEGV",
            Self::Term => "TERM",
            Self::Usr1 => "USR1",
            Self::Usr2 => "USR2",
            Self::Other(name) => name.as_str(),
            Self::Unknown => "unknown",
        }
    }

    /// Whether a command is expected to end when the signal reaches it.
    pub(crate) const fn asks_to_end(self) -> bool {
        matches!(
            self,
            Self::Int | Self::Term | Self::Hup | Self::Quit | Self::Kill
        )
    }

    /// Reads the name that stands in an exit-signal message. A server may send any text there, and the name goes
    /// into the first line of a result.
    pub(crate) fn from_server(signal: &Sig) -> Self {
        match signal {
            Sig::ABRT => Self::Abrt,
            Sig::ALRM => Self::Alrm,
            Sig::FPE => Self::Fpe,
            Sig::HUP => Self::Hup,
            Sig::ILL => Self::Ill,
            Sig::INT => Self::Int,
            Sig::KILL => Self::Kill,
            Sig::PIPE => Self::Pipe,
            Sig::QUIT => Self::Quit,
            Sig::SEGV => Self::Segv,
            Sig::TERM => Self::Term,
            Sig::USR1 => Self::Usr1,
            // Names of an implementation's own carry its domain: `NAME@domain`.
            Sig::Custom(name) => match name.split_once('@').map_or(name.as_str(), |(name, _)| name)
            {
                "USR2" => Self::Usr2,
                name => OtherName::new(name).map_or(Self::Unknown, Self::Other),
            },
        }
    }

    /// The signal in a signal request (RFC 4254 section 6.9).
    pub(crate) fn to_request(self) -> Sig {
        match self {
            Self::Abrt => Sig::ABRT,
            Self::Alrm => Sig::ALRM,
            Self::Fpe => Sig::FPE,
            Self::Hup => Sig::HUP,
            Self::Ill => Sig::ILL,
            Self::Int => Sig::INT,
            Self::Kill => Sig::KILL,
            Self::Pipe => Sig::PIPE,
            Self::Quit => Sig::QUIT,
            Self::Segv => Sig::SEGV,
            Self::Term => Sig::TERM,
            Self::Usr1 => Sig::USR1,
            Self::Usr2 | Self::Other(_) | Self::Unknown => Sig::Custom(self.as_str().to_owned()),
        }
    }
}

impl fmt::Display for Signal {
    /// `SIGTERM`, as in sentences.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIG{}", self.as_str())
    }
}

impl OtherName {
    fn new(name: &str) -> Option<Self> {
        let is_valid = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        if name.is_empty() || name.len() > NAME_MAX_CHARS || !name.bytes().all(is_valid) {
            return None;
        }
        let mut bytes = [0; NAME_MAX_CHARS];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        Some(Self {
            bytes,
            len: name.len(),
        })
    }

    fn as_str(&self) -> &str {
        // Only ASCII gets in.
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

impl fmt::Debug for OtherName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_is_read_back_from_each_way_of_writing_it() {
        for (name, signal) in NAMED {
            assert_eq!(signal.as_str(), name);
            assert_eq!(signal.to_string(), format!("SIG{name}"));
            for text in [name.to_owned(), format!("SIG{name}"), name.to_lowercase()] {
                assert_eq!(Signal::parse(&text), Some(signal), "{text}");
            }
            assert_eq!(Signal::from_server(&signal.to_request()), signal, "{name}");
        }
        assert_eq!(
            Signal::parse("XCPU")
                .map(|signal| signal.to_string())
                .as_deref(),
            Some("SIGXCPU")
        );
        for text in ["", "SIG", "SIG TERM", "TERM;", "ABCDEFGHIJKLMNOPQ"] {
            assert_eq!(Signal::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_server_may_report_any_text() {
        let rows = [
            ("USR2", "USR2"),
            ("XCPU@openssh.com", "XCPU"),
            ("WINCH", "WINCH"),
            ("rm -rf", "unknown"),
            ("", "unknown"),
            ("ABCDEFGHIJKLMNOPQ", "unknown"),
        ];
        for (text, name) in rows {
            let signal = Signal::from_server(&Sig::Custom(text.to_owned()));
            assert_eq!(signal.as_str(), name, "{text:?}");
        }
    }
}
