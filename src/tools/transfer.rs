//! What `ssh_upload` and `ssh_download` share: parameters, the call, the record; and `ssh_output` of a transfer.

use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{CallToolResult, ContentBlock, JsonObject, MetaObject};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::error::ToolError;
use super::render::seconds;
use super::{Call, parameters, progress, record};
use crate::actors::job::record::JobRecord;
use crate::actors::job::report::TransferReport;
use crate::actors::job::transfer::TransferJob;
use crate::actors::request::{TransferRequest, TransferWatch};
use crate::ssh::transfer::{Direction, Summary, TransferError, TransferSpec, Verify};
use crate::text::visible_line;

const RESULT_META: &str = "mcp-ssh-sessions/result";
/// Permissions that can be given to a file.
const MODE_MAX: u32 = 0o7777;
/// Characters of a path in a line of ours.
const PATH_MAX_CHARS: usize = 300;

/// What both tools take besides their paths.
pub(super) struct Common {
    pub(super) session: Option<String>,
    pub(super) recursive: Option<bool>,
    pub(super) overwrite: Option<bool>,
    pub(super) resume: Option<bool>,
    pub(super) verify: Option<VerifyBy>,
    pub(super) mode: Option<String>,
    pub(super) wait_ms: Option<u64>,
}

// How the result is checked. No doc comment: it would stand in the list of tools.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum VerifyBy {
    Size,
    Sha256,
}

/// What both tools answer.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    session: String,
    local_path: String,
    remote_path: String,
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<String>,
    files: u64,
    directories: u64,
    bytes: u64,
    total_bytes: u64,
    skipped: u64,
    resumed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<String>,
    duration_ms: u64,
    bytes_per_second: u64,
}

/// Serves a call of either tool.
pub(super) async fn run(
    call: Call,
    direction: Direction,
    local: String,
    remote: String,
    common: Common,
) -> Result<CallToolResult, ToolError> {
    let session = parameters::session(common.session)?;
    let watch = TransferWatch::default();
    let spec = TransferSpec {
        direction,
        local,
        remote,
        recursive: common.recursive.unwrap_or(false),
        overwrite: common.overwrite.unwrap_or(true),
        resume: common.resume.unwrap_or(false),
        verify: match common.verify {
            Some(VerifyBy::Sha256) => Verify::Sha256,
            Some(VerifyBy::Size) | None => Verify::Size,
        },
        mode: common.mode.as_deref().map(mode).transpose()?,
        policy: Arc::clone(&call.local_policy),
    };
    let request = TransferRequest {
        spec,
        wait: parameters::wait(common.wait_ms)?,
        cancel: call.context.ct.clone(),
        watch: watch.clone(),
    };
    let _progress = progress::report_transfer(&call.context, watch);
    let report = call.supervisor.transfer(session, request).await?;
    write(&report)
}

/// Permissions as `chmod` takes them in digits.
fn mode(text: &str) -> Result<u32, ToolError> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let is_octal = !digits.is_empty() && digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    let mode = u32::from_str_radix(digits, 8).ok();
    mode.filter(|mode| is_octal && *mode <= MODE_MAX)
        .ok_or_else(|| {
            let given: String = text.chars().take(20).collect();
            ToolError::invalid(format!(
                "mode is {given:?}; give octal digits such as \"0644\" or \"755\""
            ))
        })
}

fn write(report: &TransferReport) -> Result<CallToolResult, ToolError> {
    let transfer = &report.transfer;
    let summary = report.summary.as_ref();
    let record = record_of(report);
    let mut text = match summary {
        Some(summary) => done(transfer, summary, report.elapsed),
        None => running(
            transfer,
            report.elapsed,
            report.job.as_deref().unwrap_or_default(),
        ),
    };
    text.push_str(&format!(" (session {}", report.session));
    if report.reconnected {
        text.push_str("; connected first");
    }
    text.push(')');
    let notes = summary.map_or(&[][..], |summary| &summary.notes);
    record::result(&record, text, notes)
}

