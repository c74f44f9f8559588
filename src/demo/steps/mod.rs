//! The steps of the walk: what is called, what must come back, and what of it the agent would read.
//!
//! A step is a function of the [`Stage`] and a line of [`ALL`]. Each proves its point on the far side too where it
//! can (a process that is gone, a line that was written once), not only by the words of the product.

mod command;
mod job;
mod link;
mod session;
mod shell;
mod transfer;

use std::time::Duration;

use futures_core::future::BoxFuture;
use serde_json::json;

use super::client::ClientError;
use super::stage::Stage;
use super::tool_result::ToolResult;
use crate::text::visible_line;

/// Characters of one line that the agent would read.
const READ_MAX_CHARS: usize = 160;
/// Time between two looks at something that nobody tells of.
const POLL: Duration = Duration::from_millis(10);

/// What a step showed.
#[derive(Debug)]
pub(super) struct Seen {
    /// What happened, in plain words.
    pub(super) said: String,
    /// What the agent would read, line by line.
    pub(super) reads: Vec<String>,
}

/// A step that did not do what it should.
#[derive(Debug)]
pub(super) struct Missed {
    /// What should have happened.
    pub(super) expected: String,
    /// What did.
    pub(super) got: String,
}

impl From<ClientError> for Missed {
    fn from(error: ClientError) -> Self {
        Self {
            expected: "an answer".to_owned(),
            got: error.to_string(),
        }
    }
}

/// How a step ended.
pub(super) type Outcome = Result<Seen, Missed>;

/// What a step does.
type Run = for<'a> fn(&'a Stage) -> BoxFuture<'a, Outcome>;

/// A step of the walk.
pub(super) struct Step {
    /// Its name in the report.
    pub(super) name: &'static str,
    /// Without it the others mean nothing: where it fails, the walk ends.
    pub(super) is_foundation: bool,
    /// What it does.
    pub(super) run: Run,
}

/// All steps, in their order.
pub(super) const ALL: &[Step] = &[
    foundation("start", |stage| Box::pin(session::handshake(stage))),
    foundation("connect", |stage| Box::pin(session::connect(stage))),
    step("exec", |stage| Box::pin(command::exec(stage))),
    step("parallel", |stage| Box::pin(command::parallel(stage))),
    step("timeout", |stage| Box::pin(command::time_limit(stage))),
    step("long output", |stage| Box::pin(command::long_output(stage))),
    step("long job", |stage| Box::pin(job::long(stage))),
    step("shell", |stage| Box::pin(shell::shell(stage))),
    step("files", |stage| Box::pin(transfer::there_and_back(stage))),
    step("unknown host key", |stage| {
        Box::pin(session::unknown_host_key(stage))
    }),
    step("lost link", |stage| Box::pin(link::lost(stage))),
    step("reconnect", |stage| Box::pin(link::reconnect(stage))),
    step("sessions", |stage| Box::pin(session::list(stage))),
    step("disconnect", |stage| Box::pin(session::disconnect(stage))),
];

const fn step(name: &'static str, run: Run) -> Step {
    Step {
        name,
        is_foundation: false,
        run,
    }
}

const fn foundation(name: &'static str, run: Run) -> Step {
    Step {
        is_foundation: true,
        ..step(name, run)
    }
}

async fn run(stage: &Stage, command: &str) -> Result<ToolResult, ClientError> {
    let arguments = json!({"command": command});
    stage.client.call("ssh_exec", arguments).await
}

fn expect(
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

/// What the agent reads, each block in its lines.
fn reads(result: &ToolResult) -> Vec<String> {
    let lines = result.blocks().flat_map(str::lines);
    lines.map(one_line).collect()
}

/// The same in one line, for a failure.
fn all(result: &ToolResult) -> String {
    let blocks: Vec<&str> = result.blocks().collect();
    visible_line(&blocks.join(" | "), 4 * READ_MAX_CHARS)
}

fn one_line(text: &str) -> String {
    visible_line(text, READ_MAX_CHARS)
}
