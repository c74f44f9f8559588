//! The root of the tree: a registry of sessions by name, and the answer to their crashes.
//!
//! One for one. The supervisor never waits for a child: calls on a session go directly to that session's actor
//! ([`handle`]), so that no call on one session waits for another.

mod connect;
mod deliver;
pub mod handle;
pub mod list;
pub(crate) mod message;
pub(crate) mod restart;
pub mod retry;

use std::collections::BTreeMap;

use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::time::Instant;

use self::message::{Found, StartError, SupervisorMessage};
use self::restart::{CrashHistory, RestartDecision};
use super::job::retention::Retention;
use super::session::connection_state::change::ChangeSubscribers;
use super::session::message::SessionMessage;
use super::session::{SessionActor, SessionArguments};
use crate::limits;
use crate::metrics;
use crate::ssh::connection::PinnedKey;
use crate::ssh::dial::Dialer;
use crate::store::{SessionName, SessionSpec};

/// Keeps the registry of sessions and restarts those that crash.
pub(crate) struct SupervisorActor;

/// State of [`SupervisorActor`].
pub(crate) struct SupervisorState {
    myself: ActorRef<SupervisorMessage>,
    dialer: Dialer,
    /// The ended jobs of all sessions.
    retention: Retention,
    /// Observers of every session's connection.
    subscribers: ChangeSubscribers,
    sessions: BTreeMap<SessionName, Entry>,
}

/// A session in the registry.
struct Entry {
    found: Found,
    spec: SessionSpec,
    /// The session was in the store when it was started.
    known: bool,
    /// The host key of the last link; none if the session was never up.
    pin: Option<PinnedKey>,
    crashes: CrashHistory,
}

impl Actor for SupervisorActor {
    type Msg = SupervisorMessage;
    type State = SupervisorState;
    type Arguments = Dialer;

    async fn pre_start(
        &self,
        myself: ActorRef<SupervisorMessage>,
        dialer: Dialer,
    ) -> Result<SupervisorState, ActorProcessingErr> {
        Ok(SupervisorState {
            myself,
            dialer,
            retention: Retention::default(),
            subscribers: ChangeSubscribers::default(),
            sessions: BTreeMap::new(),
        })
    }

    async fn handle(
        &self,
        _myself: ActorRef<SupervisorMessage>,
        message: SupervisorMessage,
        state: &mut SupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        // A caller that is gone needs no answer.
        match message {
            SupervisorMessage::Find { name, reply } => {
                let _ = reply.send(state.sessions.get(&name).map(|entry| entry.found.clone()));
            }
            SupervisorMessage::Start {
                name,
                spec,
                known,
                reply,
            } => {
                let _ = reply.send(state.find_or_start(name, *spec, known).await);
            }
            SupervisorMessage::Established { name, spec, pin } => {
                if let Some(entry) = state.sessions.get_mut(&name) {
                    (entry.spec, entry.pin) = (*spec, Some(pin));
                }
            }
            SupervisorMessage::List { reply } => {
                let all = state
                    .sessions
                    .iter()
                    .map(|(name, entry)| (name.clone(), entry.found.clone()));
                let _ = reply.send(all.collect());
            }
            SupervisorMessage::Forget { name, reply } => {
                state.forget(&name);
                let _ = reply.send(());
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<SupervisorMessage>,
        event: SupervisionEvent,
        state: &mut SupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            // Ended on purpose: a first connect that failed, or a session that was forgotten.
            SupervisionEvent::ActorTerminated(who, _, _) => state.remove(who.get_id()),
            SupervisionEvent::ActorFailed(who, error) => {
                state.restart_or_park(&who, &error.to_string()).await
            }
            _ => {}
        }
        Ok(())
    }
}

impl SupervisorState {
    async fn find_or_start(
        &mut self,
        name: SessionName,
        spec: SessionSpec,
        known: bool,
    ) -> Result<ActorRef<SessionMessage>, StartError> {
        if let Some(Entry {
            found: Found::Actor(actor),
            ..
        }) = self.sessions.get(&name)
        {
            return Ok(actor.clone());
        }
        if self.sessions.len() >= limits::SESSIONS_MAX {
            return Err(StartError::TooMany {
                sessions: self.sessions.len(),
            });
        }
        let actor = self
            .spawn_session(&name, &spec, None, known)
            .await
            .ok_or(StartError::NotSpawned)?;
        let entry = Entry {
            found: Found::Actor(actor.clone()),
            spec,
            known,
            pin: None,
            crashes: CrashHistory::default(),
        };
        self.sessions.insert(name, entry);
        Ok(actor)
    }

    /// Spawns the actor of a session. The start waits for nothing, because it only builds the state.
    async fn spawn_session(
        &self,
        name: &SessionName,
        spec: &SessionSpec,
        pin: Option<PinnedKey>,
        known: bool,
    ) -> Option<ActorRef<SessionMessage>> {
        let arguments = SessionArguments {
            name: name.clone(),
            spec: spec.clone(),
            known,
            dialer: self.dialer.clone(),
            retention: self.retention.clone(),
            pin,
            subscribers: self.subscribers.clone(),
            supervisor: self.myself.clone(),
        };
        match Actor::spawn_linked(None, SessionActor, arguments, self.myself.get_cell()).await {
            Ok((actor, _)) => Some(actor),
            Err(error) => {
                tracing::error!(session = %name, %error, "a session could not be started");
                None
            }
        }
    }

    fn forget(&mut self, name: &SessionName) {
        if let Some(Entry {
            found: Found::Actor(actor),
            ..
        }) = self.sessions.remove(name)
        {
            actor.stop(None);
        }
    }

    fn name_of(&self, id: ActorId) -> Option<SessionName> {
        let is_entry_of_actor =
            |entry: &Entry| matches!(&entry.found, Found::Actor(actor) if actor.get_id() == id);
        self.sessions
            .iter()
            .find(|(_, entry)| is_entry_of_actor(entry))
            .map(|(name, _)| name.clone())
    }

    fn remove(&mut self, id: ActorId) {
        if let Some(name) = self.name_of(id) {
            self.sessions.remove(&name);
        }
    }

    async fn restart_or_park(&mut self, who: &ActorCell, error: &str) {
        let Some(name) = self.name_of(who.get_id()) else {
            return;
        };
        let Some(entry) = self.sessions.get_mut(&name) else {
            return;
        };
        let decision = entry.crashes.decide_on_crash(Instant::now());
        tracing::error!(session = %name, error, ?decision, "a session failed");
        let (spec, pin) = (entry.spec.clone(), entry.pin.clone());
        if !entry.known && pin.is_none() {
            // A first connect that failed, by a defect: the name is free again.
            self.sessions.remove(&name);
            return;
        }
        let restarted = match decision {
            RestartDecision::Park => None,
            RestartDecision::Restart => {
                metrics::actor_restarted(metrics::Actor::Session);
                self.spawn_session(&name, &spec, pin, true).await
            }
        };
        let found = restarted.map_or_else(|| Found::Parked(Box::new(spec)), Found::Actor);
        if let Some(entry) = self.sessions.get_mut(&name) {
            entry.found = found;
        }
    }
}
