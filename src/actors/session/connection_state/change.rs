//! Changes of a connection's state as events: the one source of logs, metrics and later observers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::state_name::StateName;
use crate::metrics::{self, Dial};
use crate::ssh::disconnect::Disconnect;
use crate::ssh::error::SshError;
use crate::store::SessionName;

/// Cause of a change of state.
#[derive(Debug, Clone)]
pub(crate) enum Cause {
    /// `ssh_connect` was called.
    ConnectRequested,
    /// `ssh_reconnect` was called.
    ReconnectRequested,
    /// A command or a transfer needed the host.
    CallWaits,
    /// The delay before the next dial was over.
    RetryDue,
    /// A dial succeeded.
    Dialed {
        /// The session was up before in this process.
        again: bool,
        took: Duration,
    },
    /// A dial failed.
    DialFailed {
        /// The session was up before in this process.
        again: bool,
        error: SshError,
        took: Duration,
    },
    /// The link ended by itself.
    ConnectionLost { reason: Disconnect },
    /// `ssh_disconnect` was called.
    DisconnectRequested,
    /// The process ends.
    ShutDown,
}

/// A session's connection went from one state to another.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionChange {
    pub(crate) session: SessionName,
    pub(crate) from: StateName,
    pub(crate) to: StateName,
    pub(crate) cause: Cause,
    /// Generation of the state that was entered.
    pub(crate) generation: u64,
    /// On the monotonic clock.
    pub(crate) at: Instant,
}

/// Observes the changes of all sessions.
///
/// Called inside the session's handler: an implementation returns at once and keeps a bounded amount of memory.
/// An observer that has to wait hands a copy to a bounded channel with `try_send`.
pub(crate) trait ChangeSubscriber: Send + Sync {
    /// Called once for each change, in the order of the session's changes.
    fn changed(&self, change: &ConnectionChange);
}

/// The observers of a process, fixed when the process starts.
#[derive(Clone)]
pub(crate) struct ChangeSubscribers(Arc<[Box<dyn ChangeSubscriber>]>);

impl ChangeSubscribers {
    /// Shows a change to every observer.
    pub(crate) fn publish(&self, change: &ConnectionChange) {
        for subscriber in self.0.iter() {
            subscriber.changed(change);
        }
    }
}

impl Default for ChangeSubscribers {
    /// The log and the metrics.
    fn default() -> Self {
        Self(Arc::new([Box::new(ChangeLog), Box::new(DialCounter)]))
    }
}

impl fmt::Debug for ChangeSubscribers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChangeSubscribers({})", self.0.len())
    }
}

/// Writes the changes that a person looks for to the log.
struct ChangeLog;

impl ChangeSubscriber for ChangeLog {
    fn changed(&self, change: &ConnectionChange) {
        let (session, generation) = (&change.session, change.generation);
        match &change.cause {
            Cause::Dialed { took, .. } => {
                tracing::info!(%session, generation, millis = took.as_millis(), "connected");
            }
            Cause::DialFailed { error, .. } => {
                tracing::info!(%session, generation, %error, "dial failed");
            }
            Cause::ConnectionLost { reason } => {
                tracing::warn!(%session, generation, %reason, "connection lost");
            }
            cause => {
                let (from, to, at) = (change.from, change.to, change.at);
                tracing::debug!(%session, generation, %from, %to, ?at, ?cause, "state changed");
            }
        }
    }
}

/// Counts dials.
struct DialCounter;

impl ChangeSubscriber for DialCounter {
    fn changed(&self, change: &ConnectionChange) {
        let (again, result, took) = match &change.cause {
            Cause::Dialed { again, took } => (*again, Ok(()), *took),
            Cause::DialFailed { again, error, took } => (*again, Err(error.code()), *took),
            _ => return,
        };
        let dial = if again { Dial::Again } else { Dial::First };
        metrics::dial_ended(dial, result, took);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use super::*;

    /// Keeps the changes that it was shown.
    #[derive(Default, Clone)]
    struct Recorder(Arc<Mutex<Vec<(StateName, StateName)>>>);

    impl Recorder {
        fn seen(&self) -> Vec<(StateName, StateName)> {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone()
        }
    }

    impl ChangeSubscriber for Recorder {
        fn changed(&self, change: &ConnectionChange) {
            let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            seen.push((change.from, change.to));
        }
    }

    #[test]
    fn every_subscriber_sees_every_change_in_order() {
        let (first, second) = (Recorder::default(), Recorder::default());
        let subscribers = ChangeSubscribers(Arc::new([
            Box::new(first.clone()),
            Box::new(second.clone()),
        ]));
        let changes = [
            (StateName::Saved, StateName::Connecting),
            (StateName::Connecting, StateName::Ready),
        ];
        for (from, to) in changes {
            subscribers.publish(&ConnectionChange {
                session: SessionName::from_host("web"),
                from,
                to,
                cause: Cause::CallWaits,
                generation: 1,
                at: Instant::now(),
            });
        }
        assert_eq!(first.seen(), changes);
        assert_eq!(second.seen(), changes);
    }
}
