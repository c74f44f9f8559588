//! `ssh_exec`: runs a command in a process of its own.

use std::collections::BTreeMap;

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
pub(super) struct Exec;

/// Parameters of `ssh_exec`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Parameters {
    /// For the login shell
    command: String,
    /// If not the default session
    session: Option<String>,
    cwd: Option<String>,
    env: Option<BTreeMap<String, String>>,
    /// Text for stdin, which then ends
    stdin: Option<String>,
    /// Keep stdin open for ssh_input
    interactive: Option<bool>,
    /// Run on a terminal; implies interactive
    pty: Option<bool>,
    /// Return when a line matches this regular expression
    until: Option<String>,
    /// How long to wait, at most 50000
    wait_ms: Option<u64>,
    /// Kill it after this time
    timeout_ms: Option<u64>,
    /// Default 8192, at most 262144
    max_output_bytes: Option<u64>,
}

impl Tool for Exec {
    type Parameters = Parameters;
    const NAME: &'static str = "ssh_exec";
    const TITLE: &'static str = "Run a command";
    const DESCRIPTION: &'static str = "Run a command; returns exit status, stdout and stderr. Calls run side by side and share no state (cd, variables). A command still running after waitMs continues as a job: ssh_output reads it, ssh_input feeds or signals it.";
    const HINTS: Hints = Hints {
        read_only: false,
        destructive: true,
        idempotent: false,
    };

    async fn call(call: Call, parameters: Parameters) -> Result<CallToolResult, ToolError> {
        let session = parameters::session(parameters.session.clone())?;
        let max_output = parameters::max_output(parameters.max_output_bytes)?;
        let until = parameters::until(parameters.until.as_deref())?;
        let request = request(parameters, call.context.ct.clone(), max_output)?;
        let _progress = progress::report_output(&call.context, request.watch.clone());
        let condition = Condition::new(until, &request);
        let running = call.supervisor.exec(session, request);
        let (report, until) = condition.answer(running).await?;
        let mut shown = command_result::head_and_tail(&report, max_output);
        shown.until = until;
        Ok(command_result::render(&report, &shown))
    }
}

fn request(
    parameters: Parameters,
    cancel: CancellationToken,
    shown_bytes: usize,
) -> Result<ExecRequest, ToolError> {
    if let Some(stdin) = &parameters.stdin
        && stdin.len() > limits::STDIN_MAX_BYTES
    {
        return Err(ToolError::invalid(format!(
            "stdin has {} bytes; at most {}, upload a file instead",
            stdin.len(),
            limits::STDIN_MAX_BYTES
        )));
    }
    Ok(ExecRequest {
        command: parameters.command,
        cwd: parameters.cwd.filter(|cwd| !cwd.is_empty()),
        env: parameters.env.unwrap_or_default(),
        stdin: parameters.stdin,
        interactive: parameters.interactive.unwrap_or(false) || parameters.pty.unwrap_or(false),
        pty: parameters.pty.unwrap_or(false),
        wait: parameters::wait(parameters.wait_ms)?,
        timeout: parameters::positive("timeoutMs", parameters.timeout_ms, limits::TIMEOUT_MAX)?,
        shown_bytes,
        cancel,
        watch: OutputWatch::default(),
        hand_over: CancellationToken::new(),
    })
}
