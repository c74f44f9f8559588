//! The link of a session: dialling, losing, hanging up. Carries out what `state.rs` decides.

use std::sync::Arc;
use std::time::Duration;

use ractor::{ActorRef, RpcReplyPort};
use tokio::time::{Instant, timeout};

use super::SessionState;
use super::message::SessionMessage;
use super::reconnect::Reconnect;
use super::state::{self, AfterFailure, Link, Past, Up};
use crate::actors::error::SessionError;
use crate::actors::saved_session::{auth_kind, resolve_request};
use crate::actors::supervisor::message::SupervisorMessage;
use crate::limits;
use crate::metrics::{self, Dial};
use crate::ssh::channel::Channels;
use crate::ssh::connection::Connection;
use crate::ssh::credentials::Credentials;
use crate::ssh::dial::DialRequest;
use crate::ssh::error::SshError;
use crate::ssh::kill;
use crate::ssh::sftp::pool::SftpPool;

impl SessionState {
    /// Starts a dial, as a new generation. Comes back as [`SessionMessage::Dialed`].
    pub(super) fn dial(&mut self) {
        self.generation += 1;
        self.link = Link::Connecting;
        if let Some(outage) = &mut self.outage {
            outage.note_attempt();
        }
        let (spec, credentials, connect_timeout, pin) = match &self.trial {
            // Whoever connects anew accepts the host's key under known_hosts rules.
            Some(trial) => (&trial.spec, &trial.credentials, trial.connect_timeout, None),
            None => (
                &self.spec,
                &self.credentials,
                self.connect_timeout,
                self.pin.clone(),
            ),
        };
        let request = resolve_request(spec).map(|target| DialRequest {
            target,
            credentials: credentials.clone(),
            connect_timeout,
            pin,
        });
        let mut news = News::new(self.myself.clone(), self.generation);
        let dialer = self.dialer.clone();
        let dialling = tokio::spawn(async move {
            let result = match request {
                Ok(request) => dialer.dial(&request).await,
                Err(error) => Err(error),
            };
            news.tell(result);
        });
        self.dialling = Some(dialling.abort_handle());
    }

    /// A dial came back.
    pub(super) async fn dialed(
        &mut self,
        result: Result<Arc<Connection>, SshError>,
        took: Duration,
    ) {
        // The task is over; its handle would keep the memory of all that it did.
        self.dialling = None;
        let dial = match self.past {
            Past::WasUp => Dial::Again,
            Past::New | Past::Saved => Dial::First,
        };
        let counted = result.as_ref().map(|_| ()).map_err(SshError::code);
        metrics::dial_ended(dial, counted, took);
        match result {
            Ok(connection) => self.up(connection, took).await,
            Err(error) => self.dial_failed(error),
        }
    }

    async fn up(&mut self, connection: Arc<Connection>, took: Duration) {
        if let Some(trial) = self.trial.take() {
            self.spec = trial.spec;
            self.credentials = trial.credentials;
            self.connect_timeout = trial.connect_timeout;
        }
        let facts = connection.facts();
        tracing::info!(session = %self.name, generation = self.generation, millis = took.as_millis(), "connected");
        self.spec.auth = auth_kind(facts.auth);
        self.pin = Some(facts.public_key.clone());
        if self.past == Past::WasUp {
            self.reconnects += 1;
        }
        self.past = Past::WasUp;
        self.last_error = None;
        // What a restart after a crash begins with. A supervisor that is gone needs to know nothing.
        let _ = self
            .supervisor
            .send_message(SupervisorMessage::Established {
                name: self.name.clone(),
                spec: Box::new(self.spec.clone()),
                pin: facts.public_key.clone(),
            });
        self.watch(&connection);
        let channels = Channels::new(Arc::clone(&connection));
        let sftp = SftpPool::new(Arc::clone(&channels));
        let up = Up {
            generation: self.generation,
            connection,
            channels,
            sftp,
            since: Instant::now(),
        };
        self.work.link_came_up(&up);
        self.link = Link::Ready(up);
        for reply in std::mem::take(&mut self.connects) {
            let _ = reply.send(self.report(false, took));
        }
        self.work.start_waiting(self.link.up()).await;
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
        if let Some(trial) = self.trial.take()
            && self.past != Past::New
        {
            self.go_back(trial.before);
            self.answer_all_with(&error);
            return;
        }
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

    /// A failed `ssh_connect` leaves a session that was there before as it was.
    fn go_back(&mut self, before: Link) {
        match before {
            // The timer belonged to an older generation.
            Link::Backoff {
                next_attempt,
                error,
            } => {
                self.back_off(
                    error,
                    next_attempt.saturating_duration_since(Instant::now()),
                );
            }
            before => self.link = before,
        }
    }

    fn answer_all_with(&mut self, error: &SshError) {
        let gone = self.past == Past::New;
        let failure = match self.dial_error() {
            SessionError::Dial {
                state, retry_after, ..
            } => SessionError::Dial {
                error: Box::new(error.clone()),
                // A first connect that failed leaves nothing that could have a state.
                state: state.filter(|_| !gone),
                retry_after,
            },
            other => other,
        };
        for reply in std::mem::take(&mut self.connects) {
            let _ = reply.send(Err(failure.clone()));
        }
        self.work.refuse_waiting(&failure);
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
            Some(_) if self.work.has_callers() => self.dial(),
            Some(delay) => self.back_off(error, delay),
            None => self.link = Link::Dormant { error },
        }
    }

