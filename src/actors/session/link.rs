//! The link of a session: dialling, losing, hanging up. Carries out what `state.rs` decides.

use std::sync::Arc;
use std::time::Duration;

use ractor::RpcReplyPort;
use tokio::time::Instant;

use super::SessionState;
use super::message::SessionMessage;
use super::reconnect::Reconnect;
use super::state::{self, AfterFailure, Link, Past, Up};
use crate::actors::error::SessionError;
use crate::limits;
use crate::ssh::channel::Channels;
use crate::ssh::connection::Connection;
use crate::ssh::credentials::Credentials;
use crate::ssh::dial::{self, DialRequest};
use crate::ssh::error::SshError;
use crate::ssh::kill;

impl SessionState {
    /// Starts a dial, as a new generation. Comes back as [`SessionMessage::Dialed`].
    pub(super) fn dial(&mut self) {
        self.generation += 1;
        self.link = Link::Connecting;
        if let Some(outage) = &mut self.outage {
            outage.note_attempt();
        }
        let (generation, myself, dialer) =
            (self.generation, self.myself.clone(), self.dialer.clone());
        let request = dial::request_for(&self.spec);
        let request = request.map(|target| DialRequest {
            target,
            credentials: self.credentials.clone(),
            connect_timeout: self.connect_timeout,
            pin: self.pin.clone(),
        });
        let started = Instant::now();
        tokio::spawn(async move {
            let result = match request {
                Ok(request) => dialer.dial(&request).await,
                Err(error) => Err(error),
            };
            let took = started.elapsed();
            // A session that ended meanwhile drops the message, and with it the connection.
            let _ = myself.send_message(SessionMessage::Dialed {
                generation,
                result,
                took,
            });
        });
    }

    /// A dial came back.
    pub(super) async fn dialed(
        &mut self,
        result: Result<Arc<Connection>, SshError>,
        took: Duration,
    ) {
        match result {
            Ok(connection) => self.up(connection, took).await,
            Err(error) => self.dial_failed(error),
        }
    }

    async fn up(&mut self, connection: Arc<Connection>, took: Duration) {
        let facts = connection.facts();
        tracing::info!(session = %self.name, generation = self.generation, millis = took.as_millis(), "connected");
        self.spec.auth = facts.auth.kind();
        self.pin = Some(facts.public_key.clone());
        if self.past == Past::WasUp {
            self.reconnects += 1;
        }
        self.past = Past::WasUp;
        self.last_error = None;
        self.watch(&connection);
        let channels = Channels::new(Arc::clone(&connection));
        self.link = Link::Ready(Up {
            connection,
            channels,
            since: Instant::now(),
        });
        self.queue.note_reconnected();
        for reply in std::mem::take(&mut self.connects) {
            let _ = reply.send(self.report(false, took));
        }
        self.pump().await;
    }

    /// Comes back as [`SessionMessage::ConnectionLost`].
    fn watch(&self, connection: &Arc<Connection>) {
        let (generation, myself) = (self.generation, self.myself.clone());
        let ended = connection.watch_end();
        tokio::spawn(async move {
            let reason = ended.await;
            let _ = myself.send_message(SessionMessage::ConnectionLost { generation, reason });
        });
    }

    fn dial_failed(&mut self, error: SshError) {
        tracing::info!(session = %self.name, generation = self.generation, %error, "dial failed");
        let now = Instant::now();
        let delay = match self.past {
            Past::WasUp => self
                .outage
                .get_or_insert_with(|| Reconnect::new(now))
                .next_delay(now),
            Past::New | Past::Saved => None,
        };
        let after = state::after_failure(self.past, error.is_permanent(), delay);
        self.last_error = Some(error.to_string());
        match after {
            AfterFailure::Vanish | AfterFailure::BackToSaved => self.link = Link::Saved,
            AfterFailure::RetryAfter(delay) => self.back_off(error.clone(), delay),
            AfterFailure::GoDormant => {
                self.link = Link::Dormant {
                    error: error.clone(),
                }
            }
            AfterFailure::Fail => {
                self.link = Link::Failed {
                    error: error.clone(),
                }
            }
        }
        self.answer_all_with(&error);
        if after == AfterFailure::Vanish {
            self.myself.stop(None);
        }
    }

