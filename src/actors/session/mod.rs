//! One named session: the connection state machine, the calls that wait for it, and its jobs.
//!
//! Transient: a session that ends on purpose stays ended, one that crashes is restarted by the supervisor.
//! The link is replaced by dialling, never by restarting the actor. Everything that takes time runs in a task
//! that comes back as an event with the generation that it belongs to.

mod jobs;
mod link;
pub(crate) mod message;
mod queue;
mod reconnect;
mod shell;
mod state;
mod transfers;
mod work;

use std::sync::atomic::Ordering;
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use self::message::SessionMessage;
use self::reconnect::Reconnect;
use self::state::{Link, OnDemand, Past};
use self::work::{Admitted, Work};
use super::error::SessionError;
use super::job::retention::Retention;
use super::report::{ConnectReport, SessionStatus};
use super::request::{ConnectReply, ConnectRequest, QueuedExec};
use super::supervisor::message::SupervisorMessage;
use crate::actors::saved_session::auth_kind;
use crate::ssh::connection::PinnedKey;
use crate::ssh::credentials::Credentials;
use crate::ssh::dial::Dialer;
use crate::store::{AuthKind, SessionName, SessionSpec};

/// The actor.
pub(crate) struct SessionActor;

/// What a session is started with.
#[derive(Debug, Clone)]
pub(crate) struct SessionArguments {
    pub(crate) name: SessionName,
    pub(crate) spec: SessionSpec,
    /// It was in the store, or up before a restart: it outlives a failed dial.
    pub(crate) known: bool,
    pub(crate) dialer: Dialer,
    pub(crate) retention: Retention,
    /// The host key of an earlier life of this session.
    pub(crate) pin: Option<PinnedKey>,
    pub(crate) supervisor: ActorRef<SupervisorMessage>,
}

/// Parameters that have not proved themselves.
#[derive(Debug)]
struct Trial {
    spec: SessionSpec,
    credentials: Credentials,
    connect_timeout: Option<Duration>,
    /// The state to go back to.
    before: Link,
}

/// What it remembers.
pub(crate) struct SessionState {
    myself: ActorRef<SessionMessage>,
    name: SessionName,
    spec: SessionSpec,
    credentials: Credentials,
    connect_timeout: Option<Duration>,
    dialer: Dialer,
    past: Past,
    link: Link,
    /// What an `ssh_connect` wants to change: adopted when its dial succeeds, forgotten when it fails.
    trial: Option<Trial>,
    /// The dial under way.
    dialling: Option<AbortHandle>,
    /// Counts dials; an event of another generation is late.
    generation: u64,
    late_events: u64,
    /// The host key of the first link: no other is taken until `ssh_connect` is called anew.
    pin: Option<PinnedKey>,
    outage: Option<Reconnect>,
    reconnects: u64,
    last_error: Option<String>,
    /// Callers of connect and reconnect.
    connects: Vec<ConnectReply>,
    work: Work,
    supervisor: ActorRef<SupervisorMessage>,
}

