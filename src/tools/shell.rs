//! `ssh_shell`: runs a command in the session's persistent shell.

use rmcp::model::CallToolResult;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::error::ToolError;
use super::tool::{Call, Hints, Tool};
use super::until::Condition;
use super::{command_result, parameters, progress};
use crate::actors::output::OutputWatch;
use crate::actors::request::ExecRequest;
use crate::limits;

/// The tool.
pub(super) struct Shell;

/// Parameters of `ssh_shell`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Parameters {
    command: String,
    session: Option<String>,
    /// As in ssh_exec
    until: Option<String>,
    cwd: Option<String>,
    wait_ms: Option<u64>,
    /// Stop it after this time
    timeout_ms: Option<u64>,
    max_output_bytes: Option<u64>,
}

impl Tool for Shell {
    type Parameters = Parameters;
    const NAME: &'static str = "ssh_shell";
    const TITLE: &'static str = "Run in the session's shell";
    const DESCRIPTION: &'static str = "Run a command in the session's persistent bash: cwd, variables, functions and options last. One command at a time; stdin is empty. Otherwise like ssh_exec.";
    const HINTS: Hints = Hints {
        read_only: false,
        destructive: true,
        idempotent: false,
    };

    async fn call(call: Call, parameters: Parameters) -> Result<CallToolResult, ToolError> {
        let session = parameters::session(parameters.session)?;
        let shown_bytes = parameters::max_output(parameters.max_output_bytes)?;
        let until = parameters::until(parameters.until.as_deref())?;
        let request = ExecRequest {
            command: parameters.command,
            cwd: parameters.cwd.filter(|cwd| !cwd.is_empty()),
            env: Default::default(),
            stdin: None,
            interactive: false,
            pty: false,
            wait: parameters::wait(parameters.wait_ms)?,
            timeout: parameters::positive("timeoutMs", parameters.timeout_ms, limits::TIMEOUT_MAX)?,
            shown_bytes,
            cancel: call.context.ct.clone(),
            watch: OutputWatch::default(),
            hand_over: CancellationToken::new(),
        };
        let _progress = progress::report_output(&call.context, request.watch.clone());
        let condition = Condition::new(until, &request);
        let running = call.supervisor.shell(session, request);
        let (report, until) = condition.answer(running).await?;
        let mut shown = command_result::head_and_tail(&report, shown_bytes);
        shown.until = until;
        Ok(command_result::render(&report, &shown))
    }
}
