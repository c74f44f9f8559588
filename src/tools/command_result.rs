//! Command results: one status line of ours, then the host's text, in blocks by stream.

use rmcp::model::{CallToolResult, ContentBlock, JsonObject, MetaObject, TextContent};
use serde_json::{Value, json};

use super::error::{ERROR_META, ToolError};
use super::record::millis;
use super::render::{Block, Show, excerpt, held_back, seconds, terminal_text};
use super::waiting;
use crate::actors::job::outcome::{Outcome, ShellFacts};
use crate::actors::job::report::CommandReport;
use crate::limits;
use crate::output::Stream;
use crate::ssh::connection::SERVER_DISCONNECTED;
use crate::ssh::kill::KillReport;
use crate::text::{visible, visible_line};

const RESULT_META: &str = "mcp-ssh-sessions/result";
const STREAM_META: &str = "mcp-ssh-sessions/stream";
const BACKGROUND_META: &str = "mcp-ssh-sessions/background";
const OMITTED_META: &str = "mcp-ssh-sessions/omitted";
/// Characters of a directory in the status line.
const CWD_MAX_CHARS: usize = 200;
/// Characters of one remark on a shell, which may hold a directory.
const REMARK_MAX_CHARS: usize = 600;

/// What is shown of an output.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// The host's text.
    pub(super) blocks: Vec<Block>,
    /// Characters and bytes that were rewritten.
    pub(super) escaped: u64,
    /// Bytes that were left out.
    pub(super) omitted: u64,
    /// Where a page ends.
    pub(super) paging: Option<Paging>,
    /// Something about what is shown.
    pub(super) remark: Option<String>,
}

/// Where a page of a job's output ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paging {
    /// Where the next page starts.
    pub(super) next_offset: u64,
    /// Bytes behind this page.
    pub(super) remaining: u64,
    /// The stream, or both.
    pub(super) stream: Option<Stream>,
    /// The page was asked for by its offset, so the next one has to be too.
    pub(super) explicit: bool,
}

impl Paging {
    /// The call that reads on.
    fn next_call(&self, job: &str) -> String {
        let stream = self.stream.map_or(String::new(), |stream| {
            format!(", stream: \"{}\"", stream.as_str())
        });
        let offset = if self.explicit {
            format!(", offsetBytes: {}", self.next_offset)
        } else {
            String::new()
        };
        format!("ssh_output(job: \"{job}\"{stream}{offset})")
    }
}

/// Head and tail of a command's output. Of a job, everything counts as read then: what was left out is named
/// with its offset. While it goes on, half a character at the end is left for the next look.
pub(super) fn head_and_tail(report: &CommandReport, max_bytes: usize) -> Shown {
    let output = report.output.lock();
    let mut budget = max_bytes;
    let goes_on = report.outcome == Outcome::Running;
    let held = held_back(&output, report.pty).filter(|_| goes_on);
    let shown = loop {
        let shown = excerpt(&output, budget, held, show(report.pty));
        if fits(&shown.blocks) {
            break shown;
        }
        budget /= 2;
    };
    if let Some(record) = &report.record {
        record.mark_all_read(&output, held);
    }
    Shown {
        blocks: shown.blocks,
        escaped: shown.escaped,
        omitted: shown.omitted_bytes,
        ..Shown::default()
    }
}

/// How the bytes of a command are shown: a terminal's tricks are played out.
fn show(pty: bool) -> Show {
    if pty { terminal_text } else { visible }
}

/// Escapes can make text several times as long as its bytes; the whole must still fit into a result.
pub(super) fn fits(blocks: &[Block]) -> bool {
    blocks.iter().map(wire_bytes).sum::<usize>() <= limits::RESULT_TEXT_MAX_BYTES
}

/// What a block takes as JSON, where a backslash takes two bytes.
fn wire_bytes(block: &Block) -> usize {
    let Block::Text { text, .. } = block else {
        return 0;
    };
    let escaped = text
        .bytes()
        .filter(|byte| matches!(byte, b'\\' | b'"' | b'\n'));
    text.len() + escaped.count()
}