    fn answer_all_with(&mut self, error: &SshError) {
        let failure = match self.dial_error() {
            SessionError::Dial {
                state, retry_after, ..
            } => SessionError::Dial {
                error: Box::new(error.clone()),
                state,
                retry_after,
            },
            other => other,
        };
        for reply in std::mem::take(&mut self.connects) {
            let _ = reply.send(Err(failure.clone()));
        }
        self.fail_queue(&failure);
    }

    /// Waits out the delay; comes back as [`SessionMessage::RetryDue`].
    fn back_off(&mut self, error: SshError, delay: Duration) {
        self.link = Link::Backoff {
            next_attempt: Instant::now() + delay,
            error,
        };
        let (generation, myself) = (self.generation, self.myself.clone());
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            let _ = myself.send_message(SessionMessage::RetryDue { generation });
        });
    }

    /// The link ended by itself. Its jobs see it on their channels; calls that waited are kept for the next link.
    pub(super) fn connection_lost(&mut self, reason: String) {
        let Link::Ready(up) = &self.link else { return };
        let now = Instant::now();
        // The backoff begins anew only after a link that has proved itself.
        if up.since.elapsed() >= limits::LINK_PROVEN_AFTER {
            self.outage = None;
        }
        tracing::warn!(session = %self.name, generation = self.generation, reason, "connection lost");
        let error = SshError::Lost(reason.clone());
        self.last_error = Some(reason);
        let delay = self
            .outage
            .get_or_insert_with(|| Reconnect::new(now))
            .next_delay(now);
        if self.missing_password().is_some() {
            self.link = Link::Saved;
            return;
        }
        match delay {
            // Somebody is waiting: now is the time.
            Some(_) if self.queue.len() > 0 => self.dial(),
            Some(delay) => self.back_off(error, delay),
            None => self.link = Link::Dormant { error },
        }
    }

    /// Ends the link on purpose. Its late events are ignored from here on.
    pub(super) fn hang_up(&mut self) {
        self.generation += 1;
        self.outage = None;
        if let Link::Ready(up) = std::mem::replace(&mut self.link, Link::Saved) {
            tokio::spawn(async move { up.connection.close().await });
        }
    }

    /// Ends the jobs, then the link. Calls that wait are answered, and the session stays saved.
    pub(super) fn disconnect(&mut self, reply: RpcReplyPort<Vec<String>>) {
        self.generation += 1;
        self.outage = None;
        self.past = Past::Saved;
        // A password lives as long as its session is meant to be up.
        self.credentials = Credentials::default();
        let link = std::mem::replace(&mut self.link, Link::Saved);
        let ended = SessionError::Ended {
            name: self.name.clone(),
            fate: crate::error::Fate::NotSent,
        };
        for connect in std::mem::take(&mut self.connects) {
            let _ = connect.send(Err(ended.clone()));
        }
        self.fail_queue(&ended);
        let jobs = self.jobs_to_stop();
        tokio::spawn(async move {
            let (names, stops): (Vec<_>, Vec<_>) = jobs.into_iter().unzip();
            super::jobs::stop_all(stops).await;
            if let Link::Ready(up) = link {
                up.connection.close().await;
            }
            let _ = reply.send(names);
        });
    }

    /// The process ends: the host is told to end everything of ours, and goes on with that by itself.
    pub(super) fn shut_down(&mut self, reply: RpcReplyPort<()>) {
        self.generation += 1;
        let link = std::mem::replace(&mut self.link, Link::Saved);
        let ended = SessionError::ShuttingDown;
        for connect in std::mem::take(&mut self.connects) {
            let _ = connect.send(Err(ended.clone()));
        }
        self.fail_queue(&ended);
        tokio::spawn(async move {
            if let Link::Ready(up) = link {
                kill::end_all(&up.channels).await;
                up.connection.close().await;
            }
            let _ = reply.send(());
        });
    }
}
