//! Reports of jobs for the tools: a command or a transfer, running or ended.

use std::sync::Arc;
use std::time::Duration;

use super::outcome::{Outcome, ShellFacts};
use super::record::JobRecord;
use super::transfer::TransferJob;
use crate::actors::error::SessionError;
use crate::actors::output::SharedOutput;
use crate::ssh::transfer::Summary;
use crate::store::SessionName;

/// What became of a command.
#[derive(Debug, Clone)]
pub struct CommandReport {
    /// Name of the session.
    pub session: SessionName,
    /// Name of the job.
    pub job: String,
    /// The job, if it can still be asked for.
    pub record: Option<Arc<JobRecord>>,
    /// How it ended, or that it has not.
    pub outcome: Outcome,
    /// From the exec request to the end, or until now.
    pub elapsed: Duration,
    /// Directory as given.
    pub cwd: Option<String>,
    /// What it has printed.
    pub output: SharedOutput,
    /// It ran on a terminal.
    pub pty: bool,
    /// A process that it left behind still held its output.
    pub held_by_background: bool,
    /// The session had to connect first.
    pub reconnected: bool,
    /// Of a command of the session's shell.
    pub shell: Option<ShellFacts>,
}

/// How a transfer stands.
#[derive(Debug, Clone)]
pub struct TransferReport {
    /// Name of the session.
    pub session: SessionName,
    /// Name of the job, if it can be asked for.
    pub job: Option<String>,
    /// What it does and how far it is.
    pub transfer: Arc<TransferJob>,
    /// What it did, once it is done.
    pub summary: Option<Summary>,
    /// From its start to its end, or until now.
    pub elapsed: Duration,
    /// The session had to connect first.
    pub reconnected: bool,
}

impl JobRecord {
    /// The command as it stands now, or why it never ran.
    pub fn report(self: &Arc<Self>) -> Result<CommandReport, SessionError> {
        let (outcome, elapsed, held_by_background) = match self.ended() {
            Some(ended) => (ended.outcome?, ended.elapsed, ended.held_by_background),
            None => (Outcome::Running, self.running_for(), false),
        };
        Ok(CommandReport {
            session: self.session.clone(),
            job: self.name.clone(),
            record: Some(Arc::clone(self)),
            outcome,
            elapsed,
            cwd: self.kind.cwd(),
            shell: self.kind.shell(),
            output: self.output.clone(),
            pty: self.has_terminal(),
            held_by_background,
            reconnected: self.reconnected,
        })
    }
}

impl TransferReport {
    /// A transfer as it stands now, or why it failed.
    pub(super) fn of(
        record: &JobRecord,
        transfer: &Arc<TransferJob>,
        can_be_asked: bool,
    ) -> Result<Self, SessionError> {
        let (summary, elapsed) = match record.ended() {
            None => (None, record.running_for()),
            Some(ended) => {
                ended.outcome?;
                let result = transfer.result().ok_or_else(|| record.crashed())?;
                (result.as_ref().ok().cloned(), ended.elapsed)
            }
        };
        Ok(Self {
            session: record.session.clone(),
            job: can_be_asked.then(|| record.name.clone()),
            transfer: Arc::clone(transfer),
            summary,
            elapsed,
            reconnected: record.reconnected,
        })
    }
}
