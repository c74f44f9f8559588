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
mod job_entry;
mod jobs;
mod live_link;
pub(crate) mod message;
mod queue;
pub(crate) mod queued;
mod session_state;
mod shell;
mod shell_slot;
mod work;

use std::sync::atomic::Ordering;

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};

pub use self::connection_state::state_name::StateName;
pub(crate) use self::session_state::SessionArguments;

use self::connection_state::event::{Event, Parameters};
use self::message::{ConnectReply, SessionMessage};
use self::session_state::{SessionPorts, SessionState};
use super::request::ConnectRequest;

/// Runs one named session.
pub(crate) struct SessionActor;

impl Actor for SessionActor {
    type Msg = SessionMessage;
    type State = SessionState;
    type Arguments = SessionArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<SessionMessage>,
        arguments: SessionArguments,
    ) -> Result<SessionState, ActorProcessingErr> {
        Ok(SessionState::new(myself, arguments))
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
                state.advance(connect(*request, reply)).await;
            }
            SessionMessage::Reconnect { reply } => {
                state.advance(Event::Reconnect { caller: reply }).await;
            }
            // Large futures are boxed: every idle session keeps room for the largest one, twice over.
            SessionMessage::Admit(call) => {
                if let Some(admitted) = state.work.admit(call) {
                    Box::pin(state.serve(admitted)).await;
                }
            }
            SessionMessage::Requeue(call) => Box::pin(state.requeue(call)).await,
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
            SessionMessage::WaitExpired { ticket } => {
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
            state.work.job_crashed(who.get_id());
            Box::pin(state.start_waiting()).await;
        }
        Ok(())
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
