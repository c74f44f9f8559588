//! The facts of a command's result, free of locks: the status line and the record are made from these alone.

use std::time::Duration;

use super::shown::{Paging, Shown};
use crate::actors::job::ended_by::EndedBy;
use crate::actors::job::outcome::{Outcome, ShellFacts};
use crate::actors::job::record::JobRecord;
use crate::actors::job::report::CommandReport;
use crate::limits;
use crate::output::Stream;
use crate::ssh::disconnect::Disconnect;
use crate::text::visible_line;
use crate::tools::until::Until;

/// The description of a command's result.
#[derive(Debug, Clone)]
pub(super) struct CommandFacts<'a> {
    /// Name of the session.
    pub(super) session: &'a str,
    /// Name of the job.
    pub(super) job: &'a str,
    /// `ssh_output` can be called on the job.
    pub(super) is_kept: bool,
    /// The end of the command, or `Running`.
    pub(super) outcome: &'a Outcome,
    /// How the process ended by the host's account, where the outcome is that it was told to end.
    pub(super) own_end: Option<&'a Outcome>,
    /// Who ended the command, if it did not end by itself.
    pub(super) ended_by: Option<EndedBy>,
    /// The state of a command that is `Running`.
    pub(super) activity: Activity,
    /// From the exec request to the end, or until now.
    pub(super) elapsed: Duration,
    /// Directory as given, or that of the shell after the command.
    pub(super) cwd: Option<&'a str>,
    /// The session had to connect first.
    pub(super) reconnected: bool,
    /// The shell, for a command of `ssh_shell`.
    pub(super) shell: Option<&'a ShellFacts>,
    /// Reason for a lost connection, without words of the server.
    pub(super) lost_because: Option<&'a str>,
    /// The server's words at a disconnect, safe to show.
    pub(super) server_words: Option<String>,
    /// Bytes printed on stdout.
    pub(super) stdout_bytes: u64,
    /// Bytes printed on stderr.
    pub(super) stderr_bytes: u64,
    /// Reason why the output could not be kept whole.
    pub(super) degraded: Option<String>,
    /// A process that the command left behind still held its output.
    pub(super) held_by_background: bool,
    /// Bytes that the result leaves out.
    pub(super) omitted: u64,
    /// Characters and bytes that were rewritten.
    pub(super) escaped: u64,
    /// The end of the page, where the output is read in pages.
    pub(super) paging: Option<Paging>,
    /// The result of `until`, where the call has one.
    pub(super) until: Option<Until>,
    /// A remark on the selection of output.
    pub(super) remark: Option<&'a str>,
}

/// The state of a command that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activity {
    /// The command was not sent, because no channel is free.
    WaitsForChannel,
    /// The command seems to wait for input.
    WaitsForInput,
    /// The command runs.
    Runs,
}

impl<'a> CommandFacts<'a> {
    /// The outcome for programs: a command that was ended by a call other than its own keeps its own outcome.
    pub(super) fn own_outcome(&self) -> &'a Outcome {
        match (self.outcome, self.own_end) {
            (Outcome::Cancelled(_), Some(own_end)) => own_end,
            (outcome, _) => outcome,
        }
    }

    /// Gathers the facts. The output is looked at under one lock.
    pub(super) fn new(report: &'a CommandReport, shown: &'a Shown) -> Self {
        let record = report.record.as_deref();
        let is_running = report.outcome == Outcome::Running;
        let activity = record
            .filter(|_| is_running)
            .map_or(Activity::Runs, activity);
        let (lost_because, server_words) = match &report.outcome {
            Outcome::ConnectionLost(reason) => (Some(reason.own_words()), server_words(reason)),
            _ => (None, None),
        };
        let output = report.output.lock();
        Self {
            session: report.session.as_str(),
            job: &report.job,
            is_kept: record.is_some(),
            outcome: &report.outcome,
            own_end: report.own_end.as_ref(),
            ended_by: report.ended_by,
            activity,
            elapsed: report.elapsed,
            cwd: report.cwd.as_deref(),
            reconnected: report.reconnected,
            shell: report.shell.as_ref(),
            lost_because,
            server_words,
            stdout_bytes: output.len(Some(Stream::Stdout)),
            stderr_bytes: output.len(Some(Stream::Stderr)),
            degraded: output
                .degraded()
                .map(|reason| visible_line(reason, limits::QUOTED_TEXT_MAX_CHARS)),
            held_by_background: report.held_by_background,
            omitted: shown.omitted,
            escaped: shown.escaped,
            paging: shown.paging,
            until: shown.until,
            remark: shown.remark.as_deref(),
        }
    }
}

fn activity(record: &JobRecord) -> Activity {
    if !record.is_sent() {
        Activity::WaitsForChannel
    } else if record.is_at_prompt() {
        Activity::WaitsForInput
    } else {
        Activity::Runs
    }
}

/// The server's words in its disconnect message.
fn server_words(reason: &Disconnect) -> Option<String> {
    let text = &reason.server_message()?.text;
    (!text.is_empty()).then(|| visible_line(text, limits::QUOTED_TEXT_MAX_CHARS))
}
