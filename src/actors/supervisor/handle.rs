//! The door into the tree: typed methods for everything that the tools can ask.
//!
//! Cheap to clone and shared by all clients. A name is looked up at each call, because a session's actor may
//! have been replaced since the last one. The store is read and written here, outside the actors.

use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorRef};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::SupervisorActor;
use super::deliver::LookUp;
use super::message::{Found, StartError, SupervisorMessage};
use crate::actors::error::SessionError;
use crate::actors::job::record::JobRecord;
use crate::actors::report::ConnectReport;
use crate::actors::request::ConnectRequest;
use crate::actors::rpc::{call, call_within};
use crate::actors::session::message::{JobNotFound, SessionMessage};
use crate::error::Fate;
use crate::limits;
use crate::ssh::dial::Dialer;
use crate::store::{SessionName, SessionSpec, Store, StoreContent, StoreError, UtcTime};

/// Time for an answer that needs no network.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// The supervisor, for everybody outside.
#[derive(Debug, Clone)]
pub struct SupervisorHandle {
    supervisor: ActorRef<SupervisorMessage>,
    store: Arc<Store>,
}

/// What `ssh_disconnect` did.
#[derive(Debug, Clone)]
pub struct DisconnectReport {
    /// Name of the session.
    pub session: SessionName,
    /// The saved configuration is gone too.
    pub forgotten: bool,
    /// Jobs that were running.
    pub ended_jobs: Vec<String>,
    /// What could not be done.
    pub notes: Vec<String>,
}

impl SupervisorHandle {
    /// Starts the tree. Nothing else happens: no file is read, no host is dialled.
    pub async fn start(dialer: Dialer, store: Store) -> Result<Self, String> {
        let (supervisor, _) = Actor::spawn(None, SupervisorActor, dialer)
            .await
            .map_err(|error| error.to_string())?;
        Ok(Self {
            supervisor,
            store: Arc::new(store),
        })
    }

    /// Connects a named session, or confirms that it is up.
    pub async fn connect(&self, request: ConnectRequest) -> Result<ConnectReport, SessionError> {
        let name = request.name.clone();
        let (spec, make_default) = (request.spec.clone(), request.make_default);
        let content = self.load().await;
        let known = content
            .as_ref()
            .is_ok_and(|content| content.sessions.contains_key(&name));
        let report = self.ask_to_connect(&request, known).await?;
        let no_default = content.map_or(true, |content| content.default.is_none());
        let becomes_default = if make_default {
            self.set_own_default(Some(name)).await;
            true
        } else {
            no_default && self.claim_default(name).await?
        };
        Ok(self
            .finish_connect(report, Some(spec), becomes_default)
            .await)
    }

    /// Drops a session's link and dials anew.
    pub async fn reconnect(
        &self,
        name: Option<SessionName>,
    ) -> Result<ConnectReport, SessionError> {
        let (name, actor) = self.session(name).await?;
        let answer = call(&actor, |reply| SessionMessage::Reconnect { reply }).await;
        let report = answer.map_err(|_| crashed(&name, Fate::NotSent))??;
        Ok(self.finish_connect(report, None, false).await)
    }

    /// Asks the session to connect, started if there is none.
    async fn ask_to_connect(
        &self,
        request: &ConnectRequest,
        known: bool,
    ) -> Result<ConnectReport, SessionError> {
        let name = &request.name;
        let message = |reply, taken| SessionMessage::Connect {
            request: request.clone(),
            taken,
            reply,
        };
        let spec = &request.spec;
        let look_up = LookUp::Start { spec, known };
        self.deliver(name, look_up, message, Fate::NotSent).await
    }

    /// Whether the session is the default now, because there was none.
    async fn claim_default(&self, name: SessionName) -> Result<bool, SessionError> {
        self.ask(|reply| SupervisorMessage::ClaimDefault { name, reply })
            .await
    }

