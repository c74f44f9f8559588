//! MCP sessions of clients whose protocol has sessions: rmcp's session manager with a bound on the number.
//!
//! Of this program's state, an MCP session holds nothing but its client's default session.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::http::{Response, StatusCode};
use futures_core::Stream;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_server::session::ServerSseMessage;
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionManager, LocalSessionManagerError, SessionConfig,
};
use rmcp::transport::streamable_http_server::{SessionId, SessionManager};
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::reply;
use crate::actors::Client;
use crate::limits;
use crate::metrics::{self, HttpRejection};
use crate::server::codec;

/// Server error of JSON-RPC 2.0 section 5.1: no room for another client.
const TOO_MANY_SESSIONS: i32 = -32000;

/// The MCP sessions of a daemon.
#[derive(Debug)]
pub(super) struct BoundedSessions {
    inner: LocalSessionManager,
    slots: Slots,
    taken: Mutex<HashMap<SessionId, Place>>,
}

/// The place of a session, and its client.
#[derive(Debug)]
struct Place {
    client: Client,
    _permit: OwnedSemaphorePermit,
}

/// Places for sessions of both older transports.
#[derive(Debug, Clone)]
pub(super) struct Slots(Arc<Semaphore>);

impl Default for Slots {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(limits::LEGACY_SESSIONS_MAX)))
    }
}

impl Slots {
    /// Takes a place for as long as the permit is held.
    pub(super) fn take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0).try_acquire_owned().ok()
    }

    /// Whether no place is left.
    pub(super) fn are_taken(&self) -> bool {
        self.0.available_permits() == 0
    }
}

/// Errors of MCP sessions.
#[derive(Debug, Error)]
pub(super) enum SessionsError {
    /// An error of rmcp.
    #[error(transparent)]
    Inner(#[from] LocalSessionManagerError),
    /// The bound is reached.
    #[error("too many MCP sessions")]
    TooMany,
}

impl BoundedSessions {
    pub(super) fn new(slots: Slots) -> Self {
        let mut inner = LocalSessionManager::default();
        let mut config = SessionConfig::default();
        config.keep_alive = Some(limits::LEGACY_SESSION_IDLE);
        inner.session_config = config;
        Self {
            inner,
            slots,
            taken: Mutex::default(),
        }
    }

    /// The client of a session.
    pub(super) fn client(&self, id: &str) -> Option<Client> {
        self.taken().get(id).map(|place| place.client.clone())
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<SessionId, Place>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SessionManager for BoundedSessions {
    type Error = SessionsError;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Self::Error> {
        let permit = self.slots.take().ok_or(SessionsError::TooMany)?;
        let (id, transport) = self.inner.create_session().await?;
        let place = Place {
            client: Client::default(),
            _permit: permit,
        };
        self.taken().insert(id.clone(), place);
        Ok((id, transport))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Self::Error> {
        Ok(self.inner.initialize_session(id, message).await?)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Self::Error> {
        Ok(self.inner.has_session(id).await?)
    }

    /// Called when a client ends its session, and again when the service of the session has ended.
    async fn close_session(&self, id: &SessionId) -> Result<(), Self::Error> {
        self.taken().remove(id);
        Ok(self.inner.close_session(id).await?)
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        Ok(self.inner.create_stream(id, message).await?)
    }

    async fn accept_message(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<(), Self::Error> {
        Ok(self.inner.accept_message(id, message).await?)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        Ok(self.inner.create_standalone_stream(id).await?)
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        Ok(self.inner.resume(id, last_event_id).await?)
    }
}

/// The answer to a client above the bound.
pub(super) fn too_many() -> Response<Body> {
    metrics::http_rejected(HttpRejection::Sessions);
    let text = format!(
        "{} MCP sessions are open, which is the limit; end one, or wait until an unused one ends by itself",
        limits::LEGACY_SESSIONS_MAX
    );
    let error = codec::error(TOO_MANY_SESSIONS, &text, None);
    reply::json(StatusCode::SERVICE_UNAVAILABLE, &error)
}