impl Actor for SessionActor {
    type Msg = SessionMessage;
    type State = SessionState;
    type Arguments = SessionArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<SessionMessage>,
        arguments: SessionArguments,
    ) -> Result<SessionState, ActorProcessingErr> {
        let work = Work::new(myself.clone(), arguments.name.clone(), arguments.retention);
        Ok(SessionState {
            myself,
            work,
            name: arguments.name,
            spec: arguments.spec,
            credentials: Credentials::default(),
            connect_timeout: None,
            dialer: arguments.dialer,
            past: if arguments.known {
                Past::Saved
            } else {
                Past::New
            },
            link: Link::Saved,
            trial: None,
            dialling: None,
            generation: 0,
            late_events: 0,
            pin: arguments.pin,
            outage: None,
            reconnects: 0,
            last_error: None,
            connects: Vec::new(),
            supervisor: arguments.supervisor,
        })
    }

    async fn handle(
        &self,
        _myself: ActorRef<SessionMessage>,
        message: SessionMessage,
        state: &mut SessionState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            SessionMessage::Connect {
                request,
                taken,
                reply,
            } => {
                taken.store(true, Ordering::SeqCst);
                state.connect(request, reply);
            }
            SessionMessage::Reconnect { reply } => state.reconnect(reply),
            // The large ones are boxed: every idle session keeps room for its largest handler, twice over.
            SessionMessage::Exec(exec) => {
                if let Some(admitted) = state.work.admit(exec) {
                    Box::pin(state.serve(admitted)).await;
                }
            }
            SessionMessage::Transfer(transfer) => {
                if let Some(admitted) = state.work.admit_transfer(transfer) {
                    Box::pin(state.serve(admitted)).await;
                }
            }
            SessionMessage::Requeue(exec) => Box::pin(state.requeue(exec)).await,
            SessionMessage::GetStatus { reply } => {
                // A caller that is gone needs no answer, here and below.
                let _ = reply.send(state.status());
            }
            SessionMessage::Disconnect { reply } => state.disconnect(reply),
            SessionMessage::Shutdown { reply } => state.shut_down(reply),
            SessionMessage::Dialed {
                generation,
                result,
                took,
            } => {
                if state.is_current(generation) {
                    Box::pin(state.dialed(result, took)).await;
                }
            }
            SessionMessage::ConnectionLost { generation, reason } => {
                if state.is_current(generation) {
                    state.connection_lost(reason);
                }
            }
            SessionMessage::RetryDue { generation } => {
                if state.is_current(generation) && matches!(state.link, Link::Backoff { .. }) {
                    state.dial();
                }
            }
            SessionMessage::QueueExpired { ticket } => {
                let is_up = state.link.up().is_some();
                state.work.expire(ticket, is_up);
            }
            SessionMessage::FindJob { number, reply } => {
                let _ = reply.send(state.work.find_job(number));
            }
            SessionMessage::JobEnded { number, keep } => {
                state.work.job_ended(number, keep);
                Box::pin(state.work.start_waiting(state.link.up())).await;
            }
            #[cfg(feature = "fail-points")]
            SessionMessage::Crash => return Err("crash asked for by a test".into()),
        }
        Ok(())
    }

    /// A job that crashed takes its answer with it (its reply port is dropped); the session lives on.
    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<SessionMessage>,
        event: SupervisionEvent,
        state: &mut SessionState,
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(who, error) = event {
            tracing::error!(session = %state.name, %error, "a job or the shell failed");
            state.work.job_failed(who.get_id());
            Box::pin(state.work.start_waiting(state.link.up())).await;
        }
        Ok(())
    }
}

impl SessionState {
    /// Late events are ignored: their connection has been replaced.
    fn is_current(&mut self, generation: u64) -> bool {
        let current = generation == self.generation;
        if !current {
            self.late_events += 1;
            tracing::debug!(session = %self.name, generation, late_events = self.late_events, "late event ignored");
        }
        current
    }

    /// Starts a call that was taken in; a call that has to wait gets a limit, and a link if there is none.
    async fn serve(&mut self, admitted: Admitted) {
        self.work.start_waiting(self.link.up()).await;
        self.work.watch_wait(admitted);
        if self.link.up().is_none()
            && let Err(error) = self.on_demand()
        {
            self.work.refuse_waiting(&error);
        }
    }

    /// A command whose link died before it was sent waits for the next link.
    async fn requeue(&mut self, exec: QueuedExec) {
        let Some(admitted) = self.work.requeue(exec) else {
            return;
        };
        // The job may tell before the watch on the connection does.
        let dead = self.link.up().filter(|up| up.connection.is_closed());
        if let Some(ended) = dead.map(|up| up.connection.watch_end()) {
            let reason = ended.await;
            self.connection_lost(reason);
        }
        self.serve(admitted).await;
    }

    fn connect(&mut self, request: ConnectRequest, reply: ConnectReply) {
        // While a trial is under way, its target is what the name stands for.
        let spec = self.trial.as_ref().map_or(&self.spec, |trial| &trial.spec);
        let same = spec.same_target(&request.spec);
        let in_use = matches!(
            self.link,
            Link::Ready(_) | Link::Connecting | Link::Backoff { .. }
        );
        if in_use && !same {
            let _ = reply.send(Err(SessionError::NameTaken {
                name: self.name.clone(),
                target: self.target(),
            }));
            return;
        }
        if let Link::Ready(_) = self.link {
            let _ = reply.send(self.report(true, Duration::ZERO));
            return;
        }
        self.connects.push(reply);
        if let Link::Connecting = self.link {
            return;
        }
        self.trial = Some(self.trial_of(request, same));
        self.dial();
    }

