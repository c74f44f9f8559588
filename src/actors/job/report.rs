//! Reports of jobs for the tools: a command or a transfer, running or ended.

use std::sync::Arc;
use std::time::Duration;

use super::ended_by::EndedBy;
use super::outcome::{Outcome, ShellFacts};
use super::record::{Ended, JobRecord};
use super::transfer::TransferJob;
use crate::actors::error::SessionError;
use crate::actors::output::SharedOutput;
use crate::ssh::transfer::Summary;
use crate::store::SessionName;

/// A command as it stands.
#[derive(Debug, Clone)]
pub struct CommandReport {
    /// Name of the session.
    pub session: SessionName,
    /// Name of the job.
    pub job: String,
    /// The job, if `ssh_output` can still find it.
    pub record: Option<Arc<JobRecord>>,
    /// How the command ended, or [`Outcome::Running`].
    pub outcome: Outcome,
    /// How the process ended by the host's account, where the outcome is that it was told to end.
    pub own_end: Option<Outcome>,
    /// Who ended the command, if it did not end by itself.
    pub ended_by: Option<EndedBy>,
    /// Time from the exec request to the end, or until now.
    pub elapsed: Duration,
    /// The directory as given; in a shell, the directory after the command.
    pub cwd: Option<String>,
    /// The output so far.
    pub output: SharedOutput,
    /// The command ran on a terminal.
    pub pty: bool,
    /// A background process of the command still held the output.
    pub held_by_background: bool,
    /// The session had to connect first.
    pub reconnected: bool,
    /// The state of the shell, for a command that ran in the session's shell.
    pub shell: Option<ShellFacts>,
}

/// A transfer as it stands.
#[derive(Debug, Clone)]
pub struct TransferReport {
    /// Name of the session.
    pub session: SessionName,
    /// Name of the job, if `ssh_output` can find it.
    pub job: Option<String>,
    /// Paths and progress.
    pub transfer: Arc<TransferJob>,
    /// The result, once the copy is complete.
    pub summary: Option<Summary>,
    /// Time from the start to the end, or until now.
    pub elapsed: Duration,
    /// The session had to connect first.
    pub reconnected: bool,
}

impl JobRecord {
    /// The command as it stands now, or the reason why nothing ran.
    pub fn report(self: &Arc<Self>) -> Result<CommandReport, SessionError> {
        let ended = self.ended().unwrap_or_else(|| Ended {
            outcome: Ok(Outcome::Running),
            elapsed: self.running_for(),
            held_by_background: false,
            own_end: None,
            ended_by: None,
        });
        Ok(CommandReport {
            session: self.session.clone(),
            job: self.name.clone(),
            record: Some(Arc::clone(self)),
            outcome: ended.outcome?,
            own_end: ended.own_end,
            ended_by: ended.ended_by,
            elapsed: ended.elapsed,
            cwd: self.kind.cwd(),
            shell: self.kind.shell(),
            output: self.output.clone(),
            pty: self.has_terminal(),
            held_by_background: ended.held_by_background,
            reconnected: self.reconnected,
        })
    }
}

impl TransferReport {
    /// The transfer as it stands now, or the error that ended the transfer.
    pub(super) fn from_record(
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
