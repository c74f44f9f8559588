//! Errors of resolving a host.

use crate::error::ErrorCode;
use crate::ssh::target::TargetError;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// The reason why a host could not be resolved. No connection has been opened.
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
    /// A configuration exists, but no `ssh` to read the configuration.
    #[error(
        "{} can only be read by OpenSSH's `{}`, and that program was not found; install the OpenSSH client \
         or put it into PATH",
        config.display(), binary.display()
    )]
    NoSsh {
        /// The missing program.
        binary: PathBuf,
        /// The configuration file.
        config: PathBuf,
    },
    /// There is no `ssh`, no configuration and no other source of a user name.
    #[error(
        "no user name: neither the call nor USER has a user name, and ssh is not installed; give `username`"
    )]
    NoUsername,
    /// `ssh` could not be started.
    #[error("`{} -G` could not be started: {source}", binary.display())]
    Spawn {
        /// The program.
        binary: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// `ssh` ran, but its output could not be read.
    #[error("the output of `ssh -G` could not be read: {0}")]
    Read(#[source] io::Error),
    /// `ssh` took too long and was killed with its children.
    #[error(
        "`ssh -G` did not answer within {:.1} s and was killed; a `Match exec` command or a name lookup of \
         CanonicalizeHostname in the ssh configuration hangs", limit.as_secs_f64()
    )]
    Timeout {
        /// The time limit.
        limit: Duration,
    },
    /// `ssh` printed more than a usable configuration amounts to.
    #[error(
        "`ssh -G` printed more than {limit} bytes; the ssh configuration sets too much for this host"
    )]
    TooMuchOutput {
        /// The limit in bytes.
        limit: u64,
    },
    /// `ssh` rejected the configuration.
    #[error("`ssh -G` failed ({status}): {message}; correct the ssh configuration")]
    Failed {
        /// The exit status, in words.
        status: String,
        /// The error message of `ssh`, with control characters escaped.
        message: String,
    },
    /// The value of an option cannot be used.
    #[error("{option} {value} of the ssh configuration cannot be used: {why}")]
    Value {
        /// The name of the option in ssh_config(5).
        option: &'static str,
        /// The value, in quotes.
        value: String,
        /// The reason.
        why: String,
    },
    /// The configuration sets an option that this program does not support and must not ignore.
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

    /// Whether the same request may succeed later without any change, so that a reconnect keeps retrying.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Timeout { .. } | Self::Read(_) => true,
            // Spawning may fail because the system is short of processes or memory. Permissions do not recover.
            Self::Spawn { source, .. } => source.kind() != io::ErrorKind::PermissionDenied,
            // CanonicalizeHostname fails this way while no name server is reachable.
            Self::Failed { message, .. } => message.contains("Could not resolve hostname"),
            _ => false,
        }
    }
}

/// An option that this program does not support and must not ignore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsupportedOption {
    /// The name of the option in ssh_config(5).
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
