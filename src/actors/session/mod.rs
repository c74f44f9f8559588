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

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use self::message::{ConnectReply, JobEntry, SessionMessage};
use self::queue::Queue;
use self::reconnect::Reconnect;
use self::shell::ShellSlot;
use self::state::{Link, OnDemand, Past};
use self::transfers::Transfers;
use super::error::SessionError;
use super::job::record::JobRecord;
use super::job::shelf::Shelf;
use super::report::{ConnectReport, ConnectRequest, JobStatus, SessionStatus};
use super::supervisor::message::SupervisorMessage;
use crate::limits;
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
    pub(crate) shelf: Shelf,
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
    /// Counts disconnects: a command of an earlier epoch is over.
    epoch: u64,
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
    queue: Queue,
    shell: ShellSlot,
    /// Running jobs by number.
    jobs: BTreeMap<u64, JobEntry>,
    /// Ended jobs that can still be read.
    ended_jobs: BTreeMap<u64, Arc<JobRecord>>,
    /// Those of all sessions.
    shelf: Shelf,
    supervisor: ActorRef<SupervisorMessage>,
    jobs_started: u64,
    transfers: Transfers,
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
        Ok(SessionState {
            myself,
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
            epoch: 0,
            generation: 0,
            late_events: 0,
            pin: arguments.pin,
            outage: None,
            reconnects: 0,
            last_error: None,
            connects: Vec::new(),
            queue: Queue::default(),
            shell: ShellSlot::default(),
            jobs: BTreeMap::new(),
            ended_jobs: BTreeMap::new(),
            shelf: arguments.shelf,
            supervisor: arguments.supervisor,
            jobs_started: 0,
            transfers: Transfers::default(),
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
            SessionMessage::Exec(exec) => Box::pin(state.admit(exec)).await,
            SessionMessage::Transfer(transfer) => Box::pin(state.admit_transfer(transfer)).await,
            SessionMessage::TransferExpired { ticket } => state.expire_transfer(ticket),
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
            SessionMessage::QueueExpired { ticket } => state.expire(ticket),
            SessionMessage::FindJob { number, reply } => {
                let _ = reply.send(state.find_job(number));
            }
            SessionMessage::JobEnded { number, keep } => {
                state.job_ended(number, keep);
                Box::pin(state.pump()).await;
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
            state.job_failed(who.get_id());
            Box::pin(state.pump()).await;
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
            auth_kind: facts.auth.kind(),
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
            jobs: self.jobs.values().map(job_status).collect(),
            shell_cwd: self.shell.memory.cwd(),
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

fn job_status(entry: &JobEntry) -> JobStatus {
    let record = &entry.record;
    JobStatus {
        job: record.name.clone(),
        command: record
            .command
            .chars()
            .take(limits::JOB_COMMAND_SHOWN_CHARS)
            .collect(),
        running_for: record.running_for(),
    }
}
