//! `ssh_reconnect`: drops a connection and dials again.

use rmcp::model::CallToolResult;
use schemars::JsonSchema;
use serde::Deserialize;

use super::connect_record::ConnectRecord;
use super::error::ToolError;
use super::tool::{Call, Hints, Tool};
use super::{parameters, progress, record};

/// The tool.
pub(super) struct Reconnect;

/// Parameters of `ssh_reconnect`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Parameters {
    session: Option<String>,
    /// Keep trying until the host is up; at most 50000
    retry_for_ms: Option<u64>,
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
        let retry = parameters::retry(parameters.retry_for_ms)?;
        let cancelled = call.context.ct.clone();
        let _reports = progress::report_tries(&call.context, retry.failures.clone());
        let report = tokio::select! {
            report = call.supervisor.reconnect_within(session, retry) => report?,
            // The client gets no answer; a dial that is under way ends by itself.
            () = cancelled.cancelled() => return Err(ToolError::cancelled()),
        };
        let mut record = ConnectRecord::from(report);
        record.ended_jobs.get_or_insert_default();
        record::result(&record)
    }
}