    /// A job by its name, running or ended.
    pub async fn job(&self, name: &str) -> Result<Arc<JobRecord>, SessionError> {
        let not_found = |reason| SessionError::NoSuchJob {
            name: name.to_owned(),
            dropped: reason == JobNotFound::Dropped,
        };
        let never_started = || not_found(JobNotFound::NeverStarted);
        let (session, number) = name.rsplit_once('-').ok_or_else(never_started)?;
        let session = SessionName::parse(session).map_err(|_| never_started())?;
        let number = number.parse().map_err(|_| never_started())?;
        let Some(Found::Actor(actor)) = self.find(&session).await? else {
            return Err(never_started());
        };
        let message = |reply| SessionMessage::FindJob { number, reply };
        match call_within(&actor, ANSWER_TIMEOUT, message).await {
            Ok(found) => found.map_err(not_found),
            Err(_) => Err(never_started()),
        }
    }

    /// Ends a session's jobs and link; with `forget` also its saved configuration.
    pub async fn disconnect(
        &self,
        name: Option<SessionName>,
        forget: bool,
    ) -> Result<DisconnectReport, SessionError> {
        let name = self.choose(name).await?;
        let mut ended_jobs = Vec::new();
        match self.find(&name).await? {
            Some(Found::Actor(actor)) => {
                let answer = call(&actor, |reply| SessionMessage::Disconnect { reply }).await;
                ended_jobs = answer.unwrap_or_default();
            }
            // Started anew, it is what is saved of it.
            Some(Found::Parked(spec)) => drop(self.start_session(&name, &spec, true).await?),
            None => drop(self.saved_spec(&name).await?),
        }
        let mut notes = Vec::new();
        if forget {
            self.ask(|reply| SupervisorMessage::Forget {
                name: name.clone(),
                reply,
            })
            .await?;
            let forgotten = name.clone();
            let result = self.update(move |content| {
                content.forget(&forgotten);
            });
            notes.extend(
                result
                    .await
                    .err()
                    .map(|error| format!("the saved configuration is still there: {error}")),
            );
        }
        Ok(DisconnectReport {
            session: name,
            forgotten: forget && notes.is_empty(),
            ended_jobs,
            notes,
        })
    }

    /// Makes a session the default one. Gives a note when that could not be saved.
    pub async fn set_default(&self, name: SessionName) -> Result<Option<String>, SessionError> {
        if self.find(&name).await?.is_none() {
            self.saved_spec(&name).await?;
        }
        self.set_own_default(Some(name.clone())).await;
        let result = self.update(move |content| {
            content.set_default(&name);
        });
        Ok(result.await.err().map(|error| error.to_string()))
    }

    /// Ends everything within its bound: the hosts are told to end what runs there.
    pub async fn shut_down(&self) {
        let mut ends = JoinSet::new();
        for (_, found) in self.all().await {
            if let Found::Actor(actor) = found {
                ends.spawn(async move {
                    let _ = call(&actor, |reply| SessionMessage::Shutdown { reply }).await;
                });
            }
        }
        let _ = timeout(limits::SHUTDOWN_TIMEOUT, ends.join_all()).await;
        self.supervisor.stop(None);
    }

    /// Makes a session's actor fail, as a defect would.
    #[cfg(feature = "fail-points")]
    pub async fn crash(&self, name: &SessionName) {
        if let Ok(Some(Found::Actor(actor))) = self.find(name).await {
            let _ = actor.send_message(SessionMessage::Crash);
        }
    }

    async fn finish_connect(
        &self,
        mut report: ConnectReport,
        given: Option<SessionSpec>,
        becomes_default: bool,
    ) -> ConnectReport {
        let saved = self.remember(&report, given, becomes_default).await;
        match saved {
            Ok(default) => {
                let default = self.own_default().await.or(default);
                report.is_default = default.as_ref() == Some(&report.session);
            }
            Err(error) => {
                report.is_default = self.own_default().await.as_ref() == Some(&report.session);
                report
                    .notes
                    .push(format!("the session works but is not saved: {error}"));
            }
        }
        report
    }

    /// Writes a session that has just connected. Gives the store's default.
    async fn remember(
        &self,
        report: &ConnectReport,
        given: Option<SessionSpec>,
        becomes_default: bool,
    ) -> Result<Option<SessionName>, StoreError> {
        let (name, auth, reused) = (
            report.session.clone(),
            report.auth_kind.clone(),
            report.reused,
        );
        self.update(move |content| {
            let spec = given.or_else(|| content.sessions.get(&name).cloned());
            if let (Some(mut spec), false) = (spec, reused) {
                spec.auth = auth;
                spec.last_connected_at = Some(UtcTime::now());
                content.remember(name.clone(), spec);
            }
            if becomes_default {
                content.set_default(&name);
            }
            content.default.clone()
        })
        .await
    }

