//! One running command: its channel, its output, and the caller that waits for it.
//!
//! A temporary child of its session: it is never restarted, because a command is never run twice. A task owns
//! the channel and drains it ([`task`]); the actor decides who is told what, and when; the [`mod@record`] is what
//! remains when both are gone.

pub(crate) mod deadlines;
pub(crate) mod message;
pub mod outcome;
pub mod record;
pub mod report;
pub(crate) mod retention;
mod task;
pub mod transfer;

use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::deadlines::Deadlines;
use self::message::{JobMessage, TaskEnd};
use self::outcome::Outcome;
use self::record::{Ended, JobParts, JobRecord};
use self::report::CommandReport;
pub(crate) use self::task::Route;
use self::task::Task;
use super::error::SessionError;
use super::request::{ExecReply, ExecRequest, QueuedExec, RunIn};
use super::session::message::SessionMessage;
use crate::error::Fate;
use crate::limits;
use crate::metrics::{self, CommandOutcome, CommandTool};
use crate::output::Stream;
use crate::ssh::command::{self, CommandLine};
use crate::ssh::disconnect::Disconnect;
use crate::ssh::ending::{KillReport, Signal};
use crate::ssh::exec::{End, Finished, Input, Terminal};
use crate::store::SessionName;

/// Bytes of JSON that one byte of output can become: `\\x00` and its escapes.
const ESCAPE_FACTOR: usize = 6;

/// Everything a job needs.
pub(crate) struct JobArguments {
    pub(crate) session: ActorRef<SessionMessage>,
    pub(crate) number: u64,
    pub(crate) exec: QueuedExec,
    pub(crate) line: CommandLine,
    pub(crate) route: Route,
    pub(crate) record: Arc<JobRecord>,
    pub(crate) ends: RecordEnds,
}

/// The ends of a record's queues that the task reads.
pub(crate) struct RecordEnds {
    input: mpsc::Receiver<Input>,
    signals: mpsc::Receiver<Signal>,
}

/// The actor.
pub(crate) struct JobActor;

/// What it remembers.
pub(crate) struct JobState {
    session: ActorRef<SessionMessage>,
    number: u64,
    exec: QueuedExec,
    /// Stands on stderr when the directory could not be entered.
    cwd_failure: Option<String>,
    record: Arc<JobRecord>,
    stop: CancellationToken,
    caller: Option<ExecReply>,
    /// It was given to its caller as a job.
    handed_over: bool,
    stoppers: Vec<RpcReplyPort<()>>,
    timed_out: Option<Duration>,
    /// Its end was counted, or will be under its next number.
    counted: bool,
    /// Ends the timers and the watch on the caller with the actor.
    _ended: DropGuard,
    /// Ends the command if the actor is dropped in the middle.
    _abandoned: DropGuard,
}

impl Actor for JobActor {
    type Msg = JobMessage;
    type State = JobState;
    type Arguments = JobArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<JobMessage>,
        mut arguments: JobArguments,
    ) -> Result<JobState, ActorProcessingErr> {
        let ended = CancellationToken::new();
        let stop = CancellationToken::new();
        arguments
            .exec
            .request
            .watch
            .set(arguments.record.output.clone());
        let request = &arguments.exec.request;
        let watch = Deadlines {
            cancel: request.cancel.clone(),
            wait_until: arguments.exec.received + request.wait,
            timeout: request.timeout,
        };
        watch.tell(myself.clone(), ended.clone());
        let task = Task {
            job: myself,
            route: arguments.route,
            line: arguments.line.line,
            terminal: arguments.exec.request.pty.then(Terminal::default),
            stop: stop.clone(),
            deadline: arguments.exec.deadline,
            record: Arc::clone(&arguments.record),
            input: arguments.ends.input,
            signals: arguments.ends.signals,
        };
        tokio::spawn(task.run());
        Ok(JobState {
            session: arguments.session,
            number: arguments.number,
            caller: arguments.exec.reply.take(),
            exec: arguments.exec,
            cwd_failure: arguments.line.cwd_failure,
            record: arguments.record,
            _abandoned: stop.clone().drop_guard(),
            stop,
            handed_over: false,
            stoppers: Vec::new(),
            timed_out: None,
            counted: false,
            _ended: ended.drop_guard(),
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<JobMessage>,
        message: JobMessage,
        state: &mut JobState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            JobMessage::Stop { reply } => {
                state.stoppers.push(reply);
                state.stop.cancel();
            }
            // Once it was handed over as a job, a command goes on without its caller.
            JobMessage::CallerCancelled if state.caller.is_some() => state.stop.cancel(),
            JobMessage::CallerCancelled => {}
            JobMessage::WaitOver => state.hand_over(),
            JobMessage::TimeoutOver { after } => {
                state.timed_out = Some(after);
                state.stop.cancel();
            }
            // In a shell it was noted at that moment.
            JobMessage::Sent if state.record.in_shell => {}
            JobMessage::Sent => state.record.note_sent(),
            JobMessage::Ended(end) => {
                state.finish(end);
                myself.stop(None);
            }
        }
        Ok(())
    }
}

