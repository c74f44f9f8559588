//! `ssh_input`: writes to a job's stdin, ends the stdin, or signals the job.

use bytes::Bytes;
use rmcp::model::CallToolResult;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};

use super::error::ToolError;
use super::output::{self, Answer};
use super::record::{self, Record};
use super::tool::{Call, Hints, Tool};
use super::{parameters, transfer};
use crate::actors::job::record::JobRecord;
use crate::error::ErrorCode;
use crate::limits;
use crate::ssh::ending::Signal;
use crate::ssh::exec::Input as Piece;

/// The tool.
pub(super) struct Input;

/// Parameters of `ssh_input`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Parameters {
    job: String,
    /// Text for its stdin; end an answer with \n
    text: Option<String>,
    /// End its stdin
    close_input: Option<bool>,
    /// For its process group
    signal: Option<SignalChoice>,
    /// Wait this long and return the output that followed
    wait_ms: Option<u64>,
    /// Return that output when a line matches this
    until: Option<String>,
}

/// The signals that can be sent to a job.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
enum SignalChoice {
    Int,
    Term,
    Hup,
    Quit,
    Kill,
    Usr1,
    Usr2,
}

impl From<SignalChoice> for Signal {
    fn from(choice: SignalChoice) -> Self {
        match choice {
            SignalChoice::Int => Self::Int,
            SignalChoice::Term => Self::Term,
            SignalChoice::Hup => Self::Hup,
            SignalChoice::Quit => Self::Quit,
            SignalChoice::Kill => Self::Kill,
            SignalChoice::Usr1 => Self::Usr1,
            SignalChoice::Usr2 => Self::Usr2,
        }
    }
}

/// Input that a job took.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct InputRecord {
    job: String,
    written_bytes: u64,
    closed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<String>,
}

impl Record for InputRecord {
    fn text(&self) -> String {
        let mut done = Vec::new();
        if self.written_bytes > 0 {
            done.push(format!("wrote {} bytes", self.written_bytes));
        }
        if self.closed {
            done.push("ended its stdin".to_owned());
        }
        if let Some(signal) = &self.signal {
            done.push(format!("sent {signal}"));
        }
        if done.is_empty() {
            done.push("its stdin had ended before".to_owned());
        }
        format!(
            "job {}: {}; ssh_output(job: \"{}\", waitMs: 5000) shows what follows",
            self.job,
            done.join(", "),
            self.job
        )
    }
}

/// End of transmission, as Ctrl-D sends. A terminal has no other end of input.
const CTRL_D: &[u8] = b"\x04";

impl Tool for Input {
    type Parameters = Parameters;
    const NAME: &'static str = "ssh_input";
    const TITLE: &'static str = "Feed or signal a job";
    const DESCRIPTION: &'static str = "Write to a job's stdin (started with interactive or pty), end its stdin, or send it a signal; with waitMs, return what follows.";
    const HINTS: Hints = Hints {
        read_only: false,
        destructive: true,
        idempotent: false,
    };

    async fn call(call: Call, parameters: Parameters) -> Result<CallToolResult, ToolError> {
        let close = parameters.close_input.unwrap_or(false);
        if parameters.text.is_none() && !close && parameters.signal.is_none() {
            return Err(ToolError::invalid(
                "ssh_input needs text, closeInput or signal".to_owned(),
            ));
        }
        let until = parameters::until(parameters.until.as_deref())?;
        let waits = until.is_some() || parameters.wait_ms.is_some();
        let wait = parameters::wait(parameters.wait_ms)?;
        let job = call.supervisor.job(&parameters.job).await?;
        if job.ended().is_some() {
            return Err(ended(&job));
        }
        job.note_input();
        let output_before = job.output.arrived().bytes;
        let written = match parameters.text {
            Some(text) => write_text(&job, text.into_bytes().into()).await?,
            None => 0,
        };
        let closed = close && close_input(&job).await;
        let signal = parameters.signal.map(Signal::from);
        if let Some(signal) = signal
            && !job.signal(signal)
        {
            return Err(ended(&job));
        }
        if waits {
            if let Some(transfer) = job.transfer() {
                return transfer::wait_and_render(&call, &job, transfer, wait).await;
            }
            let answer = Answer {
                output_before,
                wait,
                until,
            };
            return output::follow(&call, &job, answer).await;
        }
        record::result(&InputRecord {
            job: job.name.clone(),
            written_bytes: written,
            closed,
            signal: signal.map(|signal| signal.as_str().to_owned()),
        })
    }
}

fn ended(job: &JobRecord) -> ToolError {
    let text = format!(
        "job {} has ended; ssh_output(job: \"{}\") tells how",
        job.name, job.name
    );
    ToolError::new(ErrorCode::JobEnded, text)
}

/// Queues the text in pieces. Where a command does not read, the error says how many bytes were taken.
async fn write_text(job: &JobRecord, text: Bytes) -> Result<u64, ToolError> {
    let Some(input) = job.input() else {
        return Err(ToolError::invalid(format!(
            "the stdin of job {} is closed; start the command with interactive: true to keep it open",
            job.name
        )));
    };
    let deadline = Instant::now() + limits::JOB_INPUT_TIMEOUT;
    let mut written = 0;
    while written < text.len() {
        let end = (written + limits::JOB_INPUT_PIECE_BYTES).min(text.len());
        match timeout_at(deadline, input.send(Piece::Data(text.slice(written..end)))).await {
            Ok(Ok(())) => written = end,
            Ok(Err(_)) => return Err(ended(job)),
            Err(_) => break,
        }
    }
    if written < text.len() {
        let text = format!(
            "job {} took {written} of {} bytes and reads no more; send the rest later, from byte {written} on",
            job.name,
            text.len()
        );
        return Err(ToolError::new(ErrorCode::TimedOut, text));
    }
    Ok(written as u64)
}

async fn close_input(job: &JobRecord) -> bool {
    if job.has_terminal()
        && let Some(input) = job.input()
    {
        let deadline = Instant::now() + limits::JOB_INPUT_TIMEOUT;
        // A command that has ended needs no end of input.
        let _ = timeout_at(
            deadline,
            input.send(Piece::Data(Bytes::from_static(CTRL_D))),
        )
        .await;
        return true;
    }
    job.close_input()
}