    /// The session that a call means, started from the store if need be.
    async fn session(
        &self,
        name: Option<SessionName>,
    ) -> Result<(SessionName, ActorRef<SessionMessage>), SessionError> {
        let name = self.choose(name).await?;
        let actor = self.actor(&name).await?;
        Ok((name, actor))
    }

    pub(super) async fn actor(
        &self,
        name: &SessionName,
    ) -> Result<ActorRef<SessionMessage>, SessionError> {
        match self.find(name).await? {
            Some(Found::Actor(actor)) => Ok(actor),
            Some(Found::Parked(_)) => Err(SessionError::Parked(name.clone())),
            None => {
                let spec = self.saved_spec(name).await?;
                self.start_session(name, &spec, true).await
            }
        }
    }

    /// The name that was given, else the default.
    pub(super) async fn choose(
        &self,
        name: Option<SessionName>,
    ) -> Result<SessionName, SessionError> {
        if let Some(name) = name {
            return Ok(name);
        }
        if let Some(name) = self.own_default().await {
            return Ok(name);
        }
        match self.load().await {
            Ok(StoreContent {
                default: Some(name),
                ..
            }) => {
                // From here on the store need not be asked.
                self.set_own_default(Some(name.clone())).await;
                Ok(name)
            }
            _ => Err(SessionError::NoDefaultSession {
                known: self.names().await,
            }),
        }
    }

    async fn saved_spec(&self, name: &SessionName) -> Result<SessionSpec, SessionError> {
        let content = self.load().await?;
        match content.sessions.get(name) {
            Some(spec) => Ok(spec.clone()),
            None => Err(SessionError::NoSuchSession {
                name: name.to_string(),
                known: self.names().await,
            }),
        }
    }

    pub(super) async fn start_session(
        &self,
        name: &SessionName,
        spec: &SessionSpec,
        known: bool,
    ) -> Result<ActorRef<SessionMessage>, SessionError> {
        let (failed, spec) = (name, Box::new(spec.clone()));
        let name = name.clone();
        let started = self
            .ask(|reply| SupervisorMessage::Start {
                name,
                spec,
                known,
                reply,
            })
            .await?;
        started.map_err(|error| match error {
            StartError::TooMany { sessions } => SessionError::TooManySessions(sessions),
            StartError::NotSpawned => crashed(failed, Fate::NotSent),
        })
    }

    async fn find(&self, name: &SessionName) -> Result<Option<Found>, SessionError> {
        self.ask(|reply| SupervisorMessage::Find {
            name: name.clone(),
            reply,
        })
        .await
    }

    pub(super) async fn own_default(&self) -> Option<SessionName> {
        self.ask(|reply| SupervisorMessage::GetDefault { reply })
            .await
            .ok()
            .flatten()
    }

    async fn set_own_default(&self, name: Option<SessionName>) {
        let _ = self
            .ask(|reply| SupervisorMessage::SetDefault { name, reply })
            .await;
    }

    pub(super) async fn ask<T: Send + 'static>(
        &self,
        message: impl FnOnce(ractor::RpcReplyPort<T>) -> SupervisorMessage,
    ) -> Result<T, SessionError> {
        call_within(&self.supervisor, ANSWER_TIMEOUT, message)
            .await
            .map_err(|_| SessionError::ShuttingDown)
    }

    pub(super) async fn load(&self) -> Result<StoreContent, StoreError> {
        let store = Arc::clone(&self.store);
        blocking(move || store.load()).await
    }

    async fn update<R: Send + 'static>(
        &self,
        change: impl FnOnce(&mut StoreContent) -> R + Send + 'static,
    ) -> Result<R, StoreError> {
        let store = Arc::clone(&self.store);
        blocking(move || store.update(change)).await
    }
}

/// File work on a thread of its own. A panic there is a defect that goes on where it belongs.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

pub(super) fn crashed(name: &SessionName, fate: Fate) -> SessionError {
    SessionError::Crashed {
        name: name.clone(),
        fate,
    }
}
