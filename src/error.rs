//! Terms for failures that every layer shares: stable error codes and the fate of a command.
//!
//! A leaf: imports nothing of this crate. Each layer has its own error enum; these two types cross all layers and end in
//! the `_meta` of a tool result.

use std::fmt;

/// Stable machine-readable code of a tool error, as listed in docs/troubleshooting.md.
///
/// Other programs match on the text of these codes: a code is never renamed and never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// A parameter is missing, unknown, of the wrong type or out of range.
    InvalidParameter,
    /// No session of that name is known, neither connected nor saved.
    NoSuchSession,
    /// No session was named and there is no default session.
    NoDefaultSession,
    /// The session cannot be used until it is connected again.
    NotConnected,
    /// The host could not be reached or did not complete the handshake.
    ConnectFailed,
    /// The server refused every credential that was offered.
    AuthFailed,
    /// The host key is in no known_hosts file.
    HostKeyUnknown,
    /// The host key differs from the recorded key.
    HostKeyChanged,
    /// The host key is marked as revoked.
    HostKeyRevoked,
    /// A host certificate does not fit the host.
    HostKeyMismatch,
    /// The OpenSSH configuration cannot be read, or has an option that cannot be honoured.
    ConfigError,
    /// The shell or the session is busy with another command.
    Busy,
    /// No job of that name is known.
    NoSuchJob,
    /// The job has ended and accepts no more input.
    JobEnded,
    /// A limit of `limits.rs` was reached.
    LimitExceeded,
    /// The connection was lost during the call.
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
    /// Every code, in the order of the table in docs/troubleshooting.md.
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

    /// The code as written in `_meta`.
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

/// Fate of a requested command: the base of the rule that nothing runs twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    /// The exec request was never sent: nothing ran, and the call may be repeated.
    NotSent,
    /// The command ran and its end was seen.
    Completed,
    /// The request left and its end was not seen: the command may have run, in whole or in part.
    Unknown,
}

impl Fate {
    /// The fate as written in `_meta`.
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
