//! The connection state machine: every state in one type, every transition decided here, as pure functions.
//!
//! ```text
//!            connect, call                dialed
//!   saved ──────────────────▶ connecting ────────▶ ready
//!     ▲                        ▲   │                 │ connection lost
//!     │ disconnect             │   │ transient       ▼
//!     └── (any state)   delay  │   └──────────────▶ backoff ──── 30 min ───▶ dormant
//!                       is over└────────────────────┘  │                        │
//!                                                      │ permanent error        │ call
//!                                                      ▼                        ▼
//!                                                    failed                 connecting
//! ```

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::ssh::channel::Channels;
use crate::ssh::connection::Connection;
use crate::ssh::error::SshError;
use crate::ssh::sftp::pool::SftpPool;

/// Where a session stands.
#[derive(Debug)]
pub(crate) enum Link {
    /// Known, not connected, and not trying.
    Saved,
    /// A dial task is under way.
    Connecting,
    /// Up.
    Ready(Up),
    /// Lost; dials again by itself.
    Backoff {
        /// When.
        next_attempt: Instant,
        /// Why it is down.
        error: SshError,
    },
    /// Lost for long; dials when it is asked for.
    Dormant {
        /// Why it is down.
        error: SshError,
    },
    /// Trying again cannot help.
    Failed {
        /// Why.
        error: SshError,
    },
}

/// A live link.
#[derive(Debug)]
pub(crate) struct Up {
    /// The generation of the dial that made it.
    pub(crate) generation: u64,
    pub(crate) connection: Arc<Connection>,
    pub(crate) channels: Arc<Channels>,
    pub(crate) sftp: Arc<SftpPool>,
    pub(crate) since: Instant,
}

impl Link {
    /// The word in a tool result.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Saved => "saved",
            Self::Connecting => "connecting",
            Self::Ready(_) => "ready",
            Self::Backoff { .. } => "backoff",
            Self::Dormant { .. } => "dormant",
            Self::Failed { .. } => "failed",
        }
    }

    /// The live link, if there is one.
    pub(crate) const fn up(&self) -> Option<&Up> {
        match self {
            Self::Ready(up) => Some(up),
            _ => None,
        }
    }

    /// The error that the state carries.
    pub(crate) const fn error(&self) -> Option<&SshError> {
        match self {
            Self::Backoff { error, .. } | Self::Dormant { error } | Self::Failed { error } => {
                Some(error)
            }
            Self::Saved | Self::Connecting | Self::Ready(_) => None,
        }
    }
}

/// What a session has been so far, as far as a failed dial is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Past {
    /// Asked for the first time, never seen before.
    New,
    /// From the store; no link in this process yet.
    Saved,
    /// It was up in this process.
    WasUp,
}

/// What follows a failed dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterFailure {
    /// Leave nothing behind.
    Vanish,
    /// Wait to be asked again.
    BackToSaved,
    /// Dial again after the delay.
    RetryAfter(Duration),
    /// Dial when asked.
    GoDormant,
    /// Dial only when the user connects anew.
    Fail,
}

/// Decides what follows a failed dial. `delay` is the backoff's next delay, or nothing after half an hour.
pub(crate) fn after_failure(past: Past, permanent: bool, delay: Option<Duration>) -> AfterFailure {
    match (past, permanent) {
        (Past::New, _) => AfterFailure::Vanish,
        (_, true) => AfterFailure::Fail,
        // It has not been up in this process: nobody waits for it to come back.
        (Past::Saved, false) => AfterFailure::BackToSaved,
        (Past::WasUp, false) => delay.map_or(AfterFailure::GoDormant, AfterFailure::RetryAfter),
    }
}

/// Decides whether a call may dial, in a state that is not `ready`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnDemand {
    /// Dial now.
    Dial,
    /// A dial is under way: wait for it.
    Wait,
    /// Answer with the failure.
    Refuse,
}

/// What a call on a session that is not up leads to.
pub(crate) fn on_demand(link: &Link) -> OnDemand {
    match link {
        Link::Saved | Link::Backoff { .. } | Link::Dormant { .. } => OnDemand::Dial,
        Link::Connecting | Link::Ready(_) => OnDemand::Wait,
        Link::Failed { .. } => OnDemand::Refuse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_failed_dial() {
        let delay = Some(Duration::from_secs(1));
        let retry = AfterFailure::RetryAfter(Duration::from_secs(1));
        let rows = [
            (Past::New, false, delay, AfterFailure::Vanish),
            (Past::New, true, delay, AfterFailure::Vanish),
            (Past::Saved, false, delay, AfterFailure::BackToSaved),
            (Past::Saved, true, delay, AfterFailure::Fail),
            (Past::WasUp, false, delay, retry),
            (Past::WasUp, false, None, AfterFailure::GoDormant),
            (Past::WasUp, true, delay, AfterFailure::Fail),
            (Past::WasUp, true, None, AfterFailure::Fail),
        ];
        for (past, permanent, delay, expected) in rows {
            assert_eq!(
                after_failure(past, permanent, delay),
                expected,
                "{past:?} permanent={permanent}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_call_does_in_each_state() {
        let error = || SshError::Lost("x".into());
        let rows = [
            (Link::Saved, OnDemand::Dial),
            (Link::Connecting, OnDemand::Wait),
            (
                Link::Backoff {
                    next_attempt: Instant::now(),
                    error: error(),
                },
                OnDemand::Dial,
            ),
            (Link::Dormant { error: error() }, OnDemand::Dial),
            (Link::Failed { error: error() }, OnDemand::Refuse),
        ];
        for (link, expected) in rows {
            assert_eq!(on_demand(&link), expected, "{}", link.name());
        }
    }
}
