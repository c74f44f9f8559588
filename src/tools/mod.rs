//! The tools: parameters, schemas, results. The only place that knows how they look on the wire.
//!
//! One file for each tool. A tool reads its parameters ([`args`]), asks the supervisor, and writes what it got:
//! a command as text blocks ([`command_result`]), everything else as a record ([`record`]). Expected failures
//! are results too ([`error`]), so that the agent reads them.

mod args;
mod command_result;
mod connect;
mod disconnect;
mod download;
mod error;
mod exec;
mod input;
mod output;
mod parameters;
mod progress;
mod reconnect;
mod record;
pub mod render;
mod schema;
mod sessions;
mod set_default;
mod shell;
mod transfer;
mod upload;
mod waiting;

use std::sync::Arc;

use futures_core::future::BoxFuture;
use rmcp::RoleServer;
use rmcp::model::{CallToolResult, JsonObject, MetaObject, ToolAnnotations};
use rmcp::service::RequestContext;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::error::ToolError;
use crate::actors::SupervisorHandle;
use crate::metrics::{self, CallOutcome};
use crate::policy::LocalPolicy;

/// What the client's model reads before it sees any tool (some clients show it nothing else at first).
pub const INSTRUCTIONS: &str = include_str!("instructions.md");

/// What a call may do to the world, for the client's user interface.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hints {
    pub(crate) read_only: bool,
    pub(crate) destructive: bool,
    pub(crate) idempotent: bool,
}

/// One call.
pub(crate) struct Call {
    pub(crate) supervisor: SupervisorHandle,
    /// The local paths that a transfer may touch.
    pub(crate) local_policy: Arc<LocalPolicy>,
    pub(crate) context: RequestContext<RoleServer>,
}

/// One tool.
pub(crate) trait Tool: 'static {
    /// Its parameters.
    type Parameters: DeserializeOwned + JsonSchema + Send + 'static;
    /// Name on the wire.
    const NAME: &'static str;
    /// Name for people.
    const TITLE: &'static str;
    /// What the model reads.
    const DESCRIPTION: &'static str;
    /// What it may do.
    const HINTS: Hints;

    /// Schema of its record; command results have none, because clients hide text beside structured content.
    fn output_schema() -> Option<Arc<JsonObject>> {
        None
    }

    /// Serves a call.
    fn call(
        call: Call,
        parameters: Self::Parameters,
    ) -> impl Future<Output = Result<CallToolResult, ToolError>> + Send;
}

type Run = fn(Call, Arc<JsonObject>, JsonObject) -> BoxFuture<'static, CallToolResult>;

/// All tools of the product.
pub struct Catalog {
    tools: Vec<Entry>,
}

struct Entry {
    name: &'static str,
    definition: rmcp::model::Tool,
    properties: Arc<JsonObject>,
    run: Run,
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Catalog")
            .field("tools", &self.tools.len())
            .finish()
    }
}

impl Default for Catalog {
    fn default() -> Self {
        Self {
            tools: vec![
                entry::<connect::Connect>(),
                entry::<exec::Exec>(),
                entry::<shell::Shell>(),
                entry::<output::Output>(),
                entry::<input::Input>(),
                entry::<upload::Upload>(),
                entry::<download::Download>(),
                entry::<sessions::Sessions>(),
                entry::<reconnect::Reconnect>(),
                entry::<disconnect::Disconnect>(),
                entry::<set_default::SetDefault>(),
            ],
        }
    }
}

impl Catalog {
    /// What `tools/list` answers.
    pub fn definitions(&self) -> Vec<rmcp::model::Tool> {
        self.tools
            .iter()
            .map(|entry| entry.definition.clone())
            .collect()
    }

    /// The names of all tools.
    pub fn names(&self) -> Vec<&'static str> {
        self.tools.iter().map(|entry| entry.name).collect()
    }

    /// Serves a call, or says that there is no such tool.
    pub(crate) fn call(
        &self,
        name: &str,
        arguments: JsonObject,
        call: Call,
    ) -> Option<BoxFuture<'static, CallToolResult>> {
        let entry = self
            .tools
            .iter()
            .find(|entry| entry.definition.name == name)?;
        Some((entry.run)(call, Arc::clone(&entry.properties), arguments))
    }
}

fn entry<T: Tool>() -> Entry {
    let schema = schema::input::<T::Parameters>();
    let properties = Arc::new(schema::properties(&schema));
    let mut definition = rmcp::model::Tool::new(T::NAME, T::DESCRIPTION, schema::shown(&schema))
        .with_title(T::TITLE)
        .with_annotations(annotations(T::HINTS));
    definition.output_schema = T::output_schema();
    if T::NAME == exec::Exec::NAME || T::NAME == connect::Connect::NAME {
        // The two that every task begins with: their schemas are worth loading at once.
        let mut meta = MetaObject::new();
        meta.insert("anthropic/alwaysLoad".to_owned(), true.into());
        definition.meta = Some(meta);
    }
    Entry {
        name: T::NAME,
        definition,
        properties,
        run: run::<T>,
    }
}

/// What a client would assume anyway (an open world, another effect each time) is left out: the
/// list has a limit.
fn annotations(hints: Hints) -> ToolAnnotations {
    if hints.read_only {
        return ToolAnnotations::new().read_only(true);
    }
    let mut annotations = ToolAnnotations::new()
        .read_only(false)
        .destructive(hints.destructive);
    annotations.idempotent_hint = hints.idempotent.then_some(true);
    annotations
}

fn run<T: Tool>(
    call: Call,
    properties: Arc<JsonObject>,
    arguments: JsonObject,
) -> BoxFuture<'static, CallToolResult> {
    Box::pin(async move {
        let (begun, cancelled) = (Instant::now(), call.context.ct.clone());
        let result = match args::parse::<T::Parameters>(T::NAME, &properties, arguments) {
            Ok(parameters) => T::call(call, parameters).await,
            Err(error) => Err(error),
        };
        let result = result.unwrap_or_else(ToolError::into_result);
        metrics::tool_call_ended(T::NAME, outcome(&result, &cancelled), begun.elapsed());
        result
    })
}

fn outcome(result: &CallToolResult, cancelled: &CancellationToken) -> CallOutcome {
    if cancelled.is_cancelled() {
        CallOutcome::Cancelled
    } else if result.is_error == Some(true) {
        CallOutcome::Error
    } else {
        CallOutcome::Ok
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;

    #[test]
    fn the_list_is_small_and_complete() {
        let definitions = Catalog::default().definitions();
        let bytes = serde_json::to_string(&definitions).unwrap().len();
        assert!(bytes < limits::TOOLS_LIST_MAX_BYTES, "{bytes} bytes");
        for tool in &definitions {
            assert!(
                tool.title.is_some() && tool.annotations.is_some(),
                "{}",
                tool.name
            );
            let schema = serde_json::to_value(&*tool.input_schema).unwrap();
            assert_eq!(schema["type"], "object", "{}", tool.name);
            for (name, property) in schema["properties"].as_object().unwrap() {
                assert!(
                    property["type"].is_string(),
                    "{} {name}: {property}",
                    tool.name
                );
            }
        }
    }

    #[test]
    fn the_instructions_are_short() {
        assert!(
            INSTRUCTIONS.len() < limits::INSTRUCTIONS_MAX_BYTES,
            "{}",
            INSTRUCTIONS.len()
        );
    }
}
