//! Why a host could not be resolved.

use crate::error::ErrorCode;
use crate::ssh::target::TargetError;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why there is no answer to what a host is. Nothing has been dialled.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// A part of the target or a parameter beside it cannot be used.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A hop of the `proxyJump` parameter cannot be used.
    #[error("proxyJump: {0}")]
    ProxyJump(#[source] TargetError),
    /// The `privateKeyPath` parameter is empty.
    #[error("privateKeyPath is empty; leave it out to use the keys of the configuration")]
    EmptyKeyPath,
    /// There is a configuration and no `ssh` that could read it.
    #[error(
        "{} can only be read by OpenSSH's `{}`, and that program was not found; install the OpenSSH client \
         or put it into PATH",
        config.display(), binary.display()
    )]
    NoSsh {
        /// The program that was looked for.
        binary: PathBuf,
        /// The configuration that it had to read.
        config: PathBuf,
    },
    /// No `ssh`, no configuration, and nothing that names the user.
    #[error(
        "no user name: neither the call nor USER names one, and there is no ssh to ask; give `username`"
    )]
    NoUsername,
    /// `ssh` could not be started.
    #[error("`{} -G` could not be started: {source}", binary.display())]
    Spawn {
        /// The program.
        binary: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// `ssh` ran and its output could not be read.
    #[error("the output of `ssh -G` could not be read: {0}")]
    Read(#[source] io::Error),
    /// `ssh` took too long; it and its children were killed.
    #[error(
        "`ssh -G` did not answer within {:.1} s and was killed; a `Match exec` command or a name lookup of \
         CanonicalizeHostname in the ssh configuration hangs", limit.as_secs_f64()
    )]
    Timeout {
        /// The limit that it passed.
        limit: Duration,
    },
    /// `ssh` wrote more than any configuration amounts to.
    #[error(
        "`ssh -G` printed more than {limit} bytes; the ssh configuration sets too much for this host"
    )]
    TooMuchOutput {
        /// The limit that it passed.
        limit: u64,
    },
    /// `ssh` refused the configuration.
    #[error("`ssh -G` failed ({status}): {message}; correct the ssh configuration")]
    Failed {
        /// Its exit status, in words.
        status: String,
        /// What it wrote, with the file and the line; control characters written out.
        message: String,
    },
    /// The value of an option cannot be used.
    #[error("{option} {value} of the ssh configuration cannot be used: {why}")]
    Value {
        /// The option, as ssh_config(5) spells it.
        option: &'static str,
        /// Its value, quoted.
        value: String,
        /// What is wrong with it.
        why: String,
    },
    /// The configuration asks for something that cannot be honoured.
    #[error("the ssh configuration asks for {0}")]
    Unsupported(UnsupportedOption),
}

impl ResolveError {
    /// The stable code for programs.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Target(_) | Self::ProxyJump(_) | Self::EmptyKeyPath | Self::NoUsername => {
                ErrorCode::InvalidParameter
            }
            _ => ErrorCode::ConfigError,
        }
    }

    /// Whether the same request may succeed later with nothing changed: a reconnect goes on trying.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Timeout { .. } | Self::Read(_) => true,
            // A system short of processes or memory, not a program that may not be run.
            Self::Spawn { source, .. } => source.kind() != io::ErrorKind::PermissionDenied,
            // CanonicalizeHostname without a name server.
            Self::Failed { message, .. } => message.contains("Could not resolve hostname"),
            _ => false,
        }
    }
}

/// An option that cannot be honoured and may not be ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsupportedOption {
    /// The option, as ssh_config(5) spells it.
    pub option: &'static str,
    /// The value of the option, in quotes.
    pub value: String,
    /// The reason, and the next step for the user.
    pub why: &'static str,
}

impl fmt::Display for UnsupportedOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.option, self.value, self.why)
    }
}
