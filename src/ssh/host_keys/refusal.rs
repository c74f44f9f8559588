//! The reasons for refusing a host key, with messages that name the next step.

use crate::error::ErrorCode;
use crate::limits::QUOTED_TEXT_MAX_CHARS;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{HashAlg, PublicKey};
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileLine {
    /// The path of the file as in the configuration.
    pub path: Arc<Path>,
    /// The line, counted from 1.
    pub line: usize,
}

impl FileLine {
    pub(super) fn new(path: Arc<Path>, line: usize) -> Self {
        Self { path, line }
    }
}

impl fmt::Display for FileLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path.display(), self.line)
    }
}

/// The key that a host presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentedKey {
    /// The name under which the host's keys are looked up.
    pub host: String,
    /// The type of the key, as in known_hosts.
    pub algorithm: String,
    /// The fingerprint of the key, `SHA256:...`.
    pub fingerprint: String,
}

impl PresentedKey {
    /// Describes a key of a host.
    pub(super) fn new(host: &str, key: &PublicKey) -> Self {
        Self {
            host: host.to_owned(),
            algorithm: key.algorithm().as_str().to_owned(),
            fingerprint: key.fingerprint(HashAlg::Sha256).to_string(),
        }
    }
}

impl fmt::Display for PresentedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.algorithm, self.fingerprint)
    }
}

/// A host key that is not accepted. No credential may be sent to the host, and retrying does not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostKeyRefusal {
    /// The key is recorded nowhere and may not be recorded now.
    #[error("the host key of {host} is not known: {key}; {advice}", host = .key.host)]
    Unknown {
        /// The key that the host presented.
        key: Box<PresentedKey>,
        /// The reason why the key was not recorded, and the next step.
        advice: String,
    },
    /// Other keys are recorded for the host, but not this key.
    #[error(
        "the host key of {host} has changed: the host presents {key}, but {place} records {recorded}; \
         someone may be impersonating this host. {advice}",
        host = .key.host
    )]
    Changed {
        /// The key that the host presented.
        key: Box<PresentedKey>,
        /// Type and fingerprint of the recorded key.
        recorded: String,
        /// The line with the recorded key.
        place: FileLine,
        /// The next step.
        advice: String,
    },
    /// The key is marked as revoked.
    #[error(
        "the host key of {host} is revoked: {place} revokes {key}; someone may be using a stolen key. ask \
         the host's administrator; the host needs a new key",
        host = .key.host
    )]
    Revoked {
        /// The key that the host presented.
        key: Box<PresentedKey>,
        /// The line that revokes the key.
        place: FileLine,
    },
    /// An RSA key below RequiredRSASize.
    #[error(
        "the host key of {host} is too weak: {key} has {bits} bits, RequiredRSASize is {required}; the \
         host needs a larger RSA key or a key of another type",
        host = .key.host
    )]
    WeakKey {
        /// The key that the host presented.
        key: Box<PresentedKey>,
        /// The size of the key.
        bits: u32,
        /// The smallest size that is accepted.
        required: u32,
    },
    /// A key of a type that this program cannot compare.
    #[error(
        "the host key of {host} cannot be checked: {key} is of a type that is not supported; request \
         another type with HostKeyAlgorithms",
        host = .key.host
    )]
    UnsupportedKey {
        /// The key that the host presented.
        key: Box<PresentedKey>,
    },
    /// A known_hosts file cannot be read or appended to.
    #[error(
        "host keys cannot be checked: {action} {path}: {reason}; correct the file or its permissions and try again",
        path = .path.display()
    )]
    Io {
        /// The file.
        path: Arc<Path>,
        /// The failed action: `cannot read` or `cannot add to`.
        action: &'static str,
        /// The cause.
        reason: String,
    },
    /// A RevokedHostKeys list cannot be used. OpenSSH refuses every host in this case.
    #[error(
        "host keys cannot be checked: RevokedHostKeys {path}: {reason}; correct the list or the option",
        path = .path.display()
    )]
    RevokedList {
        /// The list.
        path: Arc<Path>,
        /// The cause.
        reason: String,
    },
    /// A name that is unsafe to look up or record in a known_hosts file.
    #[error(
        "host name or HostKeyAlias \"{name}\" is empty, too long, or has characters that host names do not \
         have; use another name for the host"
    )]
    InvalidName {
        /// The name, with control and foreign characters escaped.
        name: String,
    },
}

/// The reason of a [`HostKeyRefusal`] without its data, for error codes and metric labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalKind {
    /// The key is recorded nowhere.
    Unknown,
    /// Another key is recorded.
    Changed,
    /// The key is revoked.
    Revoked,
    /// The key is too weak or of an unsupported type.
    Unsuitable,
    /// A file cannot be read or written.
    Io,
    /// A RevokedHostKeys list cannot be used.
    Config,
    /// The name is not a valid host name.
    InvalidName,
}

impl RefusalKind {
    /// The value of metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Changed => "changed",
            Self::Revoked => "revoked",
            Self::Unsuitable => "unsuitable",
            Self::Io => "io",
            Self::Config => "config",
            Self::InvalidName => "invalidName",
        }
    }

    /// The code of the tool error.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Unknown => ErrorCode::HostKeyUnknown,
            Self::Changed => ErrorCode::HostKeyChanged,
            Self::Revoked => ErrorCode::HostKeyRevoked,
            Self::Unsuitable => ErrorCode::Unsupported,
            Self::Io => ErrorCode::LocalPathError,
            Self::Config => ErrorCode::ConfigError,
            Self::InvalidName => ErrorCode::InvalidParameter,
        }
    }
}

impl HostKeyRefusal {
    /// The reason without its data.
    pub const fn kind(&self) -> RefusalKind {
        match self {
            Self::Unknown { .. } => RefusalKind::Unknown,
            Self::Changed { .. } => RefusalKind::Changed,
            Self::Revoked { .. } => RefusalKind::Revoked,
            Self::WeakKey { .. } | Self::UnsupportedKey { .. } => RefusalKind::Unsuitable,
            Self::Io { .. } => RefusalKind::Io,
            Self::RevokedList { .. } => RefusalKind::Config,
            Self::InvalidName { .. } => RefusalKind::InvalidName,
        }
    }

    /// The refusal for a known_hosts file that exists but cannot be read.
    pub(super) fn unreadable(path: &Path, error: &io::Error) -> Self {
        Self::io(path, "cannot read", error)
    }

    /// The refusal for a known_hosts file that cannot be appended to.
    pub(super) fn unwritable(path: &Path, error: &io::Error) -> Self {
        Self::io(path, "cannot add to", error)
    }

    fn io(path: &Path, action: &'static str, error: &io::Error) -> Self {
        Self::Io {
            path: path.into(),
            action,
            reason: error.to_string(),
        }
    }

    /// The refusal for an unusable list of revoked keys.
    pub(super) fn revoked_list(path: &Path, reason: String) -> Self {
        Self::RevokedList {
            path: path.into(),
            reason,
        }
    }

    /// The refusal for an unsafe name, quoted with escapes.
    pub(super) fn invalid_name(name: &str) -> Self {
        let quoted = name.chars().take(QUOTED_TEXT_MAX_CHARS);
        Self::InvalidName {
            name: quoted.flat_map(char::escape_default).collect(),
        }
    }
}

/// The type and fingerprint of a recorded key.
pub(super) fn describe(key: &KeyData) -> String {
    let fingerprint = key.fingerprint(HashAlg::Sha256);
    format!("{} {fingerprint}", key.algorithm().as_str())
}
