//! Names of the connection states: the words of results, of `/health` and of the documentation.

use std::fmt;

/// Name of the state of a session's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StateName {
    /// A dial is under way.
    Connecting,
    /// The link is up.
    Ready,
    /// The link is down; the session dials again by itself.
    Backoff,
    /// The link has been down for long; the session dials when a call needs the host.
    Dormant,
    /// Dialling again cannot help; only `ssh_connect` and `ssh_reconnect` dial.
    Failed,
    /// The session is known and not connected; the session dials when a call needs the host.
    Saved,
}

impl StateName {
    /// Every state, in the order of `/health`.
    pub const ALL: [Self; 6] = [
        Self::Connecting,
        Self::Ready,
        Self::Backoff,
        Self::Dormant,
        Self::Failed,
        Self::Saved,
    ];

    /// The word in results.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Ready => "ready",
            Self::Backoff => "backoff",
            Self::Dormant => "dormant",
            Self::Failed => "failed",
            Self::Saved => "saved",
        }
    }
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
