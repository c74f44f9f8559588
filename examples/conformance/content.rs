//! Prompts and resources.

use rmcp::model::{ErrorData, GetPromptRequestParams, GetPromptResponse, ReadResourceResponse};
use serde_json::{Value, json};

use crate::inputs;
use crate::result;

/// A PNG of one red pixel.
pub(crate) const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC";
/// A WAV file without samples.
pub(crate) const WAV: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";

/// Time for which a client may cache a list.
const TTL: (&str, u64) = ("ttlMs", 60_000);

/// A result that a client may cache.
fn cacheable(mut result: Value) -> Value {
    result[TTL.0] = TTL.1.into();
    result["cacheScope"] = "public".into();
    result
}

pub(crate) fn prompts() -> Value {
    let argument = |name: &str| json!({"name": name, "description": name, "required": true});
    cacheable(json!({"prompts": [
        {"name": "test_simple_prompt", "description": "No arguments"},
        {"name": "test_prompt_with_arguments", "description": "Two arguments", "arguments": [argument("arg1"), argument("arg2")]},
        {"name": "test_prompt_with_embedded_resource", "description": "A resource", "arguments": [argument("resourceUri")]},
        {"name": "test_prompt_with_image", "description": "An image"},
        {"name": "test_input_required_result_prompt", "description": "Asks first"},
    ]}))
}

fn user(content: Value) -> Value {
    json!({"role": "user", "content": content})
}

fn said(text: impl Into<String>) -> Value {
    user(json!({"type": "text", "text": text.into()}))
}

pub(crate) fn prompt(request: GetPromptRequestParams) -> Result<GetPromptResponse, ErrorData> {
    let arguments = serde_json::to_value(&request.arguments).unwrap_or_default();
    let argument = |name: &str| arguments[name].as_str().unwrap_or_default().to_owned();
    let messages = match request.name.as_str() {
        "test_simple_prompt" => vec![said("This is a simple prompt for testing.")],
        "test_prompt_with_arguments" => vec![said(format!(
            "Prompt with arguments: arg1='{}', arg2='{}'",
            argument("arg1"),
            argument("arg2")
        ))],
        "test_prompt_with_embedded_resource" => vec![
            user(json!({"type": "resource", "resource": {
                "uri": argument("resourceUri"),
                "mimeType": "text/plain",
                "text": "Embedded resource content for testing.",
            }})),
            said("Please process the embedded resource above."),
        ],
        "test_prompt_with_image" => vec![
            user(json!({"type": "image", "data": PNG, "mimeType": "image/png"})),
            said("Please analyze the image above."),
        ],
        "test_input_required_result_prompt" => {
            let responses = request.input_responses.unwrap_or_default();
            let Some(context) = responses.get("user_context") else {
                return Ok(inputs::required(
                    json!({"user_context": inputs::elicitation(
                    "What context should the prompt use?", "context", "string")}),
                    None,
                )?
                .into());
            };
            vec![said(format!("Context: {}", context["content"]["context"]))]
        }
        other => {
            return Err(ErrorData::invalid_params(
                format!("no prompt {other}"),
                None,
            ));
        }
    };
    Ok(GetPromptResponse::Complete(result(
        json!({"messages": messages}),
    )?))
}

pub(crate) fn resources() -> Value {
    let resource = |uri: &str, mime: &str| json!({"uri": uri, "name": uri, "description": uri, "mimeType": mime});
    cacheable(json!({"resources": [
        resource("test://static-text", "text/plain"),
        resource("test://static-binary", "image/png"),
        resource("test://watched-resource", "text/plain"),
    ]}))
}

pub(crate) fn templates() -> Value {
    cacheable(json!({"resourceTemplates": [{
        "uriTemplate": "test://template/{id}/data",
        "name": "template",
        "description": "Data by id",
        "mimeType": "application/json",
    }]}))
}

pub(crate) fn resource(uri: &str) -> Result<ReadResourceResponse, ErrorData> {
    let id = uri
        .strip_prefix("test://template/")
        .and_then(|rest| rest.strip_suffix("/data"));
    let mut content = match (uri, id) {
        ("test://static-text", _) => {
            json!({"mimeType": "text/plain", "text": "This is the content of the static text resource."})
        }
        ("test://static-binary", _) => json!({"mimeType": "image/png", "blob": PNG}),
        ("test://watched-resource", _) => json!({"mimeType": "text/plain", "text": "watched"}),
        (_, Some(id)) => {
            let data =
                json!({"id": id, "templateTest": true, "data": format!("Data for ID: {id}")});
            json!({"mimeType": "application/json", "text": data.to_string()})
        }
        _ => {
            let data = json!({"uri": uri});
            return Err(ErrorData::invalid_params("Resource not found", Some(data)));
        }
    };
    content["uri"] = uri.into();
    let whole = cacheable(json!({"contents": [content]}));
    Ok(ReadResourceResponse::Complete(result(whole)?))
}
