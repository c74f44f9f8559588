//! The task of a dial, the watch on a link and the timer of a retry. Each ends in a message to the session.

use std::sync::Arc;

use ractor::ActorRef;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use super::connection_state::event::DialPlan;
use super::live_link::LiveLink;
use super::message::SessionMessage;
use crate::actors::saved_session::resolve_request;
use crate::ssh::connection::Connection;
use crate::ssh::dial::{DialRequest, Dialer};
use crate::ssh::disconnect::Disconnect;
use crate::ssh::error::SshError;

/// Starts a dial, which sends [`SessionMessage::Dialed`] when it ends. Aborting the task ends its `ssh -G` and its
/// connection.
pub(super) fn start(
    plan: DialPlan,
    dialer: Dialer,
    session: ActorRef<SessionMessage>,
) -> AbortHandle {
    let mut report = DialReport::new(session, plan.generation);
    let parameters = plan.parameters;
    let request = resolve_request(&parameters.spec).map(|target| DialRequest {
        target,
        credentials: parameters.credentials,
        connect_timeout: parameters.connect_timeout,
        pin: plan.pin,
    });
    let task = tokio::spawn(async move {
        let result = match request {
            Ok(request) => dialer.dial(&request).await,
            Err(error) => Err(error),
        };
        report.send(result);
    });
    task.abort_handle()
}

/// Sends [`SessionMessage::ConnectionLost`] when the link ends.
pub(super) fn watch(link: &Arc<LiveLink>, generation: u64, session: ActorRef<SessionMessage>) {
    let ended = link.connection.watch_end();
    tokio::spawn(async move {
        let reason = ended.await;
        // A session that ended meanwhile needs no message, here and below.
        let _ = session.send_message(SessionMessage::ConnectionLost { generation, reason });
    });
}

/// Sends [`SessionMessage::RetryDue`] at the given time.
pub(super) fn start_timer(at: Instant, generation: u64, session: ActorRef<SessionMessage>) {
    tokio::spawn(async move {
        sleep_until(at).await;
        let _ = session.send_message(SessionMessage::RetryDue { generation });
    });
}

/// Reports the end of a dial, even when the task panics.
struct DialReport {
    session: ActorRef<SessionMessage>,
    generation: u64,
    started: Instant,
    is_sent: bool,
}

impl DialReport {
    fn new(session: ActorRef<SessionMessage>, generation: u64) -> Self {
        Self {
            session,
            generation,
            started: Instant::now(),
            is_sent: false,
        }
    }

    fn send(&mut self, result: Result<Arc<Connection>, SshError>) {
        self.is_sent = true;
        let (generation, took) = (self.generation, self.started.elapsed());
        // A session that ended meanwhile drops the message, and with it the connection.
        let _ = self.session.send_message(SessionMessage::Dialed {
            generation,
            result,
            took,
        });
    }
}

impl Drop for DialReport {
    /// The report of an aborted task is late; only the report of a task that panicked changes the state.
    fn drop(&mut self) {
        if !self.is_sent {
            self.send(Err(SshError::Lost(Disconnect::Defect(
                "the dial failed inside this program",
            ))));
        }
    }
}
