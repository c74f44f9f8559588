//! One named session: its connection, the calls that wait for a link, and its jobs.
//!
//! Transient: a session that ends on purpose stays ended; the supervisor restarts a session that crashes. A lost link
//! is replaced by dialling, never by restarting the actor. [`connection_state`] decides what follows an event of the
//! connection and `effects.rs` carries the decision out. Whatever takes time runs in a task that comes back as a
//! message with the generation of its connection.

pub(crate) mod connection_state;
mod dial_task;
mod effects;
mod hang_up;
mod jobs;
mod live_link;
pub(crate) mod message;
mod queue;
mod shell;
mod transfers;
mod work;

use std::sync::atomic::Ordering;

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::time::Instant;

pub use self::connection_state::state_name::StateName;

use self::connection_state::ConnectionMachine;
use self::connection_state::change::ChangeSubscribers;
use self::connection_state::event::{Event, Parameters};
use self::effects::SessionPorts;
use self::message::SessionMessage;
use self::work::{Admitted, Work};
use super::job::retention::Retention;
use super::report::SessionStatus;
use super::request::{ConnectReply, ConnectRequest, QueuedExec};
use super::supervisor::message::SupervisorMessage;
use crate::ssh::connection::PinnedKey;
use crate::ssh::dial::Dialer;
use crate::ssh::disconnect::Disconnect;
use crate::store::{SessionName, SessionSpec};

/// Runs one named session.
pub(crate) struct SessionActor;

/// Arguments of a session's start.
#[derive(Debug, Clone)]
pub(crate) struct SessionArguments {
    pub(crate) name: SessionName,
    pub(crate) spec: SessionSpec,
    /// The session was in the store, or up before a restart: a failed dial does not end the session.
    pub(crate) known: bool,
    pub(crate) dialer: Dialer,
    pub(crate) retention: Retention,
    /// The host key of an earlier life of this session.
    pub(crate) pin: Option<PinnedKey>,
    pub(crate) subscribers: ChangeSubscribers,
    pub(crate) supervisor: ActorRef<SupervisorMessage>,
}

/// State of [`SessionActor`].
pub(crate) struct SessionState {
    myself: ActorRef<SessionMessage>,
    dialer: Dialer,
    connection: ConnectionMachine<SessionPorts>,
    work: Work,
    subscribers: ChangeSubscribers,
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
        let connection = ConnectionMachine::new(
            arguments.name,
            arguments.spec,
            arguments.known,
            arguments.pin,
            rand::random,
        );
        Ok(SessionState {
            myself,
            dialer: arguments.dialer,
            connection,
            work,
            subscribers: arguments.subscribers,
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
                state.advance(connect(request, reply)).await;
            }
            SessionMessage::Reconnect { reply } => {
                state.advance(Event::Reconnect { caller: reply }).await;
            }
            // Large futures are boxed: every idle session keeps room for the largest one, twice over.
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
            SessionMessage::Disconnect { reply } => {
                state.advance(Event::Disconnect { reply }).await;
            }
            SessionMessage::Shutdown { reply } => state.advance(Event::ShutDown { reply }).await,
            SessionMessage::Dialed {
                generation,
                result,
                took,
            } => {
                state
                    .advance(effects::dialed(generation, result, took))
                    .await
            }
            SessionMessage::ConnectionLost { generation, reason } => {
                state.connection_lost(generation, reason).await;
            }
            SessionMessage::RetryDue { generation } => {
                state.advance(Event::RetryDue { generation }).await;
            }
            SessionMessage::QueueExpired { ticket } => {
                state.work.expire(ticket, state.connection.is_ready());
            }
            SessionMessage::FindJob { number, reply } => {
                let _ = reply.send(state.work.find_job(number));
            }
            SessionMessage::JobEnded { number, keep } => {
                state.work.job_ended(number, keep);
                Box::pin(state.start_waiting()).await;
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
            tracing::error!(session = %state.connection.name(), %error, "a job or the shell failed");
            state.work.job_failed(who.get_id());
            Box::pin(state.start_waiting()).await;
        }
        Ok(())
    }
}

impl SessionState {
    async fn start_waiting(&mut self) {
        let link = self.connection.link().map(AsRef::as_ref);
        self.work.start_waiting(link).await;
    }

    /// Starts a call that was taken in; a call that has to wait gets a limit, and a link if there is none.
    async fn serve(&mut self, admitted: Admitted) {
        self.start_waiting().await;
        self.work.watch_wait(admitted);
        if !self.connection.is_ready() {
            self.advance(Event::CallWaits).await;
        }
    }

    /// A command whose link died before the command was sent waits for the next link.
    async fn requeue(&mut self, exec: QueuedExec) {
        let Some(admitted) = self.work.requeue(exec) else {
            return;
        };
        // The job may notice a dead link before the watch on the connection does.
        let link = self.connection.link();
        let dead = link.filter(|link| link.connection.is_closed());
        if let Some((generation, ended)) =
            dead.map(|link| (link.generation, link.connection.watch_end()))
        {
            let reason = ended.await;
            self.connection_lost(generation, reason).await;
        }
        self.serve(admitted).await;
    }

    async fn connection_lost(&mut self, generation: u64, reason: Disconnect) {
        let calls_wait = self.work.has_callers();
        self.advance(Event::ConnectionLost {
            generation,
            reason,
            calls_wait,
        })
        .await;
    }

    fn status(&self) -> SessionStatus {
        let now = Instant::now();
        let connection = &self.connection;
        let spec = connection.spec();
        let facts = connection.link().map(|link| link.connection.facts());
        SessionStatus {
            session: connection.name().clone(),
            state: connection.state(),
            host: facts.map_or_else(|| spec.host.clone(), |facts| facts.host.clone()),
            port: facts.map(|facts| facts.port).or(spec.port),
            username: facts
                .map(|facts| facts.username.clone())
                .or_else(|| spec.username.clone()),
            connected_for: connection.connected_for(now),
            reconnects: connection.reconnects(),
            attempt: connection.attempts(),
            next_attempt_in: connection.next_attempt_in(now),
            last_error: connection.last_error(),
            jobs: self.work.job_statuses(),
            shell_cwd: self.work.shell.memory.cwd(),
        }
    }
}

fn connect(request: ConnectRequest, caller: ConnectReply) -> Event<SessionPorts> {
    Event::Connect {
        parameters: Box::new(Parameters {
            spec: request.spec,
            credentials: request.credentials,
            connect_timeout: request.connect_timeout,
        }),
        caller,
    }
}
