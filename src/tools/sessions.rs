//! `ssh_sessions`

use std::sync::Arc;

use rmcp::model::{CallToolResult, JsonObject};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::ToolError;
use super::record::millis;
use super::render::seconds;
use super::{Call, Hints, Tool, record, schema};
use crate::actors::report::{JobStatus, SessionStatus};
use crate::actors::supervisor::list::SessionList;
use crate::text::visible_line;

/// Characters of one row of the text.
const ROW_MAX_CHARS: usize = 600;

/// The tool.
pub(super) struct Sessions;

/// It takes no parameters.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Parameters {}

/// A running job.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct JobRecord {
    job: String,
    command: String,
    running_for_ms: u64,
}

/// One session.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SessionRecord {
    session: String,
    state: String,
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

/// All of them.
#[derive(Debug, Serialize, JsonSchema)]
struct Record {
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<String>,
    sessions: Vec<SessionRecord>,
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
        Some(schema::output::<Record>())
    }

    async fn call(call: Call, _: Parameters) -> Result<CallToolResult, ToolError> {
        let list = call.supervisor.list().await;
        let text = text(&list);
        let default = list.default.map(|name| name.to_string());
        let sessions = list
            .sessions
            .into_iter()
            .map(|status| record_of(status, default.as_deref()))
            .collect();
        record::result(&Record { default, sessions }, text, &list.problems)
    }
}

fn record_of(status: SessionStatus, default: Option<&str>) -> SessionRecord {
    let session = status.session.to_string();
    SessionRecord {
        is_default: default == Some(session.as_str()),
        session,
        state: status.state.to_owned(),
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
        command: visible_line(&job.command, job.command.chars().count() * 10),
        running_for_ms: millis(job.running_for),
    }
}

fn text(list: &SessionList) -> String {
    if list.sessions.is_empty() {
        return "no sessions; ssh_connect(host: …) opens one".to_owned();
    }
    let rows: Vec<_> = list
        .sessions
        .iter()
        .map(|status| row(status, list.default.as_ref()))
        .collect();
    rows.join("\n")
}

fn row(status: &SessionStatus, default: Option<&crate::store::SessionName>) -> String {
    let mut row = format!("{}: {}, ", status.session, status.state);
    if let Some(username) = &status.username {
        row.push_str(&format!("{username}@"));
    }
    row.push_str(&status.host);
    if let Some(port) = status.port {
        row.push_str(&format!(" port {port}"));
    }
    if default == Some(&status.session) {
        row.push_str(", default");
    }
    if let Some(connected) = status.connected_for {
        row.push_str(&format!(", connected for {}", seconds(connected)));
    }
    if status.reconnects > 0 {
        let times = if status.reconnects == 1 { "" } else { "s" };
        row.push_str(&format!(", {} reconnect{times}", status.reconnects));
    }
    if let Some(next) = status.next_attempt_in {
        row.push_str(&format!(
            ", attempt {} in {}",
            status.attempt.unwrap_or(0) + 1,
            seconds(next)
        ));
    }
    if let Some(error) = &status.last_error {
        row.push_str(&format!(", last error: {error}"));
    }
    if let Some(cwd) = &status.shell_cwd {
        row.push_str(&format!("; shell in {cwd}"));
    }
    for job in &status.jobs {
        row.push_str(&format!(
            "; job {} runs for {}: {}",
            job.job,
            seconds(job.running_for),
            job.command
        ));
    }
    visible_line(&row, ROW_MAX_CHARS)
}