fn record_of(report: &TransferReport) -> Record {
    let (transfer, summary) = (&report.transfer, report.summary.as_ref());
    let progress = &transfer.progress;
    let bytes = summary.map_or_else(|| progress.bytes(), |summary| summary.bytes);
    let resumed = summary.map_or(0, |summary| summary.resumed_bytes);
    Record {
        session: report.session.to_string(),
        local_path: summary
            .map_or(&transfer.local, |summary| &summary.local_path)
            .clone(),
        remote_path: summary
            .map_or(&transfer.remote, |summary| &summary.remote_path)
            .clone(),
        state: if summary.is_some() { "done" } else { "running" }.to_owned(),
        job: report.job.clone(),
        files: progress.files(),
        directories: summary.map_or(0, |summary| summary.directories),
        bytes,
        total_bytes: progress.total().max(bytes),
        skipped: summary.map_or(0, |summary| summary.skipped),
        resumed: resumed > 0,
        verified: summary.map(|summary| summary.verified.as_str().to_owned()),
        duration_ms: record::millis(report.elapsed),
        bytes_per_second: rate(bytes - resumed.min(bytes), report.elapsed),
    }
}

fn rate(bytes: u64, elapsed: Duration) -> u64 {
    (bytes as f64 / elapsed.as_secs_f64().max(0.001)) as u64
}

/// `uploaded /a to /b: 1 file, 12.3 MB in 0.50 s (24.6 MB/s), sizes compared`
fn done(transfer: &TransferJob, summary: &Summary, elapsed: Duration) -> String {
    let (verb, from, to) = match transfer.direction {
        Direction::Upload => ("uploaded", &summary.local_path, &summary.remote_path),
        Direction::Download => ("downloaded", &summary.remote_path, &summary.local_path),
    };
    let (from, to) = (line(from), line(to));
    let mut text = format!("{verb} {from} to {to}: {}", count(summary.files, "file"));
    if summary.directories > 0 {
        let directories = match summary.directories {
            1 => "1 directory".to_owned(),
            many => format!("{many} directories"),
        };
        text.push_str(&format!(", {directories}"));
    }
    let carried = summary.bytes - summary.resumed_bytes.min(summary.bytes);
    let (size, time) = (size(summary.bytes), seconds(elapsed));
    let rate = self::size(rate(carried, elapsed));
    text.push_str(&format!(", {size} in {time} ({rate}/s), "));
    text.push_str(match summary.verified {
        Verify::Size => "sizes compared",
        Verify::Sha256 => "sha256 compared",
    });
    if summary.resumed_bytes > 0 {
        let part = self::size(summary.resumed_bytes);
        text.push_str(&format!(", {part} of it were there from an earlier call"));
    }
    if summary.skipped > 0 {
        text.push_str(&format!(", {} skipped", summary.skipped));
    }
    text
}

fn running(transfer: &TransferJob, elapsed: Duration, job: &str) -> String {
    let progress = &transfer.progress;
    let (bytes, total) = (progress.bytes(), progress.total().max(progress.bytes()));
    let share = match total {
        0 => String::new(),
        total => format!(" ({:.0} %)", bytes as f64 / total as f64 * 100.0),
    };
    format!(
        "still running after {} as job {job}: {} of {}{share}, {} done; ssh_output(job: \"{job}\", waitMs: 25000) waits for its end",
        seconds(elapsed),
        size(bytes),
        size(total),
        count(progress.files(), "file"),
    )
}

fn line(path: &str) -> String {
    visible_line(path, PATH_MAX_CHARS)
}

