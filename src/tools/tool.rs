//! The interface between the catalogue and each tool.

use std::sync::Arc;

use rmcp::RoleServer;
use rmcp::model::{CallToolResult, JsonObject};
use rmcp::service::RequestContext;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::error::ToolError;
use crate::actors::SupervisorHandle;
use crate::policy::LocalPolicy;

/// Effects of a tool, as the client's user interface shows them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hints {
    pub(super) read_only: bool,
    pub(super) destructive: bool,
    pub(super) idempotent: bool,
}

/// A call of a tool, apart from its parameters.
pub(crate) struct Call {
    pub(crate) supervisor: SupervisorHandle,
    /// The local paths that a transfer may touch.
    pub(crate) local_policy: Arc<LocalPolicy>,
    pub(crate) context: RequestContext<RoleServer>,
}

/// A tool: its description for `tools/list`, and the function that serves its calls.
pub(super) trait Tool: 'static {
    /// Parameters of a call.
    type Parameters: DeserializeOwned + JsonSchema + Send + 'static;
    /// Name on the wire.
    const NAME: &'static str;
    /// Name for people.
    const TITLE: &'static str;
    /// Description for the model.
    const DESCRIPTION: &'static str;
    /// Effects of a call.
    const HINTS: Hints;

    /// Schema of the record in `structuredContent`, where no other tool lists the same record: the list of tools is a part
    /// of every conversation. Tools that return a command's output have none: clients hide the text of a result that has
    /// structured content.
    fn output_schema() -> Option<Arc<JsonObject>> {
        None
    }

    /// Serves a call.
    fn call(
        call: Call,
        parameters: Self::Parameters,
    ) -> impl Future<Output = Result<CallToolResult, ToolError>> + Send;
}
