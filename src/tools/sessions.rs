//! `ssh_sessions`: lists all sessions, connected and saved.

use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{CallToolResult, JsonObject};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::ToolError;
use super::record::{self, Notes, Record, as_word, millis};
use super::render::{count, seconds};
use super::schema;
use super::tool::{Call, Hints, Tool};
use crate::actors::report::{JobStatus, SessionStatus};
use crate::actors::session::StateName;
use crate::text::visible_line;

/// Characters of a row of the text.
const ROW_MAX_CHARS: usize = 600;

/// State of a job that waits for a channel or for its turn.
const WAITING: &str = "waiting";
/// State of a job that runs.
const RUNNING: &str = "running";

/// The tool.
pub(super) struct Sessions;

/// The tool has no parameters.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Parameters {}

/// A running job.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct JobRecord {
    job: String,
    kind: &'static str,
    command: String,
    state: &'static str,
    running_for_ms: u64,
}

/// A session.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SessionRecord {
    session: String,
    #[serde(serialize_with = "as_word")]
    #[schemars(with = "String")]
    state: StateName,
    host: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    is_default: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    connected_for_ms: Option<u64>,
    reconnects: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_in_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    jobs: Vec<JobRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shell_cwd: Option<String>,
}

/// All sessions.
#[derive(Debug, Serialize, JsonSchema)]
struct SessionsRecord {
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<String>,
    sessions: Vec<SessionRecord>,
    #[serde(skip_serializing_if = "Notes::is_empty")]
    #[schemars(skip)]
    notes: Notes,
}

impl Record for SessionsRecord {
    fn text(&self) -> String {
        if self.sessions.is_empty() {
            return "no sessions; ssh_connect(host: …) opens one".to_owned();
        }
        let rows: Vec<_> = self.sessions.iter().map(SessionRecord::row).collect();
        rows.join("\n")
    }

    fn notes(&self) -> &Notes {
        &self.notes
    }
}

impl Tool for Sessions {
    type Parameters = Parameters;
    const NAME: &'static str = "ssh_sessions";
    const TITLE: &'static str = "List sessions";
    const DESCRIPTION: &'static str =
        "List all sessions, connected and saved, with their state, jobs and last error.";
    const HINTS: Hints = Hints {
        read_only: true,
        destructive: false,
        idempotent: true,
    };

    fn output_schema() -> Option<Arc<JsonObject>> {
        Some(schema::output::<SessionsRecord>())
    }

    async fn call(call: Call, _: Parameters) -> Result<CallToolResult, ToolError> {
        let list = call.supervisor.list().await;
        let default = list.default.map(|name| name.to_string());
        let sessions = list
            .sessions
            .into_iter()
            .map(|status| session_record(status, default.as_deref()))
            .collect();
        record::result(&SessionsRecord {
            default,
            sessions,
            notes: Notes::new(&list.problems),
        })
    }
}

fn session_record(status: SessionStatus, default: Option<&str>) -> SessionRecord {
    let session = status.session.to_string();
    SessionRecord {
        is_default: default == Some(session.as_str()),
        session,
        state: status.state,
        host: visible_line(&status.host, ROW_MAX_CHARS),
        port: status.port,
        username: status
            .username
            .map(|username| visible_line(&username, ROW_MAX_CHARS)),
        connected_for_ms: status.connected_for.map(millis),
        reconnects: status.reconnects,
        attempt: status.attempt,
        next_attempt_in_ms: status.next_attempt_in.map(millis),
        last_error: status
            .last_error
            .map(|error| visible_line(&error, ROW_MAX_CHARS)),
        jobs: status.jobs.into_iter().map(job_record).collect(),
        shell_cwd: status
            .shell_cwd
            .map(|cwd| visible_line(&cwd, ROW_MAX_CHARS)),
    }
}

fn job_record(job: JobStatus) -> JobRecord {
    JobRecord {
        job: job.job,
        kind: job.kind,
        state: if job.is_waiting { WAITING } else { RUNNING },
        command: visible_line(&job.command, job.command.chars().count() * 10),
        running_for_ms: millis(job.running_for),
    }
}

impl SessionRecord {
    /// A line of the text.
    fn row(&self) -> String {
        let mut row = format!("{}: {}, ", self.session, self.state);
        if let Some(username) = &self.username {
            row.push_str(&format!("{username}@"));
        }
        row.push_str(&self.host);
        if let Some(port) = self.port {
            row.push_str(&format!(" port {port}"));
        }
        if self.is_default {
            row.push_str(", default");
        }
        if let Some(connected) = self.connected_for_ms {
            row.push_str(&format!(", connected for {}", time(connected)));
        }
        if self.reconnects > 0 {
            row.push_str(&format!(", {}", count(self.reconnects, "reconnect")));
        }
        if let Some(next) = self.next_attempt_in_ms {
            let attempt = self.attempt.unwrap_or(0) + 1;
            row.push_str(&format!(", attempt {attempt} in {}", time(next)));
        }
        if let Some(error) = &self.last_error {
            row.push_str(&format!(", last error: {error}"));
        }
        if let Some(cwd) = &self.shell_cwd {
            row.push_str(&format!("; shell in {cwd}"));
        }
        for job in &self.jobs {
            row.push_str(&format!(
                "; {} job {} is {} for {}: {}",
                job.kind,
                job.job,
                job.state,
                time(job.running_for_ms),
                job.command
            ));
        }
        visible_line(&row, ROW_MAX_CHARS)
    }
}

fn time(millis: u64) -> String {
    seconds(Duration::from_millis(millis))
}
