//! Tools.

#![expect(
    deprecated,
    reason = "the suite asks for sampling and logging, which SEP-2577 will remove"
)]

use std::time::Duration;

use rmcp::model::{CallToolRequestParams, CallToolResponse, ErrorData};
use serde_json::{Value, json};

use crate::content::{PNG, WAV};
use crate::{Context, inputs, read, result};

/// Time between two notifications, as the suite requires.
const STEP: Duration = Duration::from_millis(50);
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// Tools without parameters.
const PLAIN: [&str; 23] = [
    "test_simple_text",
    "test_image_content",
    "test_audio_content",
    "test_embedded_resource",
    "test_multiple_content_types",
    "test_tool_with_logging",
    "test_error_handling",
    "test_tool_with_progress",
    "test_elicitation_sep1034_defaults",
    "test_elicitation_sep1330_enums",
    "test_missing_capability",
    "test_streaming_elicitation",
    "test_logging_tool",
    "test_input_required_result_elicitation",
    "test_input_required_result_sampling",
    "test_input_required_result_list_roots",
    "test_input_required_result_request_state",
    "test_input_required_result_tampered_state",
    "test_input_required_result_multiple_inputs",
    "test_input_required_result_multi_round",
    "test_input_required_result_capabilities",
    "test_reconnection",
    "test_nothing",
];

fn tool(name: &str, schema: Value) -> Value {
    json!({"name": name, "description": name, "inputSchema": schema})
}

pub(crate) fn list() -> Value {
    let required = |field: &str| json!({"type": "object", "properties": {field: {"type": "string"}}, "required": [field]});
    let mut tools: Vec<Value> = PLAIN
        .iter()
        .map(|name| tool(name, json!({"type": "object", "properties": {}})))
        .collect();
    tools.push(tool("test_sampling", required("prompt")));
    tools.push(tool("test_elicitation", required("message")));
    tools.push(tool(
        "test_x_mcp_header",
        json!({
            "type": "object",
            "properties": {"region": {"type": "string", "x-mcp-header": "Region"}},
        }),
    ));
    tools.push(json!({
        "name": "json_schema_2020_12_tool",
        "description": "Tool with JSON Schema 2020-12 features",
        "inputSchema": schema_2020_12(),
    }));
    json!({"tools": tools, "ttlMs": 60_000, "cacheScope": "public"})
}

/// A schema with every keyword that must survive the list unchanged.
fn schema_2020_12() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {"address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }},
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"},
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": false,
    })
}

fn complete(content: Value) -> Result<CallToolResponse, ErrorData> {
    Ok(CallToolResponse::Complete(result(
        json!({"content": content}),
    )?))
}

pub(crate) fn text(text: impl Into<String>) -> Result<CallToolResponse, ErrorData> {
    complete(json!([{"type": "text", "text": text.into()}]))
}

/// The metadata of a request.
pub(crate) fn meta(context: &Context) -> Value {
    serde_json::to_value(&context.meta).unwrap_or_default()
}

pub(crate) async fn call(
    request: CallToolRequestParams,
    context: &Context,
) -> Result<CallToolResponse, ErrorData> {
    if let Some(answer) = inputs::call(&request, context) {
        return answer;
    }
    let arguments = Value::from(request.arguments.unwrap_or_default());
    let image = json!({"type": "image", "data": PNG, "mimeType": "image/png"});
    match &*request.name {
        "test_simple_text" => text("This is a simple text response for testing."),
        "test_image_content" => complete(json!([image])),
        "test_audio_content" => {
            complete(json!([{"type": "audio", "data": WAV, "mimeType": "audio/wav"}]))
        }
        "test_embedded_resource" => complete(json!([embedded(
            "test://embedded-resource",
            "text/plain",
            "This is an embedded resource content."
        )])),
        "test_multiple_content_types" => complete(json!([
            {"type": "text", "text": "Multiple content types test:"},
            image,
            embedded("test://mixed-content-resource", "application/json", "{\"test\":\"data\",\"value\":123}"),
        ])),
        "test_error_handling" => Ok(CallToolResponse::Complete(result(json!({
            "isError": true,
            "content": [{"type": "text", "text": "This tool intentionally returns an error for testing"}],
        }))?)),
        "test_tool_with_logging" => with_logging(context).await,
        "test_tool_with_progress" => with_progress(context).await,
        "test_sampling" => sample(context, &arguments).await,
        "test_elicitation" => {
            let properties = json!({
                "username": {"type": "string", "description": "User's response"},
                "email": {"type": "string", "description": "User's email address"},
            });
            let message = arguments["message"].as_str().unwrap_or_default();
            elicit(context, message, properties, json!(["username", "email"])).await
        }
        "test_elicitation_sep1034_defaults" => {
            elicit(context, "Defaults", with_defaults(), json!([])).await
        }
        "test_elicitation_sep1330_enums" => elicit(context, "Enums", enums(), json!([])).await,
        "test_missing_capability" => missing_capability(context),
        "test_streaming_elicitation" => Ok(inputs::required(
            json!({"name": inputs::elicitation("What is your name?", "name", "string")}),
            None,
        )?
        .into()),
        "test_logging_tool" => {
            // Only for clients that requested log messages.
            if !meta(context)["io.modelcontextprotocol/logLevel"].is_null() {
                log(context, "logged").await;
            }
            text("done")
        }
        "test_reconnection" | "test_nothing" | "test_x_mcp_header" | "json_schema_2020_12_tool" => {
            text("done")
        }
        other => Err(ErrorData::invalid_params(format!("no tool {other}"), None)),
    }
}

