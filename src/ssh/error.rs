//! What can go wrong between this process and a remote host, in our words.
//!
//! russh's errors are interpreted here and nowhere else. Each error knows two things that the layers above
//! decide by: whether trying again can help ([`SshError::is_permanent`]) and its stable code.

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

/// A step of a connect. Each has its own deadline and its own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Waiting for one of the handshake slots.
    Queue,
    /// `ssh -G` and the name service.
    Resolve,
    /// Reading key files and asking the agent.
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
    /// The host as it was given cannot be one.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The OpenSSH configuration cannot be used.
    #[error("{0}")]
    Resolve(Arc<ResolveError>),
    /// The configuration asks for something that this program cannot honour.
    #[error("{0}")]
    Config(String),
    /// No address of the host took a TCP connection.
    #[error(
        "cannot reach {host} port {port}: {reason}; check that the host is up, the name and the port are right, and that this machine may reach it"
    )]
    Unreachable {
        /// Host name that was dialled.
        host: String,
        /// TCP port.
        port: u16,
        /// The system's words for each address.
        reason: String,
    },
    /// A phase did not end in its time.
    #[error("{host} port {port}: {phase} took longer than {:.1} s; check that the host is up, or raise connectTimeoutMs", after.as_secs_f64())]
    PhaseTimeout {
        /// Host name that was dialled.
        host: String,
        /// TCP port.
        port: u16,
        /// The phase that did not end.
        phase: Phase,
        /// The time it was given.
        after: Duration,
    },
    /// The peer broke the protocol or hung up before the key exchange was over.
    #[error("{host} port {port}: the SSH handshake failed: {reason}")]
    Handshake {
        /// Host name that was dialled.
        host: String,
        /// TCP port.
        port: u16,
        /// Why the handshake ended.
        reason: Disconnect,
    },
    /// Both sides have no algorithm in common.
    #[error("{host}: no common {kind} algorithm; ours: {ours}; the server's: {theirs}; {hint}")]
    NoCommonAlgorithm {
        /// Host name that was dialled.
        host: String,
        /// What the algorithm is for.
        kind: String,
        /// What this side offers.
        ours: String,
        /// What the server offers.
        theirs: String,
        /// What can be done.
        hint: &'static str,
    },
    /// The host key was refused.
    #[error("{0}")]
    HostKey(Box<HostKeyRefusal>),
    /// The host shows another key than the one the session was opened with.
    #[error(
        "the host key of {host} is not the one that this session was opened with: expected {expected}, got {actual}; no credential was sent; if the change is known to be right, call ssh_connect again to accept the new key under known_hosts rules"
    )]
    PinnedKeyChanged {
        /// Host name that was dialled.
        host: String,
        /// Fingerprint at the first connect.
        expected: String,
        /// Fingerprint now.
        actual: String,
    },
    /// A key file was named by the call and cannot be used.
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
    /// Whether trying again with the same input cannot help: such an error ends all retrying.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Resolve(error) => !error.is_transient(),
            Self::Target(_)
            | Self::Config(_)
            | Self::NoCommonAlgorithm { .. }
            | Self::PinnedKeyChanged { .. }
            | Self::KeyFile(_) => true,
            // A lock that is held or a process out of descriptors is no verdict.
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
            // A link that broke in the middle says nothing about the credentials.
            Self::Auth(failure) if !failure.is_permanent() => ErrorCode::ConnectFailed,
            Self::Auth(_) => ErrorCode::AuthFailed,
            Self::ChannelRefused(_) => ErrorCode::Unsupported,
            Self::Lost(_) => ErrorCode::ConnectionLost,
        }
    }
}

/// What the callbacks of a connection fail with: russh's own error, or a verdict of ours on its way out.
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

/// A server that only has SHA-1 `ssh-rsa` is common enough on old appliances to be named.
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
