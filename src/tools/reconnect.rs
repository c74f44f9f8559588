//! `ssh_reconnect`: drops a connection and dials again.

use rmcp::model::CallToolResult;
use schemars::JsonSchema;
use serde::Deserialize;

use super::connect_record::ConnectRecord;
use super::error::ToolError;
use super::tool::{Call, Hints, Tool};
use super::{parameters, record};

/// The tool.
pub(super) struct Reconnect;

/// Parameters of `ssh_reconnect`.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Parameters {
    session: Option<String>,
}

impl Tool for Reconnect {
    type Parameters = Parameters;
    const NAME: &'static str = "ssh_reconnect";
    const TITLE: &'static str = "Reconnect";
    const DESCRIPTION: &'static str = "Drop a connection and dial again; ends the session's running commands. Rarely needed: calls reconnect by themselves.";
    const HINTS: Hints = Hints {
        read_only: false,
        destructive: true,
        idempotent: false,
    };

    async fn call(call: Call, parameters: Parameters) -> Result<CallToolResult, ToolError> {
        let session = parameters::session(parameters.session)?;
        let report = call.supervisor.reconnect(session).await?;
        let mut record = ConnectRecord::from(report);
        record.ended_jobs.get_or_insert_default();
        record::result(&record)
    }
}
