//! Tools that need input from the client (SEP-2322): the first result asks, and the client repeats the call with
//! its answer.

use hmac::{Hmac, Mac};
use rmcp::model::{CallToolRequestParams, CallToolResponse, ErrorData, InputRequiredResult};
use serde_json::{Value, json};
use sha1::Sha1;

use crate::tools::text;
use crate::{Context, read};

/// Signs the state that clients carry. A fixture, not a secret.
const KEY: &[u8] = b"conformance fixture";

const NAME: &str = "What is your name?";

/// A request for one field of a form.
pub(crate) fn elicitation(message: &str, field: &str, kind: &str) -> Value {
    json!({"method": "elicitation/create", "params": {
        "message": message,
        "requestedSchema": {
            "type": "object",
            "properties": {field: {"type": kind}},
            "required": [field],
        },
    }})
}

fn sampling(prompt: &str) -> Value {
    json!({"method": "sampling/createMessage", "params": {
        "messages": [{"role": "user", "content": {"type": "text", "text": prompt}}],
        "maxTokens": 100,
    }})
}

fn roots() -> Value {
    json!({"method": "roots/list", "params": {}})
}

/// The intermediate result.
pub(crate) fn required(
    requests: Value,
    state: Option<String>,
) -> Result<InputRequiredResult, ErrorData> {
    Ok(InputRequiredResult::new(Some(read(requests)?), state))
}

fn ask(requests: Value, state: Option<&str>) -> Result<CallToolResponse, ErrorData> {
    Ok(required(requests, state.map(signed))?.into())
}

/// A state with a signature, so that a forged state is detected.
fn signed(state: &str) -> String {
    let mut mac =
        Hmac::<Sha1>::new_from_slice(KEY).unwrap_or_else(|_| unreachable!("any length will do"));
    mac.update(state.as_bytes());
    let signature: String = mac
        .finalize()
        .into_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{state}.{signature}")
}

fn verified(request: &CallToolRequestParams, expected: &str) -> Result<(), ErrorData> {
    match &request.request_state {
        Some(state) if *state == signed(expected) => Ok(()),
        _ => Err(ErrorData::invalid_params(
            "requestState was tampered with",
            None,
        )),
    }
}

/// Serves these tools; `None` for any other tool.
pub(crate) fn call(
    request: &CallToolRequestParams,
    context: &Context,
) -> Option<Result<CallToolResponse, ErrorData>> {
    let tool = request.name.strip_prefix("test_input_required_result_")?;
    let responses = request.input_responses.clone().unwrap_or_default();
    // An answer of another form counts as missing.
    let content = |key: &str, field: &str| -> Option<Value> {
        let value = responses.get(key)?.get("content")?.get(field)?;
        (!value.is_null()).then(|| value.clone())
    };
    let has_state = request.request_state.is_some();
    Some(match tool {
        "elicitation" => match content("user_name", "name")
            .as_ref()
            .and_then(Value::as_str)
        {
            Some(name) => text(format!("Hello, {name}!")),
            None => ask(
                json!({"user_name": elicitation(NAME, "name", "string")}),
                None,
            ),
        },
        "sampling" => match responses.get("capital_question") {
            Some(answer) => text(answer["content"]["text"].as_str().unwrap_or_default()),
            None => ask(
                json!({"capital_question": sampling("What is the capital of France?")}),
                None,
            ),
        },
        "list_roots" => match responses.get("client_roots") {
            Some(answer) => text(format!("Roots: {}", answer["roots"])),
            None => ask(json!({"client_roots": roots()}), None),
        },
        "request_state" | "tampered_state" if has_state => {
            verified(request, "confirm").and_then(|()| text("state-ok"))
        }
        "request_state" | "tampered_state" => {
            let requests = json!({"confirm": elicitation("Please confirm", "ok", "boolean")});
            ask(requests, Some("confirm"))
        }
        "multiple_inputs" if responses.len() >= 3 => {
            verified(request, "all").and_then(|()| text("all inputs are here"))
        }
        "multiple_inputs" => ask(
            json!({
                "user_name": elicitation(NAME, "name", "string"),
                "greeting": sampling("Generate a greeting"),
                "client_roots": roots(),
            }),
            Some("all"),
        ),
        "multi_round" if responses.contains_key("step2") => {
            verified(request, "round-2").and_then(|()| text("both rounds are over"))
        }
        "multi_round" if responses.contains_key("step1") => {
            let requests = json!({"step2": elicitation("Step 2: What is your favorite color?", "color", "string")});
            verified(request, "round-1").and_then(|()| ask(requests, Some("round-2")))
        }
        "multi_round" => {
            let requests =
                json!({"step1": elicitation("Step 1: What is your name?", "name", "string")});
            ask(requests, Some("round-1"))
        }
        "capabilities" => capabilities(context),
        _ => return None,
    })
}

/// Requests only input of kinds that the client supports.
fn capabilities(context: &Context) -> Result<CallToolResponse, ErrorData> {
    let declared = crate::tools::meta(context);
    let declared = &declared["io.modelcontextprotocol/clientCapabilities"];
    let mut requests = json!({});
    if !declared["sampling"].is_null() {
        requests["question"] = sampling("Anything");
    }
    if !declared["elicitation"].is_null() {
        requests["name"] = elicitation(NAME, "name", "string");
    }
    if !declared["roots"].is_null() {
        requests["roots"] = roots();
    }
    ask(requests, None)
}
