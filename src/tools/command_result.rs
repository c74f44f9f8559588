//! Command results: one status line of ours, then the host's text, in blocks by stream.

use rmcp::model::{CallToolResult, ContentBlock, JsonObject, MetaObject, TextContent};
use serde_json::{Value, json};

use super::error::{ERROR_META, ToolError};
use super::record::millis;
use super::render::{Block, Excerpt, excerpt, seconds};
use crate::actors::report::{CommandReport, Outcome};
use crate::limits;
use crate::ssh::kill::KillReport;
use crate::store::output::Stream;
use crate::text::visible_line;

const RESULT_META: &str = "mcp-ssh-sessions/result";
const STREAM_META: &str = "mcp-ssh-sessions/stream";
const OMITTED_META: &str = "mcp-ssh-sessions/omitted";
/// Characters of a directory in the status line.
const CWD_MAX_CHARS: usize = 200;

/// Writes the result of a command.
pub(super) fn write(report: &CommandReport, max_bytes: usize) -> CallToolResult {
    let shown = fitting_excerpt(report, max_bytes);
    let mut content = vec![ContentBlock::text(status_line(report, &shown))];
    content.extend(shown.blocks.iter().map(block));
    let mut result = CallToolResult::success(content);
    let mut meta = MetaObject::new();
    meta.insert(RESULT_META.to_owned(), record(report, &shown));
    if let Outcome::ConnectionLost(reason) = &report.outcome {
        result.is_error = Some(true);
        meta.insert(
            ERROR_META.to_owned(),
            ToolError::connection_lost(reason.clone()).meta(),
        );
    }
    result.meta = Some(meta);
    result
}

/// Escapes can make text several times as long as its bytes; the whole must still fit into a result.
fn fitting_excerpt(report: &CommandReport, max_bytes: usize) -> Excerpt {
    let output = report.output.lock();
    let mut budget = max_bytes;
    loop {
        let shown = excerpt(&output, budget);
        let text: usize = shown.blocks.iter().map(wire_bytes).sum();
        if text <= limits::RESULT_TEXT_MAX_BYTES {
            return shown;
        }
        budget /= 2;
    }
}

/// What a block takes as JSON, where a backslash takes two bytes.
fn wire_bytes(block: &Block) -> usize {
    match block {
        Block::Text { text, .. } => {
            text.len()
                + text
                    .bytes()
                    .filter(|byte| matches!(byte, b'\\' | b'"' | b'\n'))
                    .count()
        }
        Block::Omitted { .. } => 0,
    }
}

fn status_line(report: &CommandReport, shown: &Excerpt) -> String {
    let took = seconds(report.elapsed);
    let what = match &report.outcome {
        Outcome::Exited(status) => format!("exit {status} in {took}"),
        Outcome::Signaled(signal) => format!("killed by SIG{signal} in {took}"),
        Outcome::TimedOut { after, kill } => format!(
            "timed out after {}: {}",
            seconds(*after),
            killed(kill.as_ref())
        ),
        Outcome::Cancelled(kill) => format!("ended after {took}: {}", killed(kill.as_ref())),
        Outcome::Running => format!("still running after {took} as job {}", report.job),
        Outcome::ConnectionLost(reason) => format!(
            "connection lost after {took}: whether the command finished is unknown; it was not run again; {}",
            visible_line(reason, limits::QUOTED_TEXT_MAX_CHARS)
        ),
    };
    format!("{what} ({})", remarks(report, shown).join("; "))
}

/// What stands in the parentheses: where, and what is worth knowing.
fn remarks(report: &CommandReport, shown: &Excerpt) -> Vec<String> {
    let mut place = format!("session {}", report.session);
    if let Some(cwd) = &report.cwd {
        place.push_str(&format!(", cwd {}", visible_line(cwd, CWD_MAX_CHARS)));
    }
    let mut remarks = vec![place];
    if report.reconnected {
        remarks.push("connected first".to_owned());
    }
    if report.output.lock().is_empty() && !matches!(report.outcome, Outcome::Running) {
        remarks.push("no output".to_owned());
    }
    if report.held_by_background {
        remarks.push("a background process still held the output; what it prints later is lost, redirect it next time".to_owned());
    }
    if shown.escaped > 0 {
        remarks.push(format!(
            "{} made visible",
            count(shown.escaped, "character")
        ));
    }
    if let Some(reason) = report.output.lock().degraded() {
        remarks.push(format!(
            "output not kept whole: {}",
            visible_line(reason, limits::QUOTED_TEXT_MAX_CHARS)
        ));
    }
    remarks
}

fn count(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

fn killed(report: Option<&KillReport>) -> String {
    match report {
        None => "it ended by itself at that moment".to_owned(),
        Some(KillReport {
            signal,
            gone: Some(true),
        }) => format!("sent {signal}, gone"),
        Some(KillReport {
            signal,
            gone: Some(false),
        }) => format!("sent {signal}, still there"),
        Some(KillReport { signal, gone: None }) => {
            format!("sent {signal}, and the host could not confirm that it is gone")
        }
    }
}

fn block(block: &Block) -> ContentBlock {
    let (text, key, value) = match block {
        Block::Text { stream, text } => (text.clone(), STREAM_META, json!(stream.as_str())),
        Block::Omitted {
            stream,
            offset_bytes,
            bytes,
            lines,
            ..
        } => (
            format!(
                "[{} ({}) of {} left out here; raise maxOutputBytes (at most {}) or print less (head, tail, grep)]",
                count(*bytes, "byte"),
                count(*lines, "line"),
                stream.as_str(),
                limits::OUTPUT_MAX_BYTES
            ),
            OMITTED_META,
            json!({"stream": stream.as_str(), "offsetBytes": offset_bytes, "bytes": bytes, "lines": lines}),
        ),
    };
    let mut meta = MetaObject::new();
    meta.insert(key.to_owned(), value);
    ContentBlock::Text(TextContent::new(text).with_meta(meta))
}

/// The same for programs. Fields that do not apply are left out.
fn record(report: &CommandReport, shown: &Excerpt) -> Value {
    let output = report.output.lock();
    let mut record = JsonObject::new();
    let mut set = |name: &str, value: Value| record.insert(name.to_owned(), value);
    set("session", json!(report.session.as_str()));
    if report.kept {
        set("job", json!(report.job));
    }
    set("outcome", json!(report.outcome.as_str()));
    set("fate", json!(report.outcome.fate().as_str()));
    match &report.outcome {
        Outcome::Exited(status) => drop(set("exitCode", json!(status))),
        Outcome::Signaled(signal) => drop(set("signal", json!(signal))),
        Outcome::TimedOut {
            kill: Some(kill), ..
        }
        | Outcome::Cancelled(Some(kill)) => {
            set("signal", json!(kill.signal));
        }
        _ => {}
    }
    set("durationMs", json!(millis(report.elapsed)));
    if let Some(cwd) = &report.cwd {
        set("cwd", json!(cwd));
    }
    set("stdoutBytes", json!(output.len(Some(Stream::Stdout))));
    set("stderrBytes", json!(output.len(Some(Stream::Stderr))));
    set("omittedBytes", json!(shown.omitted_bytes));
    set("escaped", json!(shown.escaped));
    if report.held_by_background {
        set("heldByBackground", json!(true));
    }
    if report.reconnected {
        set("reconnected", json!(true));
    }
    Value::Object(record)
}
