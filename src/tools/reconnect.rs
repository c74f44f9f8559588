//! `ssh_reconnect`

use std::sync::Arc;

use rmcp::model::{CallToolResult, JsonObject};
use schemars::JsonSchema;
use serde::Deserialize;

use super::error::ToolError;
use super::{Call, Hints, Tool, parameters, record, schema};

/// The tool.
pub(super) struct Reconnect;

/// Its parameters.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Parameters {
    /// If not the default session
    session: Option<String>,
}

impl Tool for Reconnect {
    type Parameters = Parameters;
    const NAME: &'static str = "ssh_reconnect";
    const TITLE: &'static str = "Reconnect";
    const DESCRIPTION: &'static str = "Drop a session's connection and dial anew. Rarely needed: calls reconnect by themselves. Ends what runs in the session.";
    const HINTS: Hints = Hints {
        read_only: false,
        destructive: true,
        idempotent: false,
    };

    fn output_schema() -> Option<Arc<JsonObject>> {
        Some(schema::output_as("ssh_connect"))
    }

    async fn call(call: Call, parameters: Parameters) -> Result<CallToolResult, ToolError> {
        let session = parameters::session(parameters.session)?;
        record::connected(call.supervisor.reconnect(session).await?)
    }
}
