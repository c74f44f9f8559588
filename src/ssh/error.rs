//! Errors of connections to remote hosts.
//!
//! This file interprets russh's errors of the handshake, and `disconnect` its errors of an open connection. For
//! the layers above, each error tells whether retrying can help ([`SshError::is_permanent`]) and has a stable
//! code ([`SshError::code`]).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::auth::failure::AuthFailure;
use super::auth::key_file::KeyFileError;
use super::disconnect::Disconnect;
use super::host_keys::{HostKeyRefusal, RefusalKind};
use super::peer_text::one_line;
use super::resolve::ResolveError;
use super::target::TargetError;
use crate::error::ErrorCode;

/// A phase of connecting. Each phase has a deadline and a name for error messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Waiting for a handshake slot.
    Queue,
    /// `ssh -G` and the name service.
    Resolve,
    /// Reading key files and listing the keys of the agent.
    Keys,
    /// TCP connect.
    Tcp,
    /// SSH banner and key exchange.
    Handshake,
    /// User authentication.
    Authentication,
    /// Opening a session channel.
    Channel,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Queue => "waiting for a free handshake slot",
            Self::Resolve => "resolving the host",
            Self::Keys => "reading key files and asking the agent",
            Self::Tcp => "the TCP connect",
            Self::Handshake => "the banner and key exchange",
            Self::Authentication => "authentication",
            Self::Channel => "opening a session channel",
        })
    }
}

/// A failed dial or a lost connection.
#[derive(Debug, Clone, Error)]
pub enum SshError {
    /// The requested host is not a valid host.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The OpenSSH configuration cannot be used.
    #[error("{0}")]
    Resolve(Arc<ResolveError>),
    /// The configuration asks for something that this program does not support.
    #[error("{0}")]
    Config(String),
    /// No address of the host accepted a TCP connection.
    #[error(
        "cannot reach {host} port {port}: {reason}; check that the host is up, that name and port are right, and that no firewall blocks this machine"
    )]
    Unreachable {
        /// Host name that was dialled.
        host: String,
        /// TCP port.
        port: u16,
        /// The error of the operating system for each address.
        reason: String,
    },
    /// A phase exceeded its deadline.
    #[error("{host} port {port}: {phase} took longer than {:.1} s; check that the host is up, or raise connectTimeoutMs", after.as_secs_f64())]
    PhaseTimeout {
        /// Host name that was dialled.
        host: String,
        /// TCP port.
        port: u16,
        /// The phase that took too long.
        phase: Phase,
        /// The time limit of the phase.
        after: Duration,
    },
    /// The server violated the protocol or disconnected before the key exchange was complete.
    #[error("{host} port {port}: the SSH handshake failed: {reason}")]
    Handshake {
        /// Host name that was dialled.
        host: String,
        /// TCP port.
        port: u16,
        /// The reason for the end of the handshake.
        reason: Disconnect,
    },
    /// Both sides have no algorithm in common.
    #[error("{host}: no common {kind} algorithm; ours: {ours}; the server's: {theirs}; {hint}")]
    NoCommonAlgorithm {
        /// Host name that was dialled.
        host: String,
        /// The purpose of the algorithm.
        kind: String,
        /// The algorithms of this program.
        ours: String,
        /// The algorithms of the server.
        theirs: String,
        /// The next step.
        hint: &'static str,
    },
    /// The host key was refused.
    #[error("{0}")]
    HostKey(Box<HostKeyRefusal>),
    /// The host presents another key than at the start of the session.
    #[error(
        "the host key of {host} differs from the key with which this session was opened: expected {expected}, got {actual}; no credential was sent; if the change is legitimate, call ssh_connect again to accept the new key under known_hosts rules"
    )]
    PinnedKeyChanged {
        /// Host name that was dialled.
        host: String,
        /// Fingerprint at the first connect.
        expected: String,
        /// Fingerprint now.
        actual: String,
    },
    /// The call named a key file that cannot be used.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// The server refused every credential.
    #[error("{0}")]
    Auth(Box<AuthFailure>),
    /// The server refuses session channels.
    #[error("{0}")]
    ChannelRefused(String),
    /// The connection was lost.
    #[error("connection lost: {0}")]
    Lost(Disconnect),
}

