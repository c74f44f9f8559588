//! The list for `ssh_sessions`: sessions that run, and sessions that are only saved.

use std::collections::BTreeSet;

use tokio::task::JoinSet;

use super::handle::{ANSWER_TIMEOUT, SupervisorHandle};
use super::message::{Found, SupervisorMessage};
use crate::actors::error::SessionError;
use crate::actors::report::SessionStatus;
use crate::actors::rpc::call_within;
use crate::actors::session::StateName;
use crate::actors::session::message::SessionMessage;
use crate::store::{SessionName, SessionSpec};

/// The list for `ssh_sessions`.
#[derive(Debug, Clone)]
pub struct SessionList {
    /// The default session of the client that asks.
    pub default: Option<SessionName>,
    /// All sessions by name, those of the store included.
    pub sessions: Vec<SessionStatus>,
    /// Problems of the store.
    pub problems: Vec<String>,
}

impl SupervisorHandle {
    /// All sessions, those of the store included.
    pub async fn list(&self) -> SessionList {
        let (content, problems) = match self.load_store().await {
            Ok(content) => {
                let problems = content.problems.clone();
                (Some(content), problems)
            }
            Err(error) => (None, vec![error.to_string()]),
        };
        let mut sessions = self.live_statuses().await;
        let saved = content.iter().flat_map(|content| &content.sessions);
        for (name, spec) in saved {
            if !sessions.iter().any(|status| status.session == *name) {
                sessions.push(saved_status(name.clone(), spec));
            }
        }
        sessions.sort_by(|a, b| a.session.cmp(&b.session));
        let client = self.client().await;
        let default = client.default_among(sessions.iter().map(|status| &status.session));
        SessionList {
            default,
            sessions,
            problems,
        }
    }

    /// The names of all sessions, those of the store included, in order.
    pub(super) async fn known_names(&self) -> Vec<SessionName> {
        let live = self.found_sessions().await.into_iter();
        let mut names: BTreeSet<_> = live.map(|(name, _)| name).collect();
        // A store that cannot be read names nothing.
        if let Ok(content) = self.load_store().await {
            names.extend(content.sessions.into_keys());
        }
        names.into_iter().collect()
    }

    pub(super) async fn found_sessions(&self) -> Vec<(SessionName, Found)> {
        self.ask_supervisor(|reply| SupervisorMessage::List { reply })
            .await
            .unwrap_or_default()
    }

    /// Asks all running sessions at the same time; a session that does not answer is left out.
    async fn live_statuses(&self) -> Vec<SessionStatus> {
        let mut questions = JoinSet::new();
        for (name, found) in self.found_sessions().await {
            questions.spawn(async move {
                match found {
                    Found::Parked(spec) => Some(parked_status(name, &spec)),
                    Found::Actor(actor) => call_within(&actor, ANSWER_TIMEOUT, |reply| {
                        SessionMessage::GetStatus { reply }
                    })
                    .await
                    .ok(),
                }
            });
        }
        questions.join_all().await.into_iter().flatten().collect()
    }
}

fn saved_status(name: SessionName, spec: &SessionSpec) -> SessionStatus {
    SessionStatus {
        host: spec.host.clone(),
        port: spec.port,
        username: spec.username.clone(),
        ..bare_status(name, StateName::Saved)
    }
}

fn parked_status(name: SessionName, spec: &SessionSpec) -> SessionStatus {
    let error = SessionError::Parked(name.clone()).to_string();
    SessionStatus {
        state: StateName::Failed,
        last_error: Some(error),
        ..saved_status(name, spec)
    }
}

fn bare_status(session: SessionName, state: StateName) -> SessionStatus {
    SessionStatus {
        session,
        state,
        host: String::new(),
        port: None,
        username: None,
        connected_for: None,
        reconnects: 0,
        attempt: None,
        next_attempt_in: None,
        last_error: None,
        jobs: Vec::new(),
        shell_cwd: None,
    }
}