impl Drop for JobState {
    /// An actor that is killed with its session leaves a record that says so: nobody waits for it in vain.
    fn drop(&mut self) {
        if self.record.ended().is_none() {
            self.note_ended(Err(self.failed()), false);
            self.count(Err(&self.failed()));
        }
    }
}

impl JobState {
    /// Answers the caller with what there is so far; the command goes on.
    fn hand_over(&mut self) {
        if let Some(caller) = self.caller.take() {
            self.handed_over = true;
            // A caller that is gone needs no answer.
            let _ = caller.send(self.record.report());
        }
    }

    fn finish(&mut self, end: TaskEnd) {
        let answer = match end {
            TaskEnd::NotSent(reason) => self.requeue(reason),
            TaskEnd::NoChannel(error) => Some(Err(SessionError::Channel { error })),
            TaskEnd::NoShell(error) => Some(Err(SessionError::NoShell { error })),
            TaskEnd::GivenUp => Some(Err(self.given_up())),
            TaskEnd::Finished(finished) => Some(self.judge(finished)),
            // A command is not told of a transfer.
            TaskEnd::Failed | TaskEnd::Transferred(_) => Some(Err(self.failed())),
        };
        if let Some(answer) = answer {
            self.conclude(answer);
        }
        for stopper in self.stoppers.drain(..) {
            let _ = stopper.send(());
        }
    }

    /// Tells the caller and the session. A job that was handed over, or of whose output something may have been
    /// left out, can still be asked for.
    fn conclude(&mut self, answer: Result<CommandReport, SessionError>) {
        if let Err(error) = &answer {
            self.note_ended(Err(error.clone()), false);
        }
        self.count(answer.as_ref().map(|report| &report.outcome));
        // Escapes make text longer, so less than was asked for may fit into the result.
        let shown_whole = self
            .exec
            .request
            .shown_bytes
            .min(limits::RESULT_TEXT_MAX_BYTES / ESCAPE_FACTOR);
        let left_out = self.record.output.lock().len(None) > shown_whole as u64;
        let keep = self.handed_over || (answer.is_ok() && left_out);
        // The session may be ending too.
        let _ = self.session.send_message(SessionMessage::JobEnded {
            number: self.number,
            keep,
        });
        if let Some(caller) = self.caller.take() {
            let answer = answer.map(|report| CommandReport {
                record: report.record.filter(|_| keep),
                ..report
            });
            let _ = caller.send(answer);
        }
    }

    /// Gives an unsent command back to the session, once; tells the error when that was done before. One that
    /// was handed over already has a name that its caller knows, so it ends under that name.
    fn requeue(&mut self, reason: Disconnect) -> Option<Result<CommandReport, SessionError>> {
        if self.exec.sent_before || self.handed_over || self.stop.is_cancelled() {
            return Some(Err(SessionError::LostBeforeSend(reason)));
        }
        self.counted = true;
        let exec = QueuedExec {
            request: self.exec.request.clone(),
            reply: self.caller.take(),
            taken: Arc::clone(&self.exec.taken),
            sent_before: true,
            reconnected: true,
            ..self.exec
        };
        let _ = self.session.send_message(SessionMessage::JobEnded {
            number: self.number,
            keep: false,
        });
        let _ = self.session.send_message(SessionMessage::Requeue(exec));
        None
    }

    fn count(&mut self, outcome: Result<&Outcome, &SessionError>) {
        if !std::mem::replace(&mut self.counted, true) {
            let took = self.record.running_for();
            let tool = if self.record.in_shell {
                CommandTool::Shell
            } else {
                CommandTool::Exec
            };
            metrics::command_ended(tool, counted_as(outcome), took);
        }
    }

    fn given_up(&self) -> SessionError {
        let name = self.record.session.clone();
        match self.timed_out {
            Some(waited) => SessionError::NotStarted { name, waited },
            None => SessionError::Ended {
                name,
                fate: Fate::NotSent,
            },
        }
    }