/// Writes the result of a command.
pub(super) fn write(report: &CommandReport, shown: &Shown) -> CallToolResult {
    let mut content = vec![ContentBlock::text(status_line(report, shown))];
    content.extend(shown.blocks.iter().map(|shown| block(shown, report)));
    content.extend(report.shell.iter().flat_map(background_blocks));
    content.extend(host_reason(report).map(ContentBlock::text));
    let mut result = CallToolResult::success(content);
    let mut meta = MetaObject::new();
    meta.insert(RESULT_META.to_owned(), record(report, shown));
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

fn status_line(report: &CommandReport, shown: &Shown) -> String {
    let took = seconds(report.elapsed);
    let job = &report.job;
    let what = match &report.outcome {
        Outcome::Exited(status) => format!("exit {status} in {took}"),
        Outcome::Signaled(signal) => format!("killed by SIG{signal} in {took}"),
        Outcome::TimedOut { after, kill } => {
            format!(
                "timed out after {}: {}",
                seconds(*after),
                killed(kill.as_ref())
            )
        }
        Outcome::Cancelled(kill) => format!("ended after {took}: {}", killed(kill.as_ref())),
        Outcome::Running => {
            let waits = report
                .record
                .as_ref()
                .is_some_and(|record| !record.is_sent());
            let what = if waits {
                "not started"
            } else {
                "still running"
            };
            format!("{what} after {took} as job {job}; {}", next_step(report))
        }
        Outcome::ConnectionLost(_) => format!(
            "connection lost after {took}: whether the command finished is unknown; it was not run again"
        ),
    };
    format!("{what} ({})", remarks(report, shown).join("; "))
}

/// What background processes of the shell had printed before this command: the host's text, and not the command's.
fn background_blocks(facts: &ShellFacts) -> Vec<ContentBlock> {
    let streams = [
        ("stdout", &facts.background.stdout),
        ("stderr", &facts.background.stderr),
    ];
    let mut blocks = Vec::new();
    for (stream, bytes) in streams {
        if !bytes.is_empty() {
            let mut meta = MetaObject::new();
            meta.insert(BACKGROUND_META.to_owned(), json!({"stream": stream}));
            let text = TextContent::new(visible(bytes).text).with_meta(meta);
            blocks.push(ContentBlock::Text(text));
        }
    }
    blocks
}

/// What is to be said of the shell that a command ran in.
fn shell_remarks(facts: &ShellFacts) -> Vec<String> {
    let mut remarks: Vec<_> = facts
        .remarks
        .iter()
        .map(|remark| visible_line(remark, REMARK_MAX_CHARS))
        .collect();
    if let Some(ended) = &facts.ended {
        remarks.push(format!(
            "the shell ended: {ended}; the next ssh_shell starts a new one"
        ));
    }
    let background = &facts.background;
    if background.bytes > 0 {
        let kept = (background.stdout.len() + background.stderr.len()) as u64;
        let first = if kept < background.bytes {
            format!(", the first {kept} of them shown last")
        } else {
            ", shown last".to_owned()
        };
        remarks.push(format!(
            "background processes had printed {} since the command before{first}",
            count(background.bytes, "byte")
        ));
    }
    remarks
}

/// What a server said when it hung up. A block behind everything else, because it may have said anything.
fn host_reason(report: &CommandReport) -> Option<String> {
    let Outcome::ConnectionLost(reason) = &report.outcome else {
        return None;
    };
    let said = reason
        .strip_prefix(SERVER_DISCONNECTED)?
        .trim_start_matches(": ");
    let said = visible_line(said, limits::QUOTED_TEXT_MAX_CHARS);
    (!said.is_empty()).then(|| format!("the server's last words: {said}"))
}

/// Why a link was lost, in our words alone.
fn own_reason(reason: &str) -> &str {
    if reason.starts_with(SERVER_DISCONNECTED) {
        SERVER_DISCONNECTED
    } else {
        reason
    }
}

/// What to do about a command that goes on.
fn next_step(report: &CommandReport) -> String {
    let job = &report.job;
    match report.record.as_deref() {
        Some(record) if !record.is_sent() => format!(
            "it waits for a free channel; ssh_output(job: \"{job}\", waitMs: 25000) waits on"
        ),
        // The prompt itself is the host's text and stands below.
        Some(record) if waiting::is_at_prompt(record) => format!(
            "it seems to wait for input, see its last line; answer with ssh_input(job: \"{job}\", text: \"…\\n\")"
        ),
        _ => format!("ssh_output(job: \"{job}\", waitMs: 25000) waits for more"),
    }
}

/// What stands in the parentheses: where, and what is worth knowing.
fn remarks(report: &CommandReport, shown: &Shown) -> Vec<String> {
    let mut remarks = vec![place(report)];
    if let Outcome::ConnectionLost(reason) = &report.outcome {
        remarks.push(own_reason(reason).to_owned());
    }
    if report.reconnected {
        remarks.push("connected first".to_owned());
    }
    remarks.extend(report.shell.iter().flat_map(shell_remarks));
    if report.output.lock().is_empty() && !matches!(report.outcome, Outcome::Running) {
        remarks.push("no output".to_owned());
    }
    if let Some(paging) = &shown.paging
        && paging.remaining > 0
    {
        let more = count(paging.remaining, "byte");
        remarks.push(format!("{more} more: {}", paging.next_call(&report.job)));
    }
    remarks.extend(shown.remark.clone());
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
        let reason = visible_line(reason, limits::QUOTED_TEXT_MAX_CHARS);
        remarks.push(format!("output not kept whole: {reason}"));
    }
    remarks
}

