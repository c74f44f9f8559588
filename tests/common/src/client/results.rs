//! Contents of requests and results.

use serde_json::{Value, json};

use super::MODERN_VERSION;

/// The parameters of a request of the protocol version without a handshake.
pub fn modern(mut parameters: Value) -> Value {
    parameters["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN_VERSION,
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    parameters
}

/// The text of a result, its blocks joined.
pub fn text(result: &Value) -> String {
    let blocks = result["content"].as_array().expect("content");
    let texts = blocks.iter().filter_map(|block| block["text"].as_str());
    texts.collect::<Vec<_>>().join("\n")
}

/// The blocks of one stream of a command result, joined.
pub fn stream(result: &Value, name: &str) -> String {
    let blocks = result["content"].as_array().expect("content");
    let of_stream = blocks
        .iter()
        .filter(|block| block["_meta"]["mcp-ssh-sessions/stream"] == name);
    of_stream
        .filter_map(|block| block["text"].as_str())
        .collect()
}

/// The code of a tool's error.
pub fn error_code(result: &Value) -> &str {
    assert_eq!(result["isError"], json!(true), "{result}");
    result["_meta"]["mcp-ssh-sessions/error"]["code"]
        .as_str()
        .unwrap_or_else(|| panic!("no code: {result}"))
}

/// The text blocks of a result with the stream that each belongs to.
pub fn blocks(result: &Value) -> Vec<(String, String)> {
    let content = result["content"].as_array().expect("content");
    let block = |block: &Value| {
        let stream = block["_meta"]["mcp-ssh-sessions/stream"]
            .as_str()
            .unwrap_or_default();
        (
            stream.to_owned(),
            block["text"].as_str().expect("text").to_owned(),
        )
    };
    content.iter().map(block).collect()
}