impl From<HostKeyRefusal> for SshError {
    fn from(refusal: HostKeyRefusal) -> Self {
        Self::HostKey(Box::new(refusal))
    }
}

impl From<ResolveError> for SshError {
    fn from(error: ResolveError) -> Self {
        Self::Resolve(Arc::new(error))
    }
}

impl SshError {
    /// Whether retrying with the same input cannot help. Such an error ends all retries.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Resolve(error) => !error.is_transient(),
            Self::Target(_)
            | Self::Config(_)
            | Self::NoCommonAlgorithm { .. }
            | Self::PinnedKeyChanged { .. }
            | Self::KeyFile(_) => true,
            // A held lock or a lack of file descriptors may go away, unlike a verdict on the key.
            Self::HostKey(refusal) => refusal.kind() != RefusalKind::Io,
            Self::Auth(failure) => failure.is_permanent(),
            Self::Unreachable { .. }
            | Self::PhaseTimeout { .. }
            | Self::Handshake { .. }
            | Self::ChannelRefused(_)
            | Self::Lost(_) => false,
        }
    }

    /// The stable code of a tool error that carries this failure.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Target(_) => ErrorCode::InvalidParameter,
            Self::Resolve(error) => error.code(),
            Self::Config(_) => ErrorCode::ConfigError,
            Self::Unreachable { .. } | Self::Handshake { .. } | Self::NoCommonAlgorithm { .. } => {
                ErrorCode::ConnectFailed
            }
            Self::PhaseTimeout { .. } => ErrorCode::TimedOut,
            Self::HostKey(refusal) => refusal.kind().code(),
            Self::PinnedKeyChanged { .. } => ErrorCode::HostKeyChanged,
            Self::KeyFile(error) => error.code(),
            // A connection that was lost during authentication says nothing about the credentials.
            Self::Auth(failure) if !failure.is_permanent() => ErrorCode::ConnectFailed,
            Self::Auth(_) => ErrorCode::AuthFailed,
            Self::ChannelRefused(_) => ErrorCode::Unsupported,
            Self::Lost(_) => ErrorCode::ConnectionLost,
        }
    }
}

/// The error type of russh's client callbacks: an error of russh, or a refusal by this program, which russh
/// passes through to the caller.
#[derive(Debug, Error)]
pub(crate) enum HandlerError {
    /// russh's error.
    #[error(transparent)]
    Russh(#[from] russh::Error),
    /// The host key was refused in the middle of the key exchange.
    #[error(transparent)]
    Verdict(Box<SshError>),
}

/// Interprets an error of the banner and key-exchange phase.
pub(crate) fn from_handshake(error: HandlerError, host: &str, port: u16) -> SshError {
    let error = match error {
        HandlerError::Verdict(verdict) => return *verdict,
        HandlerError::Russh(error) => error,
    };
    match error {
        russh::Error::NoCommonAlgo { kind, ours, theirs } => SshError::NoCommonAlgorithm {
            host: host.to_owned(),
            hint: algorithm_hint(&theirs),
            kind: format!("{kind:?}").to_lowercase(),
            ours: ours.join(","),
            theirs: one_line(&theirs.join(",")),
        },
        other => SshError::Handshake {
            host: host.to_owned(),
            port,
            reason: Disconnect::from(&other),
        },
    }
}

/// The next step after a failed negotiation. Servers with only `ssh-rsa` (SHA-1) have their own hint, because
/// they are common on old appliances.
fn algorithm_hint(theirs: &[String]) -> &'static str {
    if theirs
        .iter()
        .all(|name| matches!(name.as_str(), "ssh-rsa" | "ssh-dss"))
    {
        "the server only signs with SHA-1, which is refused as in OpenSSH since 8.8; update the server"
    } else {
        "allow one of the server's algorithms in ssh_config, or update the server"
    }
}