    fn failed(&self) -> SessionError {
        let fate = if self.record.is_sent() {
            Fate::Unknown
        } else {
            Fate::NotSent
        };
        SessionError::Crashed {
            name: self.record.session.clone(),
            fate,
        }
    }

    fn judge(&self, finished: Finished) -> Result<CommandReport, SessionError> {
        if let (End::Exited(1), Some(cwd)) = (&finished.end, &self.record.cwd)
            && let Some(reason) = self.directory_failure()
        {
            return Err(SessionError::BadDirectory {
                cwd: cwd.clone(),
                reason,
            });
        }
        let outcome = match finished.end {
            End::Refused => return Err(SessionError::ExecRefused),
            End::Lost(reason) => Outcome::ConnectionLost(reason),
            end => self.outcome(end, finished.kill),
        };
        self.note_ended(Ok(outcome), finished.held_by_background);
        self.record.report()
    }

    fn note_ended(&self, outcome: Result<Outcome, SessionError>, held_by_background: bool) {
        let elapsed = self.record.running_for();
        self.record.note_ended(Ended {
            outcome,
            elapsed,
            held_by_background,
        });
    }

    /// A command that was told to end is reported as such, however it took it.
    fn outcome(&self, end: End, kill: Option<KillReport>) -> Outcome {
        match (self.timed_out, end) {
            // It was faster than the end that was meant for it.
            (_, End::Exited(status)) if kill.is_none() => Outcome::Exited(status),
            (_, End::Signaled(signal)) if kill.is_none() => Outcome::Signaled(signal),
            (Some(after), _) => Outcome::TimedOut { after, kill },
            (None, End::Signaled(signal)) if !self.stop.is_cancelled() => Outcome::Signaled(signal),
            _ => Outcome::Cancelled(kill),
        }
    }

    /// The remote shell's words, when the wrapper's token says that the directory could not be entered.
    fn directory_failure(&self) -> Option<String> {
        let token = self.cwd_failure.as_deref()?;
        let output = self.record.output.lock();
        let page = output.read(Some(Stream::Stderr), 0, limits::OUTPUT_DEFAULT_BYTES);
        let bytes = page.bytes();
        let text = String::from_utf8_lossy(&bytes);
        // On a terminal, errors come on stdout; then the message is shown as it is.
        let words = text.strip_suffix(&format!("{token}\n"))?.trim();
        let words = if words.is_empty() {
            "no reason given"
        } else {
            words
        };
        Some(crate::ssh::peer_text::one_line(words))
    }
}

fn counted_as(outcome: Result<&Outcome, &SessionError>) -> CommandOutcome {
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

/// The command line of a request, with a fresh token. In a shell it is the command itself.
pub(crate) fn prepare(request: &ExecRequest, run_in: RunIn) -> Result<CommandLine, SessionError> {
    if run_in == RunIn::Shell {
        return Ok(command::shell_line(&request.command)?);
    }
    Ok(command::command_line(
        &request.command,
        request.cwd.as_deref(),
        &request.env,
        &command::token(),
    )?)
}

/// The record of a command that is about to start, and the ends that belong to its job.
pub(crate) fn record(
    session: &SessionName,
    number: u64,
    exec: &QueuedExec,
) -> (Arc<JobRecord>, RecordEnds) {
    let (sender, input) = mpsc::channel(limits::JOB_INPUT_QUEUE);
    let (signals, signal_receiver) = mpsc::channel(limits::JOB_INPUT_QUEUE);
    if let Some(text) = &exec.request.stdin {
        // The queue is empty and its receiver is alive.
        let _ = sender.try_send(Input::Data(text.clone().into_bytes().into()));
    }
    let parts = JobParts {
        name: format!("{session}-{number}"),
        session: session.clone(),
        command: exec.request.command.clone(),
        cwd: exec.request.cwd.clone(),
        pty: exec.request.pty,
        in_shell: exec.run_in == RunIn::Shell,
        reconnected: exec.reconnected,
        input: exec.request.interactive.then_some(sender),
        signals,
        transfer: None,
    };
    (
        JobRecord::new(parts),
        RecordEnds {
            input,
            signals: signal_receiver,
        },
    )
}

/// A job asked to stop, with a bound.
pub(crate) async fn stop(job: &ActorRef<JobMessage>) {
    let limit = limits::KILL_TIMEOUT + Duration::from_secs(1);
    // A job that is gone has stopped.
    let _ = super::rpc::call_within(job, limit, |reply| JobMessage::Stop { reply }).await;
}
