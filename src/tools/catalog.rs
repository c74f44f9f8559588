//! The catalogue of all tools: answers `tools/list`, and routes each call to its tool.

use std::sync::Arc;

use futures_core::future::BoxFuture;
use rmcp::model::{CallToolResult, JsonObject, MetaObject, ToolAnnotations};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::connect::Connect;
use super::disconnect::Disconnect;
use super::download::Download;
use super::error::ToolError;
use super::exec::Exec;
use super::input::Input;
use super::output::Output;
use super::reconnect::Reconnect;
use super::sessions::Sessions;
use super::set_default::SetDefault;
use super::shell::Shell;
use super::tool::{Call, Hints, Tool};
use super::upload::Upload;
use super::{args, schema};
use crate::metrics::{self, CallOutcome};

/// Key in `_meta` that asks clients with deferred tools to load a schema at once.
const ALWAYS_LOAD_META: &str = "anthropic/alwaysLoad";

type Serve = fn(Call, Arc<JsonObject>, JsonObject) -> BoxFuture<'static, CallToolResult>;

/// All tools of the product.
pub struct Catalog {
    tools: Vec<Entry>,
}

struct Entry {
    name: &'static str,
    definition: rmcp::model::Tool,
    properties: Arc<JsonObject>,
    serve: Serve,
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
                // Every task begins with these two.
                entry::<Connect>().always_loaded(),
                entry::<Exec>().always_loaded(),
                entry::<Shell>(),
                entry::<Output>(),
                entry::<Input>(),
                entry::<Upload>(),
                entry::<Download>(),
                entry::<Sessions>(),
                entry::<Reconnect>(),
                entry::<Disconnect>(),
                entry::<SetDefault>(),
            ],
        }
    }
}

impl Catalog {
    /// The answer to `tools/list`.
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

    /// Serves a call; `None` when there is no tool of that name.
    pub(crate) fn call(
        &self,
        name: &str,
        arguments: JsonObject,
        call: Call,
    ) -> Option<BoxFuture<'static, CallToolResult>> {
        let entry = self.tools.iter().find(|entry| entry.name == name)?;
        let properties = Arc::clone(&entry.properties);
        Some((entry.serve)(call, properties, arguments))
    }
}

impl Entry {
    /// Asks clients to load the schema at once.
    fn always_loaded(mut self) -> Self {
        let mut meta = MetaObject::new();
        meta.insert(ALWAYS_LOAD_META.to_owned(), true.into());
        self.definition.meta = Some(meta);
        self
    }
}

fn entry<T: Tool>() -> Entry {
    let schema = schema::input::<T::Parameters>();
    let properties = Arc::new(schema::properties(&schema));
    let mut definition = rmcp::model::Tool::new(T::NAME, T::DESCRIPTION, schema::shown(&schema))
        .with_title(T::TITLE)
        .with_annotations(annotations(T::HINTS));
    definition.output_schema = T::output_schema();
    Entry {
        name: T::NAME,
        definition,
        properties,
        serve: serve::<T>,
    }
}

/// The annotations of a tool without those that repeat a client's defaults (an open world, no idempotence): the size
/// of the list is limited.
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

/// Parses the arguments, calls the tool, turns an error into a result, and counts the call.
fn serve<T: Tool>(
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
}
