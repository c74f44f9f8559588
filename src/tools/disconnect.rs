//! `ssh_disconnect`

use std::sync::Arc;

use rmcp::model::{CallToolResult, JsonObject};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::ToolError;
use super::{Call, Hints, Tool, parameters, record, schema};

/// The tool.
pub(super) struct Disconnect;

/// Its parameters.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Parameters {
    session: Option<String>,
    /// Also delete the saved configuration
    forget: Option<bool>,
}

/// What it answers.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Record {
    session: String,
    forgotten: bool,
    ended_jobs: Vec<String>,
}

impl Tool for Disconnect {
    type Parameters = Parameters;
    const NAME: &'static str = "ssh_disconnect";
    const TITLE: &'static str = "Disconnect";
    const DESCRIPTION: &'static str = "End a session: kill its commands, close its connection. It stays saved unless forget is true.";
    const HINTS: Hints = Hints {
        read_only: false,
        destructive: true,
        idempotent: true,
    };

    fn output_schema() -> Option<Arc<JsonObject>> {
        Some(schema::output::<Record>())
    }

    async fn call(call: Call, parameters: Parameters) -> Result<CallToolResult, ToolError> {
        let session = parameters::session(parameters.session)?;
        let report = call
            .supervisor
            .disconnect(session, parameters.forget.unwrap_or(false))
            .await?;
        let record = Record {
            session: report.session.to_string(),
            forgotten: report.forgotten,
            ended_jobs: report.ended_jobs,
        };
        let kept = if record.forgotten {
            "forgotten"
        } else {
            "disconnected; it stays saved"
        };
        let jobs = match record.ended_jobs.len() {
            0 => String::new(),
            _ => format!("; ended {}", record.ended_jobs.join(", ")),
        };
        let text = format!("session {}: {kept}{jobs}", record.session);
        record::result(&record, text, &report.notes)
    }
}