    /// Ends the link on purpose. Its late events are ignored from here on.
    pub(super) fn hang_up(&mut self) {
        self.generation += 1;
        self.outage = None;
        self.stop_dialling();
        if let Link::Ready(up) = std::mem::replace(&mut self.link, Link::Saved) {
            let jobs = self
                .work
                .jobs_to_stop()
                .into_iter()
                .map(|(_, job)| job)
                .collect();
            self.work.shell.let_go();
            tokio::spawn(async move {
                super::jobs::stop_all(jobs).await;
                up.connection.close().await;
            });
        }
    }

    /// A dial that nobody wants any more ends with its `ssh -G` and its connection.
    fn stop_dialling(&mut self) {
        self.trial = None;
        if let Some(dialling) = self.dialling.take() {
            dialling.abort();
        }
    }

    /// Ends the jobs, then the link. Calls that wait are answered, and the session stays saved.
    pub(super) fn disconnect(&mut self, reply: RpcReplyPort<Vec<String>>) {
        self.generation += 1;
        self.outage = None;
        self.stop_dialling();
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
        self.work.send_all_away(&ended);
        let jobs = self.work.jobs_to_stop();
        // Like a password: what it remembers lives as long as its session is meant to be up.
        self.work.shell.forget();
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
        self.stop_dialling();
        let jobs = self
            .work
            .jobs_to_stop()
            .into_iter()
            .map(|(_, job)| job)
            .collect();
        let transfers = self.work.transfers_to_stop();
        let link = std::mem::replace(&mut self.link, Link::Saved);
        let ended = SessionError::ShuttingDown;
        for connect in std::mem::take(&mut self.connects) {
            let _ = connect.send(Err(ended.clone()));
        }
        self.work.send_all_away(&ended);
        tokio::spawn(async move {
            if let Link::Ready(up) = link {
                // Before their servers are ended with everything else: they have files to remove.
                let stopping = super::jobs::stop_all(transfers);
                let _ = timeout(limits::SHUTDOWN_TRANSFER_TIME, stopping).await;
                if !kill::end_all(&up.channels).await {
                    // Each ends its own command by signal requests, as far as the time allows; none of them
                    // waits for a helper again.
                    up.connection.note_useless_helper();
                    let _ =
                        timeout(limits::SHUTDOWN_SIGNAL_TIME, super::jobs::stop_all(jobs)).await;
                }
                up.connection.close().await;
            }
            let _ = reply.send(());
        });
    }
}

/// Tells how a dial ended, whatever happens to its task.
struct News {
    session: ActorRef<SessionMessage>,
    generation: u64,
    started: Instant,
    told: bool,
}

impl News {
    fn new(session: ActorRef<SessionMessage>, generation: u64) -> Self {
        Self {
            session,
            generation,
            started: Instant::now(),
            told: false,
        }
    }

    fn tell(&mut self, result: Result<Arc<Connection>, SshError>) {
        self.told = true;
        let (generation, took) = (self.generation, self.started.elapsed());
        // A session that ended meanwhile drops the message, and with it the connection.
        let _ = self.session.send_message(SessionMessage::Dialed {
            generation,
            result,
            took,
        });
    }
}

impl Drop for News {
    /// A task that was aborted belongs to an older generation, so only one that failed is heard.
    fn drop(&mut self) {
        if !self.told {
            self.tell(Err(SshError::Lost(
                "the dial failed inside this program".to_owned(),
            )));
        }
    }
}
