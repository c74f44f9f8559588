//! The result of a tool, as a client sees it on the wire.

use serde_json::Value;

/// The result of one `tools/call`.
#[derive(Debug)]
pub(super) struct ToolResult(Value);

impl ToolResult {
    /// Wraps the `result` of the answer.
    pub(super) fn new(value: Value) -> Self {
        Self(value)
    }

    /// Whether the result is an error.
    pub(super) fn is_error(&self) -> bool {
        self.0["isError"] == true
    }

    /// The record of a record result.
    pub(super) fn record(&self) -> &Value {
        &self.0["structuredContent"]
    }

    /// A field of a command's record; null where the field does not apply.
    pub(super) fn field(&self, name: &str) -> &Value {
        &self.0["_meta"]["mcp-ssh-sessions/result"][name]
    }

    /// The code of an error; empty where there is none.
    pub(super) fn error_code(&self) -> &str {
        let error = &self.0["_meta"]["mcp-ssh-sessions/error"];
        error["code"].as_str().unwrap_or_default()
    }

    /// The texts of all blocks, in order.
    pub(super) fn blocks(&self) -> impl Iterator<Item = &str> {
        self.content().filter_map(|block| block["text"].as_str())
    }

    /// The texts of the blocks of a stream, joined, without the omitted parts.
    pub(super) fn stream(&self, name: &str) -> String {
        self.content()
            .filter(|block| block["_meta"]["mcp-ssh-sessions/stream"] == name)
            .filter_map(|block| block["text"].as_str())
            .collect()
    }

    fn content(&self) -> impl Iterator<Item = &Value> {
        self.0["content"].as_array().into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn streams_are_told_from_our_own_words() {
        let stream = |name: &str| json!({"mcp-ssh-sessions/stream": name});
        let result = ToolResult::new(json!({
            "content": [
                {"type": "text", "text": "exit 0 in 0.01 s"},
                {"type": "text", "text": "a", "_meta": stream("stdout")},
                {"type": "text", "text": "[left out]", "_meta": {"mcp-ssh-sessions/omitted": {}}},
                {"type": "text", "text": "z", "_meta": stream("stdout")},
                {"type": "text", "text": "e", "_meta": stream("stderr")},
            ],
            "_meta": {"mcp-ssh-sessions/result": {"exitCode": 0}},
        }));
        assert_eq!(result.stream("stdout"), "az");
        assert_eq!(result.stream("stderr"), "e");
        assert_eq!(result.blocks().count(), 5);
        assert_eq!(result.field("exitCode"), 0);
        assert!(result.field("signal").is_null() && result.record().is_null());
        assert!(!result.is_error() && result.error_code().is_empty());
    }
}