fn place(report: &CommandReport) -> String {
    let mut place = format!("session {}", report.session);
    if report.record.is_some() && report.outcome != Outcome::Running {
        place.push_str(&format!(", job {}", report.job));
    }
    if let Some(cwd) = &report.cwd {
        place.push_str(&format!(", cwd {}", visible_line(cwd, CWD_MAX_CHARS)));
    }
    place
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

fn block(block: &Block, report: &CommandReport) -> ContentBlock {
    let (text, key, value) = match block {
        Block::Text { stream, text } => (text.clone(), STREAM_META, json!(stream.as_str())),
        Block::Omitted {
            stream,
            offset_bytes,
            bytes,
            lines,
            dropped_bytes,
        } => {
            let stream = stream.as_str();
            let size = format!("{} ({})", count(*bytes, "byte"), count(*lines, "line"));
            let how = if dropped_bytes == bytes {
                "not kept any more".to_owned()
            } else {
                format!(
                    "ssh_output(job: \"{}\", stream: \"{stream}\", offsetBytes: {offset_bytes}) reads on from here",
                    report.job
                )
            };
            (
                format!("[{size} of {stream} left out here; {how}]"),
                OMITTED_META,
                json!({"stream": stream, "offsetBytes": offset_bytes, "bytes": bytes, "lines": lines}),
            )
        }
    };
    let mut meta = MetaObject::new();
    meta.insert(key.to_owned(), value);
    ContentBlock::Text(TextContent::new(text).with_meta(meta))
}

/// The same for programs. Fields that do not apply are left out.
fn record(report: &CommandReport, shown: &Shown) -> Value {
    let output = report.output.lock();
    let mut record = JsonObject::new();
    let mut set = |name: &str, value: Value| record.insert(name.to_owned(), value);
    set("session", json!(report.session.as_str()));
    if report.record.is_some() {
        set("job", json!(report.job));
    }
    set("outcome", json!(report.outcome.as_str()));
    if report.outcome != Outcome::Running {
        set("fate", json!(report.outcome.fate().as_str()));
    }
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
    set("omittedBytes", json!(shown.omitted));
    set("escaped", json!(shown.escaped));
    if let Some(paging) = &shown.paging {
        set("nextOffsetBytes", json!(paging.next_offset));
        set("remainingBytes", json!(paging.remaining));
    }
    if report.held_by_background {
        set("heldByBackground", json!(true));
    }
    if let Some(facts) = &report.shell {
        set("shellGeneration", json!(facts.generation));
        set("shellRestarted", json!(facts.restarted));
    }
    if report.reconnected {
        set("reconnected", json!(true));
    }
    Value::Object(record)
}
