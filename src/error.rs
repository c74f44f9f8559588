//! The words that every layer shares when something fails: stable error codes and the fate of a command.
//!
//! A leaf: it imports nothing of this crate. Each layer has its own error enum; these two types are what
//! crosses all of them and ends in the `_meta` of a tool result.

use std::fmt;

/// Stable machine-readable code of a tool error, as listed in the README.
///
/// Other programs match on the text of these codes: a code is never renamed and never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// A parameter is missing, unknown, of the wrong type or out of range.
    InvalidParameter,
    /// No session of that name is known, neither connected nor saved.
    NoSuchSession,
    /// No session was named and there is no default one.
    NoDefaultSession,
    /// The session cannot be used until it is connected again.
    NotConnected,
    /// The host could not be reached or did not complete the handshake.
    ConnectFailed,
    /// The server refused every credential that was offered.
    AuthFailed,
    /// The host key is in no known_hosts file.
    HostKeyUnknown,
    /// The host key differs from the recorded one.
    HostKeyChanged,
    /// The host key is marked as revoked.
    HostKeyRevoked,
    /// A host certificate does not fit the host.
    HostKeyMismatch,
    /// The OpenSSH configuration cannot be read or asks for something that cannot be honoured.
    ConfigError,
    /// The shell or the session runs something else right now.
    Busy,
    /// No job of that name is known.
    NoSuchJob,
    /// The job has ended and takes no more input.
    JobEnded,
    /// A limit of `limits.rs` was reached.
    LimitExceeded,
    /// The connection was lost while the call was under way.
    ConnectionLost,
    /// A time limit passed.
    TimedOut,
    /// A path on the remote host cannot be used.
    RemotePathError,
    /// A path on this machine cannot be used.
    LocalPathError,
    /// No space is left on one side.
    DiskFull,
    /// The content that arrived is not the content that was sent.
    VerifyFailed,
    /// The server does not offer what the call needs.
    Unsupported,
    /// The call was cancelled.
    Cancelled,
    /// A defect of this program.
    Internal,
}

impl ErrorCode {
    /// Every code, in the order of the README's table.
    pub const ALL: [Self; 24] = [
        Self::InvalidParameter,
        Self::NoSuchSession,
        Self::NoDefaultSession,
        Self::NotConnected,
        Self::ConnectFailed,
        Self::AuthFailed,
        Self::HostKeyUnknown,
        Self::HostKeyChanged,
        Self::HostKeyRevoked,
        Self::HostKeyMismatch,
        Self::ConfigError,
        Self::Busy,
        Self::NoSuchJob,
        Self::JobEnded,
        Self::LimitExceeded,
        Self::ConnectionLost,
        Self::TimedOut,
        Self::RemotePathError,
        Self::LocalPathError,
        Self::DiskFull,
        Self::VerifyFailed,
        Self::Unsupported,
        Self::Cancelled,
        Self::Internal,
    ];

    /// The code as it stands in `_meta` and in the README.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidParameter => "invalidParameter",
            Self::NoSuchSession => "noSuchSession",
            Self::NoDefaultSession => "noDefaultSession",
            Self::NotConnected => "notConnected",
            Self::ConnectFailed => "connectFailed",
            Self::AuthFailed => "authFailed",
            Self::HostKeyUnknown => "hostKeyUnknown",
            Self::HostKeyChanged => "hostKeyChanged",
            Self::HostKeyRevoked => "hostKeyRevoked",
            Self::HostKeyMismatch => "hostKeyMismatch",
            Self::ConfigError => "configError",
            Self::Busy => "busy",
            Self::NoSuchJob => "noSuchJob",
            Self::JobEnded => "jobEnded",
            Self::LimitExceeded => "limitExceeded",
            Self::ConnectionLost => "connectionLost",
            Self::TimedOut => "timedOut",
            Self::RemotePathError => "remotePathError",
            Self::LocalPathError => "localPathError",
            Self::DiskFull => "diskFull",
            Self::VerifyFailed => "verifyFailed",
            Self::Unsupported => "unsupported",
            Self::Cancelled => "cancelled",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is known of a command that was asked for: the "never twice" rule in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    /// The exec request never left: nothing ran, the call may be made again.
    NotSent,
    /// The command ran and its end was seen.
    Completed,
    /// The request left and its end was not seen: the command may have run, in whole or in part.
    Unknown,
}

impl Fate {
    /// The word as it stands in `_meta`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotSent => "notSent",
            Self::Completed => "completed",
            Self::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_listed_once_and_in_camel_case() {
        let names: HashSet<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), ErrorCode::ALL.len());
        assert!(
            names
                .iter()
                .all(|name| name.chars().all(char::is_alphabetic))
        );
    }
}
