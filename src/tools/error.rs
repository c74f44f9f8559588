//! Errors of tools: a text that names the next step for the model, and a record in `_meta` for programs.

use std::time::Duration;

use rmcp::model::{CallToolResult, ContentBlock, JsonObject, MetaObject};
use serde_json::{Value, json};

use crate::actors::SessionError;
use crate::actors::session::StateName;
use crate::error::{ErrorCode, Fate};
use crate::text::visible_line;

/// Key of the error record in `_meta`.
pub(super) const ERROR_META: &str = "mcp-ssh-sessions/error";

/// Characters of an error: enough for a list of sessions or a configuration error.
const TEXT_MAX_CHARS: usize = 4000;

/// A call that was not served, or a command whose connection was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToolError {
    pub(super) code: ErrorCode,
    pub(super) text: String,
    retryable: bool,
    retry_after: Option<Duration>,
    state: Option<StateName>,
    /// Fate of the command, in calls that run a command.
    fate: Option<Fate>,
}

impl ToolError {
    /// An invalid parameter.
    pub(super) fn invalid(text: String) -> Self {
        Self::new(ErrorCode::InvalidParameter, text)
    }

    pub(super) fn new(code: ErrorCode, text: String) -> Self {
        Self {
            code,
            text,
            retryable: false,
            retry_after: None,
            state: None,
            fate: None,
        }
    }

    /// The caller cancelled the call; clients never show this error.
    pub(super) fn cancelled() -> Self {
        Self::new(ErrorCode::Cancelled, "the call was cancelled".to_owned())
    }

    /// An error of a call that runs a command: adds the fate of the command.
    pub(super) fn of_command(error: SessionError) -> Self {
        let fate = error.fate();
        Self::from(error).with_fate(fate)
    }

    /// Adds the fate of the command.
    fn with_fate(mut self, fate: Fate) -> Self {
        self.fate = Some(fate);
        self
    }

    /// The link was lost while a command ran.
    pub(super) fn connection_lost(text: String) -> Self {
        Self::new(ErrorCode::ConnectionLost, text).with_fate(Fate::Unknown)
    }

    /// The record for `_meta`.
    pub(super) fn meta(&self) -> Value {
        let mut record = JsonObject::new();
        record.insert("code".into(), json!(self.code.as_str()));
        record.insert("retryable".into(), json!(self.retryable));
        if let Some(after) = self.retry_after {
            record.insert("retryAfterMs".into(), json!(after.as_millis() as u64));
        }
        if let Some(state) = self.state {
            record.insert("state".into(), json!(state.as_str()));
        }
        if let Some(fate) = self.fate {
            record.insert("fate".into(), json!(fate.as_str()));
        }
        Value::Object(record)
    }

    /// The result that carries the error.
    pub(super) fn into_result(self) -> CallToolResult {
        let mut meta = MetaObject::new();
        meta.insert(ERROR_META.to_owned(), self.meta());
        let text = format!(
            "{}: {}",
            self.code,
            visible_line(&self.text, TEXT_MAX_CHARS)
        );
        let mut result = CallToolResult::error(vec![ContentBlock::text(text)]);
        result.meta = Some(meta);
        result
    }
}

impl From<SessionError> for ToolError {
    fn from(error: SessionError) -> Self {
        let mut text = error.to_string();
        if let Some(after) = error.retry_after() {
            text.push_str(&format!(
                "; the session tries again by itself in {:.1} s",
                after.as_secs_f64()
            ));
        }
        Self {
            code: error.code(),
            text,
            retryable: error.is_retryable(),
            retry_after: error.retry_after(),
            state: error.state(),
            fate: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_s_words_in_an_error_cannot_move_a_cursor() {
        let result = ToolError::invalid("bad \x1b[2J\nname".into()).into_result();
        let text = result.content[0].as_text().unwrap().text.clone();
        assert_eq!(text, "invalidParameter: bad \\x1b[2J\\nname");
        assert_eq!(result.is_error, Some(true));
        let meta = result.meta.unwrap();
        assert_eq!(meta[ERROR_META]["code"], "invalidParameter");
        assert_eq!(meta[ERROR_META].get("fate"), None);
    }
}
