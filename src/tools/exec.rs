//! `ssh_exec`: runs a command in a process of its own.

use std::collections::BTreeMap;

use rmcp::model::CallToolResult;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::error::ToolError;
use super::tool::{Call, Hints, Tool};
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
        let (request, output) = request(parameters, call.context.ct.clone(), max_output)?;
        let _progress = progress::report_output(&call.context, output);
        let report = call.supervisor.exec(session, request).await;
        let report = report.map_err(ToolError::of_command)?;
        let shown = command_result::head_and_tail(&report, max_output);
        Ok(command_result::render(&report, &shown))
    }
}

fn request(
    parameters: Parameters,
    cancel: CancellationToken,
    shown_bytes: usize,
) -> Result<(ExecRequest, OutputWatch), ToolError> {
    if let Some(stdin) = &parameters.stdin
        && stdin.len() > limits::STDIN_MAX_BYTES
    {
        return Err(ToolError::invalid(format!(
            "stdin has {} bytes; at most {}, upload a file instead",
            stdin.len(),
            limits::STDIN_MAX_BYTES
        )));
    }
    let output = OutputWatch::default();
    let request = ExecRequest {
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
        watch: output.clone(),
    };
    Ok((request, output))
}
