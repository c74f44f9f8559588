//! `ssh_set_default`

use std::sync::Arc;

use rmcp::model::{CallToolResult, JsonObject};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::ToolError;
use super::{Call, Hints, Tool, parameters, record, schema};

/// The tool.
pub(super) struct SetDefault;

/// Its parameters.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Parameters {
    session: String,
}

/// What it answers.
#[derive(Debug, Serialize, JsonSchema)]
struct Record {
    session: String,
}

impl Tool for SetDefault {
    type Parameters = Parameters;
    const NAME: &'static str = "ssh_set_default";
    const TITLE: &'static str = "Set the default session";
    const DESCRIPTION: &'static str = "Choose the session that calls without `session` go to.";
    const HINTS: Hints = Hints {
        read_only: false,
        destructive: false,
        idempotent: true,
    };

    fn output_schema() -> Option<Arc<JsonObject>> {
        Some(schema::output::<Record>())
    }

    async fn call(call: Call, parameters: Parameters) -> Result<CallToolResult, ToolError> {
        let name = parameters::session_name("session", &parameters.session)?;
        let note = call.supervisor.set_default(name.clone()).await?;
        let notes: Vec<_> = note
            .map(|note| format!("not saved: {note}"))
            .into_iter()
            .collect();
        let record = Record {
            session: name.to_string(),
        };
        record::result(
            &record,
            format!("session {name} is the default now"),
            &notes,
        )
    }
}
