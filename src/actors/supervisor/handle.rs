//! The door into the tree: a typed method for each request of the tools.
//!
//! Cheap to clone. A clone serves one client ([`SupervisorHandle::for_caller`]), whose default session counts. Each
//! call looks the session's name up, because the actor may have been replaced since the last call. The store is read and written here, outside the actors.

use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorRef};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::SupervisorActor;
use super::message::{Found, StartError, SupervisorMessage};
use crate::actors::client::{Caller, Client};
use crate::actors::error::SessionError;
use crate::actors::job::record::JobRecord;
use crate::actors::rpc::{call, call_within};
use crate::actors::session::message::{EndedJobs, JobNotFound, SessionMessage};
use crate::error::Fate;
use crate::limits;
use crate::ssh::dial::Dialer;
use crate::store::{SessionName, SessionSpec, Store, StoreContent, StoreError};

/// Time for an answer that needs no network.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Handle of the tree for everything outside of [`actors`](crate::actors).
#[derive(Debug, Clone)]
pub struct SupervisorHandle {
    supervisor: ActorRef<SupervisorMessage>,
    store: Arc<Store>,
    /// The client that asks.
    caller: Arc<dyn Caller>,
}

/// The result of `ssh_disconnect`.
#[derive(Debug, Clone)]
pub struct DisconnectReport {
    /// Name of the session.
    pub session: SessionName,
    /// The saved configuration was removed too.
    pub forgotten: bool,
    /// Jobs that were told to end.
    pub ended_jobs: Vec<String>,
    /// Those among them that may still run on the host.
    pub unconfirmed: Vec<String>,
    /// Parts that failed.
    pub notes: Vec<String>,
}

impl SupervisorHandle {
    /// Starts the tree. Startup has no other side effects: no file is read, no host is dialled.
    pub async fn start(dialer: Dialer, store: Store) -> Result<Self, String> {
        let (supervisor, _) = Actor::spawn(None, SupervisorActor, dialer)
            .await
            .map_err(|error| error.to_string())?;
        Ok(Self {
            supervisor,
            store: Arc::new(store),
            caller: Arc::new(Client::default()),
        })
    }

    /// The door for the calls of another client.
    #[must_use]
    pub fn for_caller(&self, caller: Arc<dyn Caller>) -> Self {
        Self {
            caller,
            ..self.clone()
        }
    }

    /// Marks the client's beginning: the stored default counts for the client as it is now. Only the first mark counts.
    pub async fn begin_client(&self) {
        let stored = async {
            let content = self.load_store().await.ok()?;
            content.default
        };
        self.caller.at_hand().begin(stored).await;
    }

    /// The same, and recognises the client on its next connection.
    pub async fn meet_client(&self) {
        drop(self.client().await);
    }

