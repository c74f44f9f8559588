//! `ssh_disconnect`: ends a session.

use std::sync::Arc;

use rmcp::model::{CallToolResult, JsonObject};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::ToolError;
use super::record::{self, Notes, Record};
use super::tool::{Call, Hints, Tool};
use super::{parameters, schema};

/// The tool.
pub(super) struct Disconnect;

/// Parameters of `ssh_disconnect`.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Parameters {
    session: Option<String>,
    /// Also delete the saved configuration
    forget: Option<bool>,
}

/// A session that was ended.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct DisconnectRecord {
    session: String,
    forgotten: bool,
    ended_jobs: Vec<String>,
    unconfirmed: Vec<String>,
    #[serde(skip_serializing_if = "Notes::is_empty")]
    #[schemars(skip)]
    notes: Notes,
}

impl Record for DisconnectRecord {
    fn text(&self) -> String {
        let kept = if self.forgotten {
            "forgotten"
        } else {
            "disconnected; it stays saved"
        };
        let jobs = match self.ended_jobs.len() {
            0 => String::new(),
            _ if !self.unconfirmed.is_empty() => {
                format!("; told {} to end", self.ended_jobs.join(", "))
            }
            _ => format!("; ended {}", self.ended_jobs.join(", ")),
        };
        let unconfirmed = match self.unconfirmed.len() {
            0 => String::new(),
            _ => format!(
                "; the host has not confirmed the end of {}, which may still run there",
                self.unconfirmed.join(", ")
            ),
        };
        format!("session {}: {kept}{jobs}{unconfirmed}", self.session)
    }

    fn notes(&self) -> &Notes {
        &self.notes
    }
}

impl Tool for Disconnect {
    type Parameters = Parameters;
    const NAME: &'static str = "ssh_disconnect";
    const TITLE: &'static str = "Disconnect";
    const DESCRIPTION: &'static str = "End a session: kill its commands, close its connection. The session stays saved unless forget is true.";
    const HINTS: Hints = Hints {
        read_only: false,
        destructive: true,
        idempotent: true,
    };

    fn output_schema() -> Option<Arc<JsonObject>> {
        Some(schema::output::<DisconnectRecord>())
    }

    async fn call(call: Call, parameters: Parameters) -> Result<CallToolResult, ToolError> {
        let session = parameters::session(parameters.session)?;
        let report = call
            .supervisor
            .disconnect(session, parameters.forget.unwrap_or(false))
            .await?;
        record::result(&DisconnectRecord {
            session: report.session.to_string(),
            forgotten: report.forgotten,
            ended_jobs: report.ended_jobs,
            unconfirmed: report.unconfirmed,
            notes: Notes::new(&report.notes),
        })
    }
}
