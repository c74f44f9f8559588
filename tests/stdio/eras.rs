//! Both eras of the protocol: with a handshake, and with everything in each request.

use serde_json::{Value, json};

use mcp_ssh_sessions::limits::{INSTRUCTIONS_MAX_BYTES, TOOLS_LIST_MAX_BYTES};
use testkit::client::{Client, LEGACY_VERSION, MODERN_VERSION, error_code, modern, text};

/// JSON-RPC codes of MCP.
const INVALID_PARAMS: i64 = -32602;
const METHOD_NOT_FOUND: i64 = -32601;

/// The names that the schema of a property may have for its type.
const TYPES: [&str; 6] = ["string", "integer", "number", "boolean", "object", "array"];

fn verify_instructions(result: &Value) {
    let instructions = result["instructions"].as_str().expect("instructions");
    assert!(instructions.contains("ssh_connect"), "{instructions}");
    assert!(instructions.len() < INSTRUCTIONS_MAX_BYTES);
}

/// The list on the wire, as the whole answer.
fn verify_tools(answer: &Value) {
    let bytes = answer.to_string().len();
    assert!(bytes < TOOLS_LIST_MAX_BYTES, "{bytes} bytes");
    let tools = answer["result"]["tools"].as_array().expect("tools");
    assert!(tools.iter().any(|tool| tool["name"] == "ssh_exec"));
    for tool in tools {
        let name = tool["name"].as_str().expect("a name");
        assert!(tool["title"].is_string(), "{name}");
        assert!(tool["description"].is_string(), "{name}");
        assert!(tool["annotations"]["readOnlyHint"].is_boolean(), "{name}");
        verify_schema(name, &tool["inputSchema"]);
        if !tool["outputSchema"].is_null() {
            verify_schema(name, &tool["outputSchema"]);
        }
    }
}

/// Each property has one type, in the whole of a schema.
fn verify_schema(place: &str, schema: &Value) {
    let kind = schema["type"].as_str();
    assert!(
        kind.is_some_and(|kind| TYPES.contains(&kind)),
        "{place}: {schema}"
    );
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        verify_schema(&format!("{place}.{name}"), property);
    }
    for inner in ["items", "additionalProperties"] {
        if schema[inner].is_object() {
            verify_schema(&format!("{place}.{inner}"), &schema[inner]);
        }
    }
}

#[tokio::test]
async fn a_handshake_names_the_server_and_carries_the_instructions() {
    let mut client = Client::builder().start();
    let result = client.initialize().await;
    assert_eq!(result["protocolVersion"], LEGACY_VERSION);
    assert_eq!(result["serverInfo"]["name"], "mcp-ssh-sessions");
    assert_eq!(result["serverInfo"]["version"], env!("CARGO_PKG_VERSION"));
    assert!(result["capabilities"]["tools"].is_object());
    verify_instructions(&result);
    verify_tools(&client.request("tools/list", json!({})).await);
    let result = client.succeed("ssh_sessions", json!({})).await;
    assert_eq!(result["structuredContent"]["sessions"], json!([]));
    assert!(client.finish().await.status.success());
}

#[tokio::test]
async fn every_version_with_a_handshake_is_spoken() {
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let mut client = Client::builder().start();
        let parameters = json!({
            "protocolVersion": version,
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        });
        let answer = client.request("initialize", parameters).await;
        assert_eq!(answer["result"]["protocolVersion"], version);
        // The `initialized` notification may be late or missing.
        assert!(client.request("tools/list", json!({})).await["result"].is_object());
    }
}

#[tokio::test]
async fn an_unknown_version_is_answered_with_a_known_one() {
    for version in ["1999-01-01", "2099-01-01", MODERN_VERSION] {
        let mut client = Client::builder().start();
        let parameters = json!({
            "protocolVersion": version,
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        });
        let answer = client.request("initialize", parameters).await;
        let spoken = answer["result"]["protocolVersion"]
            .as_str()
            .expect("a version");
        assert!(spoken.starts_with("2025-"), "{version}: {spoken}");
    }
}

#[tokio::test]
async fn the_modern_era_has_no_handshake() {
    let mut client = Client::builder().start();
    let answer = client.request("server/discover", modern(json!({}))).await;
    let versions = answer["result"]["supportedVersions"].as_array().unwrap();
    for version in [LEGACY_VERSION, MODERN_VERSION] {
        assert!(versions.contains(&json!(version)), "{answer}");
    }
    verify_instructions(&answer["result"]);
    verify_tools(&client.request("tools/list", modern(json!({}))).await);
    let call = modern(json!({"name": "ssh_sessions", "arguments": {}}));
    let answer = client.request("tools/call", call).await;
    assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
    assert_eq!(answer["result"]["structuredContent"]["sessions"], json!([]));
    assert!(client.finish().await.status.success());
}

#[tokio::test]
async fn a_modern_call_may_come_first() {
    let mut client = Client::builder().start();
    let call = modern(json!({"name": "ssh_exec", "arguments": {"command": "true"}}));
    let answer = client.request("tools/call", call).await;
    assert_eq!(error_code(&answer["result"]), "noDefaultSession");
    let call = modern(json!({"name": "ssh_exec", "arguments": {"cmd": "true"}}));
    let answer = client.request("tools/call", call).await;
    assert!(text(&answer["result"]).contains("command"), "{answer}");
}

#[tokio::test]
async fn a_probe_may_be_followed_by_a_handshake() {
    let mut client = Client::builder().start();
    client.request("server/discover", modern(json!({}))).await;
    let result = client.initialize().await;
    assert_eq!(result["protocolVersion"], LEGACY_VERSION);
    client.succeed("ssh_sessions", json!({})).await;
}

#[tokio::test]
async fn a_modern_request_without_its_version_is_refused_by_name() {
    let mut client = Client::builder().start();
    client.request("server/discover", modern(json!({}))).await;
    client.request("tools/list", modern(json!({}))).await;
    let call = json!({"name": "ssh_sessions", "arguments": {}});
    let answer = client.request("tools/call", call).await;
    assert_eq!(answer["error"]["code"], INVALID_PARAMS, "{answer}");
    let words = answer["error"]["message"].as_str().unwrap();
    assert!(words.contains("protocolVersion"), "{answer}");
}

#[tokio::test]
async fn an_unsupported_version_in_a_request_is_refused_with_those_that_are() {
    let mut client = Client::builder().start();
    let mut parameters = modern(json!({}));
    parameters["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2099-01-01");
    let answer = client.request("tools/list", parameters).await;
    assert!(
        answer["error"].to_string().contains(MODERN_VERSION),
        "{answer}"
    );
    let answer = client.request("tools/list", modern(json!({}))).await;
    assert!(answer["result"]["tools"].is_array(), "{answer}");
}

#[tokio::test]
async fn methods_that_nobody_offers_are_refused_by_name() {
    let mut client = Client::builder().start();
    client.initialize().await;
    for method in ["nobody/knows", "tools/cal", "resources/nothing"] {
        let answer = client.request(method, json!({})).await;
        assert_eq!(answer["error"]["code"], METHOD_NOT_FOUND, "{answer}");
        assert!(answer["error"]["message"].to_string().contains(method));
    }
    client.succeed("ssh_sessions", json!({})).await;
}
