//! The result of a tool call.

use serde_json::Value;

const RESULT_META: &str = "mcp-ssh-sessions/result";
const ERROR_META: &str = "mcp-ssh-sessions/error";
const STREAM_META: &str = "mcp-ssh-sessions/stream";
const OMITTED_META: &str = "mcp-ssh-sessions/omitted";

/// The result of a tool call.
#[derive(Debug)]
pub struct Answer {
    /// The result as the server sent the JSON.
    pub result: Value,
}

impl Answer {
    /// The blocks of the result.
    pub fn blocks(&self) -> &[Value] {
        self.result["content"].as_array().expect("content")
    }

    /// The first block: ours.
    pub fn status(&self) -> &str {
        self.blocks()[0]["text"].as_str().expect("text")
    }

    /// Everything that the host said, in order.
    pub fn text(&self) -> String {
        self.streams().into_iter().map(|(_, text)| text).collect()
    }

    /// Output of the host, with the stream of each block.
    pub fn streams(&self) -> Vec<(String, String)> {
        let text = |block: &Value| {
            let stream = block["_meta"][STREAM_META].as_str()?;
            Some((stream.to_owned(), block["text"].as_str()?.to_owned()))
        };
        self.blocks().iter().filter_map(text).collect()
    }

    /// Gaps in the output, each with its text.
    pub fn omitted(&self) -> Vec<(Value, String)> {
        let gap = |block: &Value| {
            let meta = &block["_meta"][OMITTED_META];
            let text = block["text"].as_str().expect("text").to_owned();
            meta.is_object().then(|| (meta.clone(), text))
        };
        self.blocks().iter().filter_map(gap).collect()
    }

    /// A field of the result for programs; null if absent.
    pub fn meta(&self, field: &str) -> &Value {
        &self.result["_meta"][RESULT_META][field]
    }

    /// The same as a number.
    pub fn number(&self, field: &str) -> u64 {
        let value = self.meta(field).as_u64();
        value.unwrap_or_else(|| panic!("no {field}: {}", self.result["_meta"]))
    }

    /// Whether the result is an error.
    pub fn is_error(&self) -> bool {
        self.result["isError"] == true
    }

    /// The code of an error; empty without one.
    pub fn code(&self) -> &str {
        let meta = &self.result["_meta"][ERROR_META];
        meta["code"].as_str().unwrap_or_default()
    }

    /// A field of a record.
    pub fn field(&self, name: &str) -> &Value {
        &self.result["structuredContent"][name]
    }

    /// Asserts an error of this code whose text holds all of these words.
    pub fn assert_error(&self, code: &str, words: &[&str]) {
        assert!(self.is_error(), "{:?}", self.result);
        assert_eq!(self.code(), code, "{}", self.status());
        for word in words {
            assert!(self.status().contains(word), "{word:?}: {}", self.status());
        }
    }
}