fn count(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return count(bytes, "byte");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// `ssh_output` of a transfer: waits for its end or the end of the time, and tells how it stands.
pub(super) async fn output(
    call: &Call,
    job: &JobRecord,
    transfer: &std::sync::Arc<TransferJob>,
    wait: Duration,
) -> Result<CallToolResult, ToolError> {
    let watch = TransferWatch::default();
    watch.set(transfer.clone());
    let _progress = progress::report_transfer(&call.context, watch);
    tokio::select! {
        () = job.wait_ended() => {}
        () = call.context.ct.cancelled() => return Err(ToolError::cancelled()),
        () = tokio::time::sleep_until(Instant::now() + wait) => {}
    }
    let ended = job.ended();
    let elapsed = ended
        .as_ref()
        .map_or_else(|| job.running_for(), |ended| ended.elapsed);
    let outcome = match ended.map(|ended| ended.outcome) {
        None => "running",
        Some(Ok(_)) => "exited",
        Some(Err(crate::actors::SessionError::Transfer(failure)))
            if failure.error == TransferError::Cancelled =>
        {
            "cancelled"
        }
        Some(Err(error)) => return Err(error.into()),
    };
    let summary = transfer.result().and_then(|result| result.as_ref().ok());
    let text = match (outcome, summary) {
        ("exited", Some(summary)) => done(transfer, summary, elapsed),
        ("cancelled", _) => match transfer.result() {
            Some(Err(failure)) => format!("{failure}, after {}", seconds(elapsed)),
            _ => "the transfer was stopped".to_owned(),
        },
        _ => running(transfer, elapsed, &job.name),
    };
    let text = format!("{text} (session {}, job {})", job.session, job.name);
    let mut lines = vec![text];
    lines.extend(summary.into_iter().flat_map(|summary| {
        let note = |note: &String| format!("note: {}", visible_line(note, 4000));
        summary.notes.iter().map(note)
    }));
    let mut result = CallToolResult::success(vec![ContentBlock::text(lines.join("\n"))]);
    let mut meta = MetaObject::new();
    meta.insert(
        RESULT_META.to_owned(),
        meta_of(job, transfer, summary, outcome, elapsed),
    );
    result.meta = Some(meta);
    Ok(result)
}

/// The same for programs: what every job tells, and what the record of the call would.
fn meta_of(
    job: &JobRecord,
    transfer: &TransferJob,
    summary: Option<&Summary>,
    outcome: &str,
    elapsed: Duration,
) -> Value {
    let progress = &transfer.progress;
    let mut fields = JsonObject::new();
    let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    set("session", json!(job.session.as_str()));
    set("job", json!(job.name));
    set("outcome", json!(outcome));
    set(
        "state",
        json!(match outcome {
            "exited" => "done",
            other => other,
        }),
    );
    if outcome != "running" {
        set("fate", json!("completed"));
    }
    set("durationMs", json!(record::millis(elapsed)));
    set(
        "localPath",
        json!(summary.map_or(&transfer.local, |summary| &summary.local_path)),
    );
    set(
        "remotePath",
        json!(summary.map_or(&transfer.remote, |summary| &summary.remote_path)),
    );
    set("bytes", json!(progress.bytes()));
    set("totalBytes", json!(progress.total().max(progress.bytes())));
    set("files", json!(progress.files()));
    if let Some(summary) = summary {
        set("directories", json!(summary.directories));
        set("skipped", json!(summary.skipped));
        set("resumed", json!(summary.resumed_bytes > 0));
        set("verified", json!(summary.verified.as_str()));
    }
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_octal() {
        for (text, expected) in [
            ("0644", 0o644),
            ("755", 0o755),
            ("0o600", 0o600),
            ("4755", 0o4755),
        ] {
            assert_eq!(mode(text), Ok(expected), "{text}");
        }
        for text in ["", "rw", "888", "0x1ff", "17777", "-1", "+644", "6 4"] {
            assert!(mode(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_in_words() {
        let rows = [
            (0, "0 bytes"),
            (1, "1 byte"),
            (999, "999 bytes"),
            (1500, "1.5 kB"),
            (999_999, "1.0 MB"),
            (5_368_709_120, "5.4 GB"),
        ];
        for (bytes, expected) in rows {
            assert_eq!(size(bytes), expected);
        }
    }
}