    /// What is to be tried. A caller who only confirms a session that has its secrets need not know them.
    fn trial_of(&mut self, request: ConnectRequest, same: bool) -> Trial {
        let mut trial = Trial {
            spec: request.spec,
            credentials: request.credentials,
            connect_timeout: request.connect_timeout,
            before: std::mem::replace(&mut self.link, Link::Saved),
        };
        if same && trial.credentials == Credentials::default() {
            trial.credentials = self.credentials.clone();
            trial.spec.auth = self.spec.auth.clone();
            trial.connect_timeout = trial.connect_timeout.or(self.connect_timeout);
        }
        trial.spec.created_at = self.spec.created_at;
        trial
    }

    fn reconnect(&mut self, reply: ConnectReply) {
        if let Some(error) = self.missing_password() {
            let _ = reply.send(Err(error));
            return;
        }
        self.connects.push(reply);
        if let Link::Connecting = self.link {
            return;
        }
        self.hang_up();
        self.dial();
    }

    /// A session that logs in with a password can only be dialled while the password is here.
    fn missing_password(&self) -> Option<SessionError> {
        let by_password = matches!(
            self.spec.auth,
            AuthKind::Password | AuthKind::KeyboardInteractive
        );
        (by_password && self.credentials.password.is_none())
            .then(|| SessionError::PasswordNeeded(self.name.clone()))
    }

    fn target(&self) -> String {
        let spec = self.trial.as_ref().map_or(&self.spec, |trial| &trial.spec);
        let user = spec
            .username
            .as_ref()
            .map_or(String::new(), |user| format!("{user}@"));
        let port = spec
            .port
            .map_or(String::new(), |port| format!(" port {port}"));
        format!("{user}{}{port}", spec.host)
    }

    fn report(&self, reused: bool, connect_time: Duration) -> Result<ConnectReport, SessionError> {
        let Link::Ready(up) = &self.link else {
            return Err(self.dial_error());
        };
        let facts = up.connection.facts();
        Ok(ConnectReport {
            session: self.name.clone(),
            host: facts.host.clone(),
            port: facts.port,
            username: facts.username.clone(),
            is_default: false,
            reused,
            auth: facts.auth.as_str(),
            auth_kind: auth_kind(facts.auth),
            host_key: facts.host_key.clone(),
            server_version: facts.server_version.clone(),
            connect_time,
            notes: facts.notes.clone(),
        })
    }

    fn status(&self) -> SessionStatus {
        let facts = match &self.link {
            Link::Ready(up) => Some((up.connection.facts(), up.since.elapsed())),
            _ => None,
        };
        let next_attempt = match &self.link {
            Link::Backoff { next_attempt, .. } => {
                Some(next_attempt.saturating_duration_since(Instant::now()))
            }
            _ => None,
        };
        SessionStatus {
            session: self.name.clone(),
            state: self.link.name(),
            host: facts.map_or_else(|| self.spec.host.clone(), |(facts, _)| facts.host.clone()),
            port: facts.map(|(facts, _)| facts.port).or(self.spec.port),
            username: facts
                .map(|(facts, _)| facts.username.clone())
                .or_else(|| self.spec.username.clone()),
            connected_for: facts.map(|(_, since)| since),
            reconnects: self.reconnects,
            attempt: self.attempt(),
            next_attempt_in: next_attempt,
            last_error: self
                .link
                .error()
                .map(ToString::to_string)
                .or_else(|| self.last_error.clone()),
            jobs: self.work.job_statuses(),
            shell_cwd: self.work.shell.memory.cwd(),
        }
    }

    /// Dials since the link was lost, while that matters.
    fn attempt(&self) -> Option<u32> {
        let down = matches!(self.link, Link::Connecting | Link::Backoff { .. });
        self.outage
            .as_ref()
            .filter(|_| down)
            .map(Reconnect::attempts)
    }

    fn dial_error(&self) -> SessionError {
        let error = match self.link.error() {
            Some(error) => error.clone(),
            None => crate::ssh::error::SshError::Lost(self.last_error.clone().unwrap_or_default()),
        };
        let retry_after = match &self.link {
            Link::Backoff { next_attempt, .. } => {
                Some(next_attempt.saturating_duration_since(Instant::now()))
            }
            _ => None,
        };
        SessionError::Dial {
            error: Box::new(error),
            state: Some(self.link.name()),
            retry_after,
        }
    }

    /// What a call on a session that is not up leads to.
    fn on_demand(&mut self) -> Result<(), SessionError> {
        match state::on_demand(&self.link) {
            OnDemand::Wait => Ok(()),
            OnDemand::Refuse => Err(self.dial_error()),
            OnDemand::Dial => match self.missing_password() {
                Some(error) => Err(error),
                None => {
                    self.dial();
                    Ok(())
                }
            },
        }
    }
}
