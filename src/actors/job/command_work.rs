//! A command as the work of a job: its end and its report.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::command::{CommandWork, RunIn};
use super::command_task::{self, CommandEnd, Route};
use super::kind::JobKind;
use super::outcome::Outcome;
use super::record::{JobDescription, JobRecord};
use super::report::CommandReport;
use super::work::{JobFacts, JobTask, JobWork, Verdict};
use crate::actors::error::SessionError;
use crate::error::Fate;
use crate::limits;
use crate::metrics::{self, CommandOutcome, CommandTool};
use crate::output::Stream;
use crate::ssh::ending::KillReport;
use crate::ssh::exec::{End, Finished};
use crate::ssh::peer_text;

/// Bytes of JSON that one byte of output can become: `\\x00` and its escapes.
const ESCAPE_FACTOR: usize = 6;
/// Exit status of the wrapper when the directory cannot be entered.
const CWD_FAILURE_STATUS: u32 = 1;

impl JobWork for CommandWork {
    type Report = CommandReport;
    type Resources = Route;
    type End = CommandEnd;

    fn timeout(&self) -> Option<Duration> {
        self.request.timeout
    }

    fn hand_over(&self) -> Option<CancellationToken> {
        Some(self.request.hand_over.clone())
    }

    fn describe(&self) -> JobDescription {
        let kind = match self.run_in {
            RunIn::Channel => JobKind::Command {
                cwd: self.request.cwd.clone(),
                pty: self.request.pty,
            },
            RunIn::Shell => JobKind::ShellCommand {
                shell: Default::default(),
            },
        };
        JobDescription {
            kind,
            command: self.request.command.clone(),
            stdin: self.request.stdin.clone(),
            interactive: self.request.interactive,
        }
    }

    fn show_to_watchers(&self, record: &JobRecord) {
        self.request.watch.set(record.output.clone());
    }

    async fn carry_out(task: JobTask<Self>) -> CommandEnd {
        command_task::run_command(task).await
    }

    fn judge(&self, job: &JobFacts<'_>, end: Option<CommandEnd>) -> Verdict {
        match end {
            Some(CommandEnd::LinkWasDead(reason)) => {
                Verdict::NotSent(SessionError::LostBeforeSend(reason))
            }
            Some(CommandEnd::NoChannel(error)) => Verdict::failed(SessionError::Channel { error }),
            Some(CommandEnd::NoShell(error)) => Verdict::failed(SessionError::NoShell { error }),
            Some(CommandEnd::NoDirectory(reason)) => Verdict::failed(SessionError::BadDirectory {
                cwd: self.request.cwd.clone().unwrap_or_default(),
                reason,
            }),
            Some(CommandEnd::GivenUp) => Verdict::failed(given_up(job)),
            Some(CommandEnd::Finished(finished)) => self.judge_finished(job, finished),
            Some(CommandEnd::ShellFailed) | None => Verdict::failed(job.record.crashed()),
        }
    }

    fn has_more_output(&self, record: &JobRecord) -> bool {
        // Escapes make text longer, so less than was asked for may fit into the result.
        let shown_whole = self
            .request
            .shown_bytes
            .min(limits::RESULT_TEXT_MAX_BYTES / ESCAPE_FACTOR);
        record.output.lock().len(None) > shown_whole as u64
    }

    fn report(
        &self,
        record: &Arc<JobRecord>,
        can_be_asked: bool,
    ) -> Result<CommandReport, SessionError> {
        let report = record.report()?;
        Ok(CommandReport {
            record: report.record.filter(|_| can_be_asked),
            ..report
        })
    }

    fn count_end(&self, outcome: Result<&Outcome, &SessionError>, took: Duration) {
        let tool = match self.run_in {
            RunIn::Channel => CommandTool::Exec,
            RunIn::Shell => CommandTool::Shell,
        };
        metrics::command_ended(tool, metric_outcome(outcome), took);
    }
}

impl CommandWork {
    fn judge_finished(&self, job: &JobFacts<'_>, finished: Finished) -> Verdict {
        if finished.end == End::Exited(CWD_FAILURE_STATUS)
            && let Some(cwd) = &self.request.cwd
            && let Some(reason) = self.directory_failure(job.record)
        {
            return Verdict::failed(SessionError::BadDirectory {
                cwd: cwd.clone(),
                reason,
            });
        }
        let own_end = match finished.end {
            End::Exited(status) => Some(Outcome::Exited(status)),
            End::Signaled(signal) => Some(Outcome::Signaled(signal)),
            _ => None,
        };
        let outcome = match finished.end {
            End::Refused => return Verdict::failed(SessionError::ExecRefused),
            End::Lost(reason) => Outcome::ConnectionLost(reason),
            end => outcome_of(job, end, finished.kill),
        };
        Verdict::Ended {
            outcome: Ok(outcome),
            held_by_background: finished.held_by_background,
            own_end,
        }
    }

    /// The remote shell's message, when the wrapper's token says that the directory could not be entered.
    fn directory_failure(&self, record: &JobRecord) -> Option<String> {
        let token = self.line.cwd_failure.as_deref()?;
        let output = record.output.lock();
        let page = output.read(Some(Stream::Stderr), 0, limits::OUTPUT_DEFAULT_BYTES);
        let bytes = page.bytes();
        let text = String::from_utf8_lossy(&bytes);
        // On a terminal, errors come on stdout; then the message stays in the output.
        let message = text.strip_suffix(&format!("{token}\n"))?.trim();
        let message = if message.is_empty() {
            "no reason given"
        } else {
            message
        };
        Some(peer_text::one_line(message))
    }
}

/// The error of a command that was ended before it was sent.
fn given_up(job: &JobFacts<'_>) -> SessionError {
    let name = job.record.session.clone();
    match job.timed_out {
        Some(waited) => SessionError::NotStarted { name, waited },
        None => SessionError::Ended {
            name,
            fate: Fate::NotSent,
        },
    }
}

/// The outcome of a command that ran. A command that was told to end is reported as ended, whatever its exit status.
fn outcome_of(job: &JobFacts<'_>, end: End, kill: Option<KillReport>) -> Outcome {
    match (job.timed_out, end) {
        // The command ended by itself, before the end that was meant for it.
        (_, End::Exited(status)) if kill.is_none() => Outcome::Exited(status),
        (_, End::Signaled(signal)) if kill.is_none() => Outcome::Signaled(signal),
        (Some(after), _) => Outcome::TimedOut { after, kill },
        (None, End::Signaled(signal)) if !job.is_stopped => Outcome::Signaled(signal),
        _ => Outcome::Cancelled(kill),
    }
}

fn metric_outcome(outcome: Result<&Outcome, &SessionError>) -> CommandOutcome {
    match outcome {
        Ok(Outcome::Exited(_)) => CommandOutcome::Exited,
        Ok(Outcome::Signaled(_)) => CommandOutcome::Signaled,
        Ok(Outcome::TimedOut { .. }) => CommandOutcome::TimedOut,
        Ok(Outcome::Cancelled(_)) => CommandOutcome::Cancelled,
        Ok(Outcome::ConnectionLost(_)) => CommandOutcome::ConnectionLost,
        Err(error) if error.fate() == Fate::NotSent => CommandOutcome::NotRun,
        Ok(Outcome::Running) | Err(_) => CommandOutcome::Failed,
    }
}
