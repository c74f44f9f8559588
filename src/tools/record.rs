//! Record results: a record in `structuredContent`, and the same as text for clients that show a model only the text.
//!
//! [`Record::text`] sees nothing but the record, so the text cannot say anything that the record lacks.

use std::fmt::Display;
use std::time::Duration;

use rmcp::model::{CallToolResult, ContentBlock};
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::error::ToolError;
use crate::error::ErrorCode;
use crate::text::visible_line;

/// Characters of one line: enough for an error with a quoted message or a list of sessions.
pub(super) const LINE_MAX_CHARS: usize = 4000;

/// A record that a tool returns.
pub(super) trait Record: Serialize {
    /// The record in words, without its notes.
    fn text(&self) -> String;

    /// Remarks for the user, which become lines behind the text.
    fn notes(&self) -> &Notes {
        &NO_NOTES
    }
}

/// Remarks for the user, such as an ssh option that was ignored; safe to show. Records leave the field out of their
/// schemas, because the size of `tools/list` is limited.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(transparent)]
pub(super) struct Notes(Vec<String>);

static NO_NOTES: Notes = Notes(Vec::new());

impl Notes {
    /// Makes remarks that may quote a host safe to show.
    pub(super) fn new(notes: &[String]) -> Self {
        let visible = notes.iter().map(|note| visible_line(note, LINE_MAX_CHARS));
        Self(visible.collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The result that carries a record as structured content and as text.
pub(super) fn result<R: Record>(record: &R) -> Result<CallToolResult, ToolError> {
    let value = serde_json::to_value(record).map_err(|error| {
        ToolError::new(
            ErrorCode::Internal,
            format!("the result cannot be written as JSON: {error}"),
        )
    })?;
    let mut result = CallToolResult::success(vec![ContentBlock::text(text_with_notes(record))]);
    result.structured_content = Some(value);
    Ok(result)
}

/// The text of a record and a line for each note.
pub(super) fn text_with_notes<R: Record>(record: &R) -> String {
    let mut text = record.text();
    for note in &record.notes().0 {
        text.push_str("\nnote: ");
        text.push_str(note);
    }
    text
}

/// Serializes a value by its word.
pub(super) fn as_word<T: Display, S: Serializer>(
    value: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Whole milliseconds.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
