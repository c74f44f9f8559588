//! `/health`: identifies the server and counts the sessions in each state. Names no session and no host.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::reply;
use crate::actors::SupervisorHandle;
use crate::actors::report::SessionStatus;
use crate::actors::session::StateName;

/// State behind the route.
#[derive(Debug, Clone)]
pub(super) struct Health {
    supervisor: SupervisorHandle,
    since: Instant,
}

impl Health {
    pub(super) fn new(supervisor: SupervisorHandle) -> Self {
        Self {
            supervisor,
            since: Instant::now(),
        }
    }

    /// Answers a request.
    pub(super) async fn report(&self) -> Response<Body> {
        let list = self.supervisor.list().await;
        let counts =
            StateName::ALL.map(|state| (state.to_string(), count(&list.sessions, state).into()));
        let body = json!({
            "status": "ok",
            "version": env!("CARGO_PKG_VERSION"),
            "uptimeSeconds": self.since.elapsed().as_secs(),
            "sessions": Map::<String, Value>::from_iter(counts),
        });
        reply::json(StatusCode::OK, &body)
    }
}

/// Number of sessions in a state.
pub(super) fn count(sessions: &[SessionStatus], state: StateName) -> usize {
    sessions
        .iter()
        .filter(|status| status.state == state)
        .count()
}
