//! Record results: `structuredContent`, and the same as short text for clients that show only one of them.

use std::time::Duration;

use rmcp::model::{CallToolResult, ContentBlock};
use schemars::JsonSchema;
use serde::Serialize;

use super::error::ToolError;
use crate::actors::report::ConnectReport;
use crate::error::ErrorCode;
use crate::text::visible_line;

/// Characters of one line of our own: an error with a quoted message, a list of sessions.
const LINE_MAX_CHARS: usize = 4000;

/// A record and its text. Notes are lines behind the text.
pub(super) fn result<R: Serialize>(
    record: &R,
    text: String,
    notes: &[String],
) -> Result<CallToolResult, ToolError> {
    let value = serde_json::to_value(record).map_err(|error| {
        ToolError::new(
            ErrorCode::Internal,
            format!("the result cannot be written: {error}"),
        )
    })?;
    let mut text = text;
    for note in notes {
        text.push_str("\nnote: ");
        text.push_str(&visible_line(note, LINE_MAX_CHARS));
    }
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    result.structured_content = Some(value);
    Ok(result)
}

/// Whole milliseconds.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The host key of a connection.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct HostKeyRecord {
    algorithm: String,
    fingerprint: String,
    source: String,
}

/// What `ssh_connect` and `ssh_reconnect` answer.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConnectRecord {
    session: String,
    state: String,
    host: String,
    port: u16,
    username: String,
    is_default: bool,
    reused: bool,
    auth: String,
    host_key: HostKeyRecord,
    server_version: String,
    connect_ms: u64,
}

/// The result of a connect.
pub(super) fn connected(report: ConnectReport) -> Result<CallToolResult, ToolError> {
    let ConnectReport {
        host_key, notes, ..
    } = report;
    let record = ConnectRecord {
        session: report.session.to_string(),
        state: "ready".to_owned(),
        host: report.host,
        port: report.port,
        username: report.username,
        is_default: report.is_default,
        reused: report.reused,
        auth: report.auth.to_owned(),
        host_key: HostKeyRecord {
            algorithm: host_key.algorithm,
            fingerprint: host_key.fingerprint,
            source: host_key.source,
        },
        server_version: report.server_version,
        connect_ms: millis(report.connect_time),
    };
    let how = if record.reused {
        "already connected".to_owned()
    } else {
        format!("connected in {} ms", record.connect_ms)
    };
    let default = if record.is_default {
        ", the default session"
    } else {
        ""
    };
    let text = format!(
        "session {}{default}: {how} to {}@{} port {} ({}); host key {} {} ({}); {}",
        record.session,
        record.username,
        record.host,
        record.port,
        record.auth,
        record.host_key.algorithm,
        record.host_key.fingerprint,
        record.host_key.source,
        record.server_version,
    );
    result(&record, visible_line(&text, LINE_MAX_CHARS), &notes)
}
