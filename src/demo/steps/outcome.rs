//! The outcome of a step, and the helpers that steps share.

use std::time::Duration;

use serde_json::json;

use crate::demo::client::ClientError;
use crate::demo::stage::Stage;
use crate::demo::tool_result::ToolResult;
use crate::text::visible_line;

/// Characters of a line that the agent would read.
pub(super) const READ_MAX_CHARS: usize = 160;
/// Time between two polls of a condition.
pub(super) const POLL: Duration = Duration::from_millis(10);

/// The report of a step that succeeded.
#[derive(Debug)]
pub(in crate::demo) struct Seen {
    /// Summary in plain words.
    pub(in crate::demo) said: String,
    /// The lines that the agent would read.
    pub(in crate::demo) reads: Vec<String>,
}

/// The report of a step that failed.
#[derive(Debug)]
pub(in crate::demo) struct Missed {
    /// The expected result.
    pub(in crate::demo) expected: String,
    /// The actual result.
    pub(in crate::demo) got: String,
}

impl From<ClientError> for Missed {
    fn from(error: ClientError) -> Self {
        Self {
            expected: "an answer".to_owned(),
            got: error.to_string(),
        }
    }
}

/// The result of a step.
pub(in crate::demo) type Outcome = Result<Seen, Missed>;

/// Runs a command with `ssh_exec`.
pub(super) async fn exec(stage: &Stage, command: &str) -> Result<ToolResult, ClientError> {
    let arguments = json!({"command": command});
    stage.client.call("ssh_exec", arguments).await
}

/// Fails the step with the expected and the actual result unless `holds`.
pub(super) fn expect(
    holds: bool,
    expected: impl Into<String>,
    got: impl FnOnce() -> String,
) -> Result<(), Missed> {
    if holds {
        return Ok(());
    }
    Err(Missed {
        expected: expected.into(),
        got: got(),
    })
}

/// The lines of all blocks, as the agent reads them.
pub(super) fn reads(result: &ToolResult) -> Vec<String> {
    let lines = result.blocks().flat_map(str::lines);
    lines.map(one_line).collect()
}

/// All blocks in a single line, for the report of a failure.
pub(super) fn all(result: &ToolResult) -> String {
    let blocks: Vec<&str> = result.blocks().collect();
    visible_line(&blocks.join(" | "), 4 * READ_MAX_CHARS)
}

pub(super) fn one_line(text: &str) -> String {
    visible_line(text, READ_MAX_CHARS)
}
