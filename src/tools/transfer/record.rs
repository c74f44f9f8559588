//! The record of a transfer, and its text.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::actors::job::report::TransferReport;
use crate::actors::job::transfer::TransferJob;
use crate::ssh::transfer::{Direction, Summary, Verify};
use crate::text::visible_line;
use crate::tools::record::{LINE_MAX_CHARS, Notes, Record, millis};
use crate::tools::render::{count, seconds, size};

/// Characters of a path in the text.
const PATH_MAX_CHARS: usize = 300;

/// State of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum TransferState {
    Running,
    Done,
    Cancelled,
}

/// A transfer. Fields without a schema are left out of `tools/list`, whose size is limited.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::tools) struct TransferRecord {
    session: String,
    #[serde(serialize_with = "direction_word")]
    #[schemars(skip)]
    direction: Direction,
    local_path: String,
    remote_path: String,
    #[schemars(with = "String")]
    pub(super) state: TransferState,
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<String>,
    files: u64,
    directories: u64,
    bytes: u64,
    total_bytes: u64,
    skipped: u64,
    resumed: bool,
    /// Bytes of a partial file that an earlier call had left.
    #[serde(skip_serializing_if = "is_zero")]
    #[schemars(skip)]
    resumed_bytes: u64,
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "verify_word"
    )]
    #[schemars(with = "Option<String>")]
    verified: Option<Verify>,
    duration_ms: u64,
    bytes_per_second: u64,
    /// The session had to connect first.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(skip)]
    reconnected: bool,
    /// The failure of a cancelled transfer, with the files that are left.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    error: Option<String>,
    #[serde(skip_serializing_if = "Notes::is_empty")]
    #[schemars(skip)]
    notes: Notes,
}

impl TransferRecord {
    /// The result of `ssh_upload` and `ssh_download`: the transfer is done, or continues as a job.
    pub(super) fn of_call(report: &TransferReport) -> Self {
        let state = match report.summary {
            Some(_) => TransferState::Done,
            None => TransferState::Running,
        };
        Self {
            job: report.job.clone(),
            reconnected: report.reconnected,
            ..Self::new(
                report.session.to_string(),
                state,
                &report.transfer,
                report.summary.as_ref(),
                report.elapsed,
            )
        }
    }

    /// The result of `ssh_output` of a transfer's job.
    pub(super) fn of_job(
        (session, job): (String, String),
        state: TransferState,
        transfer: &TransferJob,
        elapsed: Duration,
    ) -> Self {
        let result = transfer.result();
        let summary = result.and_then(|result| result.as_ref().ok());
        let failure = result.and_then(|result| result.as_ref().err());
        Self {
            job: Some(job),
            error: failure.map(|failure| visible_line(&failure.to_string(), LINE_MAX_CHARS)),
            ..Self::new(session, state, transfer, summary, elapsed)
        }
    }

    fn new(
        session: String,
        state: TransferState,
        transfer: &TransferJob,
        summary: Option<&Summary>,
        elapsed: Duration,
    ) -> Self {
        let progress = &transfer.progress;
        let bytes = summary.map_or_else(|| progress.bytes(), |summary| summary.bytes);
        let resumed_bytes = summary.map_or(0, |summary| summary.resumed_bytes.min(bytes));
        let (local, remote) = match summary {
            Some(summary) => (&summary.local_path, &summary.remote_path),
            None => (&transfer.local, &transfer.remote),
        };
        Self {
            session,
            direction: transfer.direction,
            local_path: local.clone(),
            remote_path: remote.clone(),
            state,
            job: None,
            files: summary.map_or_else(|| progress.files(), |summary| summary.files),
            directories: summary.map_or(0, |summary| summary.directories),
            bytes,
            total_bytes: progress.total().max(bytes),
            skipped: summary.map_or(0, |summary| summary.skipped),
            resumed: resumed_bytes > 0,
            resumed_bytes,
            verified: summary.map(|summary| summary.verified),
            duration_ms: millis(elapsed),
            bytes_per_second: rate(bytes - resumed_bytes, elapsed),
            reconnected: false,
            error: None,
            notes: summary.map_or_else(Notes::default, |summary| Notes::new(&summary.notes)),
        }
    }

    /// `uploaded /a to /b: 1 file, 12.3 MB in 0.50 s (24.6 MB/s), sizes compared`
    fn done(&self) -> String {
        let (verb, from, to) = match self.direction {
            Direction::Upload => ("uploaded", &self.local_path, &self.remote_path),
            Direction::Download => ("downloaded", &self.remote_path, &self.local_path),
        };
        let (from, to) = (path(from), path(to));
        let mut text = format!("{verb} {from} to {to}: {}", count(self.files, "file"));
        match self.directories {
            0 => {}
            1 => text.push_str(", 1 directory"),
            many => text.push_str(&format!(", {many} directories")),
        }
        text.push_str(&format!(
            ", {} in {} ({}/s), {}",
            size(self.bytes),
            self.duration(),
            size(self.bytes_per_second),
            match self.verified {
                Some(Verify::Sha256) => "sha256 compared",
                Some(Verify::Size) | None => "sizes compared",
            }
        ));
        if self.resumed {
            let part = size(self.resumed_bytes);
            text.push_str(&format!(", {part} of it were there from an earlier call"));
        }
        if self.skipped > 0 {
            text.push_str(&format!(", {} skipped", self.skipped));
        }
        text
    }

    /// `still running after 25.00 s as job web-7: 1.2 MB of 4.8 MB (25 %), 0 files done; …`
    fn running(&self) -> String {
        let job = self.job.as_deref().unwrap_or_default();
        let share = match self.total_bytes {
            0 => String::new(),
            total => format!(" ({:.0} %)", self.bytes as f64 / total as f64 * 100.0),
        };
        format!(
            "still running after {} as job {job}: {} of {}{share}, {} done; ssh_output(job: \"{job}\", waitMs: 25000) waits for its end",
            self.duration(),
            size(self.bytes),
            size(self.total_bytes),
            count(self.files, "file"),
        )
    }

    fn cancelled(&self) -> String {
        match &self.error {
            Some(error) => format!("{error}, after {}", self.duration()),
            None => "the transfer was stopped".to_owned(),
        }
    }

    fn duration(&self) -> String {
        seconds(Duration::from_millis(self.duration_ms))
    }
}

impl Record for TransferRecord {
    fn text(&self) -> String {
        let mut text = match self.state {
            TransferState::Done => self.done(),
            TransferState::Running => self.running(),
            TransferState::Cancelled => self.cancelled(),
        };
        text.push_str(&format!(" (session {}", self.session));
        // The text of a running transfer names the job itself.
        if let Some(job) = &self.job
            && self.state != TransferState::Running
        {
            text.push_str(&format!(", job {job}"));
        }
        if self.reconnected {
            text.push_str("; connected first");
        }
        text.push(')');
        text
    }

    fn notes(&self) -> &Notes {
        &self.notes
    }
}

fn path(path: &str) -> String {
    visible_line(path, PATH_MAX_CHARS)
}

fn rate(bytes: u64, elapsed: Duration) -> u64 {
    (bytes as f64 / elapsed.as_secs_f64().max(0.001)) as u64
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn direction_word<S: Serializer>(direction: &Direction, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(direction.as_str())
}

fn verify_word<S: Serializer>(verify: &Option<Verify>, serializer: S) -> Result<S::Ok, S::Error> {
    verify.map(Verify::as_str).serialize(serializer)
}