fn embedded(uri: &str, mime: &str, text: &str) -> Value {
    json!({"type": "resource", "resource": {"uri": uri, "mimeType": mime, "text": text}})
}

async fn log(context: &Context, text: &str) {
    if let Ok(message) = read(json!({"level": "info", "data": text})) {
        // A client that has left misses the notification.
        let _ = context.peer.notify_logging_message(message).await;
    }
}

async fn with_logging(context: &Context) -> Result<CallToolResponse, ErrorData> {
    log(context, "Tool execution started").await;
    tokio::time::sleep(STEP).await;
    log(context, "Tool processing data").await;
    tokio::time::sleep(STEP).await;
    log(context, "Tool execution completed").await;
    text("done")
}

async fn with_progress(context: &Context) -> Result<CallToolResponse, ErrorData> {
    let token = meta(context)["progressToken"].clone();
    for progress in [0, 50, 100] {
        if !token.is_null() {
            let step = read(json!({"progressToken": token, "progress": progress, "total": 100}))?;
            // A client that has left misses the notification.
            let _ = context.peer.notify_progress(step).await;
        }
        tokio::time::sleep(STEP).await;
    }
    text("done")
}

async fn sample(context: &Context, arguments: &Value) -> Result<CallToolResponse, ErrorData> {
    let message = json!({"role": "user", "content": {"type": "text", "text": arguments["prompt"]}});
    let question = read(json!({"messages": [message], "maxTokens": 100}))?;
    let answer = context.peer.create_message(question).await;
    let answer = answer.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    let answer = serde_json::to_value(answer).unwrap_or_default();
    text(format!(
        "LLM response: {}",
        answer["content"]["text"].as_str().unwrap_or_default()
    ))
}

async fn elicit(
    context: &Context,
    message: &str,
    properties: Value,
    required: Value,
) -> Result<CallToolResponse, ErrorData> {
    let schema = json!({"type": "object", "properties": properties, "required": required});
    let question = read(json!({"mode": "form", "message": message, "requestedSchema": schema}))?;
    let answer = context.peer.create_elicitation(question).await;
    let answer = answer.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    let answer = serde_json::to_value(answer).unwrap_or_default();
    let (action, content) = (
        answer["action"].as_str().unwrap_or_default(),
        &answer["content"],
    );
    text(format!(
        "Elicitation completed: action={action}, content={content}"
    ))
}

fn with_defaults() -> Value {
    json!({
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": true},
    })
}

fn enums() -> Value {
    let titled = |words: [&str; 3]| {
        let values = ["value1", "value2", "value3"];
        let options = values.iter().zip(words);
        let options: Vec<Value> = options
            .map(|(value, title)| json!({"const": value, "title": title}))
            .collect();
        json!(options)
    };
    let options = json!(["option1", "option2", "option3"]);
    json!({
        "untitledSingle": {"type": "string", "enum": options},
        "titledSingle": {"type": "string", "oneOf": titled(["First Option", "Second Option", "Third Option"])},
        "legacyEnum": {"type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": ["Option One", "Option Two", "Option Three"]},
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": options}},
        "titledMulti": {"type": "array", "items": {"anyOf": titled(["First Choice", "Second Choice", "Third Choice"])}},
    })
}

fn missing_capability(context: &Context) -> Result<CallToolResponse, ErrorData> {
    if meta(context)[CAPABILITIES]["sampling"].is_null() {
        let required = read(json!({"sampling": {}}))?;
        return Err(ErrorData::missing_required_client_capability(required));
    }
    text("done")
}
