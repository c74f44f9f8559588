//! Why a host key is refused, in words that say what to do next.

use crate::error::ErrorCode;
use crate::limits::QUOTED_TEXT_MAX_CHARS;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{HashAlg, PublicKey};
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileLine {
    /// The file, as it is named in the configuration.
    pub path: Arc<Path>,
    /// The line, counted from 1.
    pub line: usize,
}

impl FileLine {
    /// Names a line.
    pub(super) fn new(path: Arc<Path>, line: usize) -> Self {
        Self { path, line }
    }
}

impl fmt::Display for FileLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path.display(), self.line)
    }
}

/// The key that a host showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentedKey {
    /// The name under which the host's keys are looked up.
    pub host: String,
    /// The key's type, as in known_hosts.
    pub algorithm: String,
    /// Its fingerprint, `SHA256:...`.
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

/// A host key that is not accepted. No credential may be sent after one, and none of them is mended by
/// trying again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostKeyRefusal {
    /// The key is recorded nowhere and may not be recorded now.
    #[error("the host key of {host} is not known: {key}; {advice}", host = .key.host)]
    Unknown {
        /// What the host showed.
        key: Box<PresentedKey>,
        /// Why it was not recorded, and what to do.
        advice: String,
    },
    /// Other keys are recorded for the host, and this one is not.
    #[error(
        "the host key of {host} has changed: it shows {key}, but {place} records {recorded}; someone may \
         be posing as this host. {advice}",
        host = .key.host
    )]
    Changed {
        /// What the host showed.
        key: Box<PresentedKey>,
        /// Type and fingerprint of the recorded key.
        recorded: String,
        /// Where that one is recorded.
        place: FileLine,
        /// What to do.
        advice: String,
    },
    /// The key must not be accepted from anybody.
    #[error(
        "the host key of {host} is revoked: {place} revokes {key}; someone may be using a stolen key. ask \
         the host's administrator; the host needs a new key",
        host = .key.host
    )]
    Revoked {
        /// What the host showed.
        key: Box<PresentedKey>,
        /// The line that revokes it.
        place: FileLine,
    },
    /// An RSA key that is too short to prove anything.
    #[error(
        "the host key of {host} is too weak: {key} has {bits} bits, RequiredRSASize is {required}; the \
         host needs a larger key or one of another type",
        host = .key.host
    )]
    WeakKey {
        /// What the host showed.
        key: Box<PresentedKey>,
        /// Its size.
        bits: u32,
        /// The smallest size that is accepted.
        required: u32,
    },
    /// A key of a type that cannot be judged.
    #[error(
        "the host key of {host} cannot be checked: {key} is of a type that is not supported; ask for \
         another one with HostKeyAlgorithms",
        host = .key.host
    )]
    UnsupportedKey {
        /// What the host showed.
        key: Box<PresentedKey>,
    },
    /// A known_hosts file cannot be read or added to.
    #[error("host keys cannot be checked: {action} {path}: {reason}; mend it and try again", path = .path.display())]
    Io {
        /// The file.
        path: Arc<Path>,
        /// What could not be done with it: `cannot read`, `cannot add to`.
        action: &'static str,
        /// Why.
        reason: String,
    },
    /// A RevokedHostKeys list cannot be used; OpenSSH refuses every host then.
    #[error(
        "host keys cannot be checked: RevokedHostKeys {path}: {reason}; mend the list or the option",
        path = .path.display()
    )]
    RevokedList {
        /// The list.
        path: Arc<Path>,
        /// What is wrong with it.
        reason: String,
    },
    /// A name under which no key may be looked up or recorded.
    #[error(
        "host name or HostKeyAlias \"{name}\" has characters that no host name has; name the host otherwise"
    )]
    InvalidName {
        /// The name, with control and foreign characters escaped.
        name: String,
    },
}

/// The reasons of [`HostKeyRefusal`] without their data: for error codes and metric labels.
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
    /// An option cannot be honoured.
    Config,
    /// The name is no host name.
    InvalidName,
}

impl RefusalKind {
    /// The word for metric labels.
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

    /// A known_hosts file that exists and cannot be read.
    pub(super) fn unreadable(path: &Path, error: &io::Error) -> Self {
        Self::io(path, "cannot read", error)
    }

    /// A known_hosts file that cannot be added to.
    pub(super) fn unwritable(path: &Path, error: &io::Error) -> Self {
        Self::io(path, "cannot add to", error)
    }

    /// A file that something cannot be done with.
    fn io(path: &Path, action: &'static str, error: &io::Error) -> Self {
        Self::Io {
            path: path.into(),
            action,
            reason: error.to_string(),
        }
    }

    /// A list of revoked keys that cannot be used.
    pub(super) fn revoked_list(path: &Path, reason: String) -> Self {
        Self::RevokedList {
            path: path.into(),
            reason,
        }
    }

    /// A name that is quoted in a safe form.
    pub(super) fn invalid_name(name: &str) -> Self {
        let quoted = name.chars().take(QUOTED_TEXT_MAX_CHARS);
        Self::InvalidName {
            name: quoted.flat_map(char::escape_default).collect(),
        }
    }
}

/// Type and fingerprint of a recorded key.
pub(super) fn describe(key: &KeyData) -> String {
    let fingerprint = key.fingerprint(HashAlg::Sha256);
    format!("{} {fingerprint}", key.algorithm().as_str())
}