    /// The client that asks.
    pub(super) async fn client(&self) -> Client {
        self.begin_client().await;
        self.caller.client().await
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
        let Some(Found::Actor(actor)) = self.find_session(&session).await? else {
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
        let name = self.name_or_default(name).await?;
        let mut ended = EndedJobs::default();
        match self.find_session(&name).await? {
            Some(Found::Actor(actor)) => {
                let answer = call(&actor, |reply| SessionMessage::Disconnect { reply }).await;
                ended = answer.unwrap_or_default();
            }
            // A parked session that is started anew is in the state `saved`.
            Some(Found::Parked(spec)) => drop(self.start_session(&name, &spec, true).await?),
            None => drop(self.saved_spec(&name).await?),
        }
        let mut notes = Vec::new();
        if forget {
            self.ask_supervisor(|reply| SupervisorMessage::Forget {
                name: name.clone(),
                reply,
            })
            .await?;
            self.client().await.forget(&name);
            let forgotten = name.clone();
            let result = self.update_store(move |content| {
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
            ended_jobs: ended.names,
            unconfirmed: ended.unconfirmed,
            notes,
        })
    }

    /// Makes a session the default of this client, and of clients that begin later and connect nothing. Returns a note
    /// when the choice could not be saved.
    pub async fn set_default(&self, name: SessionName) -> Result<Option<String>, SessionError> {
        if self.find_session(&name).await?.is_none() {
            self.saved_spec(&name).await?;
        }
        self.client().await.choose(name.clone());
        let result = self.update_store(move |content| {
            content.set_default(&name);
        });
        Ok(result.await.err().map(|error| error.to_string()))
    }

    /// Ends all sessions within [`limits::SHUTDOWN_TIMEOUT`]: running commands are signalled on their hosts.
    pub async fn shut_down(&self) {
        let mut ends = JoinSet::new();
        for (_, found) in self.found_sessions().await {
            if let Found::Actor(actor) = found {
                ends.spawn(async move {
                    let _ = call(&actor, |reply| SessionMessage::Shutdown { reply }).await;
                });
            }
        }
        let _ = timeout(limits::SHUTDOWN_TIMEOUT, ends.join_all()).await;
        self.supervisor.stop(None);
    }

    /// Crashes a session's actor, as a defect would.
    #[cfg(feature = "fail-points")]
    pub async fn crash(&self, name: &SessionName) {
        if let Ok(Some(Found::Actor(actor))) = self.find_session(name).await {
            let _ = actor.send_message(SessionMessage::Crash);
        }
    }

    /// The actor of a session, started from the store if the session does not run.
    pub(super) async fn find_or_start_saved(
        &self,
        name: &SessionName,
    ) -> Result<ActorRef<SessionMessage>, SessionError> {
        match self.find_session(name).await? {
            Some(Found::Actor(actor)) => Ok(actor),
            Some(Found::Parked(_)) => Err(SessionError::Parked(name.clone())),
            None => {
                let spec = self.saved_spec(name).await?;
                self.start_session(name, &spec, true).await
            }
        }
    }

    /// The session that a call means: the given name, else the client's default.
    pub(super) async fn name_or_default(
        &self,
        name: Option<SessionName>,
    ) -> Result<SessionName, SessionError> {
        if let Some(name) = name {
            return Ok(name);
        }
        match self.default_session().await {
            Some(name) => Ok(name),
            None => Err(SessionError::NoDefaultSession {
                known: self.known_names().await,
            }),
        }
    }

    /// The session that a call of this client means when the call names none.
    pub(super) async fn default_session(&self) -> Option<SessionName> {
        let client = self.client().await;
        if let Some(own) = client.own_default() {
            return Some(own);
        }
        // A stored default that runs need not be looked for in the store.
        if let Some(stored) = client.stored_default()
            && let Ok(Some(_)) = self.find_session(&stored).await
        {
            return Some(stored);
        }
        client.default_among(self.known_names().await.iter())
    }

    pub(super) async fn saved_spec(&self, name: &SessionName) -> Result<SessionSpec, SessionError> {
        let content = self.load_store().await?;
        match content.sessions.get(name) {
            Some(spec) => Ok(spec.clone()),
            None => Err(SessionError::NoSuchSession {
                name: name.to_string(),
                known: self.known_names().await,
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
            .ask_supervisor(|reply| SupervisorMessage::Start {
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

    async fn find_session(&self, name: &SessionName) -> Result<Option<Found>, SessionError> {
        self.ask_supervisor(|reply| SupervisorMessage::Find {
            name: name.clone(),
            reply,
        })
        .await
    }

    pub(super) async fn ask_supervisor<T: Send + 'static>(
        &self,
        message: impl FnOnce(ractor::RpcReplyPort<T>) -> SupervisorMessage,
    ) -> Result<T, SessionError> {
        call_within(&self.supervisor, ANSWER_TIMEOUT, message)
            .await
            .map_err(|_| SessionError::ShuttingDown)
    }

    pub(super) async fn load_store(&self) -> Result<StoreContent, StoreError> {
        let store = Arc::clone(&self.store);
        run_blocking(move || store.load()).await
    }

    pub(super) async fn update_store<R: Send + 'static>(
        &self,
        change: impl FnOnce(&mut StoreContent) -> R + Send + 'static,
    ) -> Result<R, StoreError> {
        let store = Arc::clone(&self.store);
        run_blocking(move || store.update(change)).await
    }
}

/// Runs file work on a thread for blocking calls. A panic of that work continues in the caller.
async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
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
