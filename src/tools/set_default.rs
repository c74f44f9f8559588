//! `ssh_set_default`: chooses the default session.

use std::sync::Arc;

use rmcp::model::{CallToolResult, JsonObject};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::ToolError;
use super::record::{self, Notes, Record};
use super::tool::{Call, Hints, Tool};
use super::{parameters, schema};

/// The tool.
pub(super) struct SetDefault;

/// Parameters of `ssh_set_default`.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Parameters {
    session: String,
}

/// The default session.
#[derive(Debug, Serialize, JsonSchema)]
struct DefaultRecord {
    session: String,
    #[serde(skip_serializing_if = "Notes::is_empty")]
    #[schemars(skip)]
    notes: Notes,
}

impl Record for DefaultRecord {
    fn text(&self) -> String {
        format!("session {} is the default now", self.session)
    }

    fn notes(&self) -> &Notes {
        &self.notes
    }
}

impl Tool for SetDefault {
    type Parameters = Parameters;
    const NAME: &'static str = "ssh_set_default";
    const TITLE: &'static str = "Set the default session";
    const DESCRIPTION: &'static str = "Choose the session that your calls without `session` go to.";
    const HINTS: Hints = Hints {
        read_only: false,
        destructive: false,
        idempotent: true,
    };

    fn output_schema() -> Option<Arc<JsonObject>> {
        Some(schema::output::<DefaultRecord>())
    }

    async fn call(call: Call, parameters: Parameters) -> Result<CallToolResult, ToolError> {
        let name = parameters::session_name("session", &parameters.session)?;
        let note = call.supervisor.set_default(name.clone()).await?;
        let notes: Vec<_> = note
            .map(|note| format!("not saved: {note}"))
            .into_iter()
            .collect();
        record::result(&DefaultRecord {
            session: name.to_string(),
            notes: Notes::new(&notes),
        })
    }
}
