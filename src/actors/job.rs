//! One running command: its channel, its output, and the caller that waits for it.
//!
//! A temporary child of its session: it is never restarted, because a command is never run twice. A task owns
//! the channel and drains it; the actor decides who is told what, and when.

use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::error::SessionError;
use super::report::{CommandReport, ExecRequest, Outcome, SharedOutput};
use super::session::message::{QueuedExec, SessionMessage};
use crate::limits;
use crate::ssh::channel::{ChannelError, Channels};
use crate::ssh::command::{self, CommandLine};
use crate::ssh::exec::{self, End, Finished, Input};
use crate::ssh::kill::KillReport;
use crate::store::SessionName;
use crate::store::output::Stream;

/// Answer to an `ssh_exec`.
pub(crate) type ExecReply = RpcReplyPort<Result<CommandReport, SessionError>>;

/// What a job is told.
#[derive(Debug)]
pub(crate) enum JobMessage {
    /// End the command and answer when it is gone.
    Stop {
        /// Answered with nothing: the end itself is what counts.
        reply: RpcReplyPort<()>,
    },
    /// The caller gave up.
    CallerCancelled,
    /// The command has had its time, or its caller has waited for as long as it wanted.
    TimeOver {
        /// The time that it had.
        after: Duration,
    },
    /// The exec request went out.
    Sent,
    /// The task has come to its end.
    Ended(TaskEnd),
}

/// How the task that owns the channel ended.
#[derive(Debug)]
pub(crate) enum TaskEnd {
    /// The link was dead before the request went out: it may be sent over another one.
    NotSent(String),
    /// No channel could be had.
    NoChannel(ChannelError),
    /// It was given up before it was sent.
    GivenUp,
    /// The command ran.
    Finished(Finished),
}

/// Everything a job needs.
pub(crate) struct JobArguments {
    pub(crate) session_name: SessionName,
    pub(crate) session: ActorRef<SessionMessage>,
    pub(crate) number: u64,
    pub(crate) exec: QueuedExec,
    pub(crate) channels: Arc<Channels>,
}

/// The actor.
pub(crate) struct JobActor;

/// What it remembers.
pub(crate) struct JobState {
    name: String,
    arguments: JobArguments,
    output: SharedOutput,
    line: CommandLine,
    started: Instant,
    stop: CancellationToken,
    caller: Option<ExecReply>,
    stoppers: Vec<RpcReplyPort<()>>,
    timed_out: Option<Duration>,
    /// Ends the timers and the watch on the caller with the actor.
    _ended: DropGuard,
    /// Ends the command if the actor is dropped in the middle.
    _abandoned: DropGuard,
}

impl Actor for JobActor {
    type Msg = JobMessage;
    type State = JobState;
    type Arguments = (JobArguments, CommandLine);

    async fn pre_start(
        &self,
        myself: ActorRef<JobMessage>,
        (mut arguments, line): (JobArguments, CommandLine),
    ) -> Result<JobState, ActorProcessingErr> {
        let ended = CancellationToken::new();
        let stop = CancellationToken::new();
        let output = SharedOutput::default();
        arguments.exec.request.output.set(output.clone());
        watch_caller(&myself, &arguments.exec, &ended);
        tokio::spawn(run_command(
            myself,
            Arc::clone(&arguments.channels),
            line.line.clone(),
            arguments.exec.request.stdin.take(),
            stop.clone(),
            arguments.exec.deadline,
            output.clone(),
        ));
        Ok(JobState {
            name: format!("{}-{}", arguments.session_name, arguments.number),
            caller: arguments.exec.reply.take(),
            arguments,
            output,
            line,
            started: Instant::now(),
            _abandoned: stop.clone().drop_guard(),
            stop,
            stoppers: Vec::new(),
            timed_out: None,
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
            JobMessage::TimeOver { after } => {
                state.timed_out.get_or_insert(after);
                state.stop.cancel();
            }
            JobMessage::Sent => state.started = Instant::now(),
            JobMessage::Ended(end) => {
                state.finish(end);
                myself.stop(None);
            }
        }
        Ok(())
    }
}

impl JobState {
    fn finish(&mut self, end: TaskEnd) {
        let session = self.arguments.session.clone();
        let answer = match end {
            TaskEnd::NotSent(reason) => self.requeue(reason).map(Err),
            TaskEnd::NoChannel(error) => Some(Err(SessionError::Channel { error })),
            TaskEnd::GivenUp => Some(Err(self.ended_error())),
            TaskEnd::Finished(finished) => Some(self.judge(finished)),
        };
        if let (Some(answer), Some(caller)) = (answer, self.caller.take()) {
            let _ = caller.send(answer);
        }
        for stopper in self.stoppers.drain(..) {
            let _ = stopper.send(());
        }
        // The session may be ending too.
        let _ = session.send_message(SessionMessage::JobEnded {
            number: self.arguments.number,
        });
    }

    /// Gives an unsent command back to the session, once; tells the error when that was done before.
    fn requeue(&mut self, reason: String) -> Option<SessionError> {
        if self.arguments.exec.sent_before {
            return Some(SessionError::LostBeforeSend(reason));
        }
        let exec = QueuedExec {
            request: self.arguments.exec.request.clone(),
            reply: self.caller.take(),
            sent_before: true,
            reconnected: true,
            ..self.arguments.exec
        };
        let _ = self
            .arguments
            .session
            .send_message(SessionMessage::Requeue(exec));
        None
    }

    fn ended_error(&self) -> SessionError {
        SessionError::Ended {
            name: self.arguments.session_name.clone(),
            fate: crate::error::Fate::NotSent,
        }
    }

    fn judge(&self, finished: Finished) -> Result<CommandReport, SessionError> {
        if let (End::Exited(1), Some(cwd)) = (&finished.end, &self.arguments.exec.request.cwd)
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
        Ok(self.report(outcome, finished.held_by_background))
    }

    /// A command that was told to end is reported as such, however it took it.
    fn outcome(&self, end: End, kill: Option<KillReport>) -> Outcome {
        match (self.timed_out, end) {
            (Some(after), _) => Outcome::TimedOut { after, kill },
            (None, End::Exited(status)) if !self.stop.is_cancelled() => Outcome::Exited(status),
            (None, End::Signaled(signal)) if !self.stop.is_cancelled() => Outcome::Signaled(signal),
            _ => Outcome::Cancelled(kill),
        }
    }

    /// The remote shell's words, when the wrapper's token says that the directory could not be entered.
    fn directory_failure(&self) -> Option<String> {
        let token = self.line.cwd_failure.as_deref()?;
        let output = self.output.lock();
        let length = output.len(Some(Stream::Stderr));
        let page = output.read(Some(Stream::Stderr), 0, limits::OUTPUT_DEFAULT_BYTES);
        let text = page.bytes();
        let text = String::from_utf8_lossy(&text);
        let words = text.strip_suffix(&format!("{token}\n"))?;
        (length as usize <= limits::OUTPUT_DEFAULT_BYTES)
            .then(|| crate::ssh::error::quoted(words.trim()))
            .map(|words| {
                if words.is_empty() {
                    "no reason given".to_owned()
                } else {
                    words
                }
            })
    }

    fn report(&self, outcome: Outcome, held_by_background: bool) -> CommandReport {
        CommandReport {
            session: self.arguments.session_name.clone(),
            job: self.name.clone(),
            kept: false,
            outcome,
            elapsed: self.started.elapsed(),
            cwd: self.arguments.exec.request.cwd.clone(),
            output: self.output.clone(),
            held_by_background,
            reconnected: self.arguments.exec.reconnected,
        }
    }
}

/// Tells the actor when the caller gives up or the command's time is over.
fn watch_caller(myself: &ActorRef<JobMessage>, exec: &QueuedExec, ended: &CancellationToken) {
    let cancel = exec.request.cancel.clone();
    tell_when(
        myself,
        ended,
        async move { cancel.cancelled().await },
        JobMessage::CallerCancelled,
    );
    let wait_until = exec.received + exec.request.wait;
    tell_when(
        myself,
        ended,
        sleep_until(wait_until),
        JobMessage::TimeOver {
            after: exec.request.wait,
        },
    );
    if let Some(after) = exec.request.timeout {
        tell_when(myself, ended, sleep(after), JobMessage::TimeOver { after });
    }
}

fn tell_when(
    myself: &ActorRef<JobMessage>,
    ended: &CancellationToken,
    condition: impl Future<Output = ()> + Send + 'static,
    message: JobMessage,
) {
    let (myself, ended) = (myself.clone(), ended.clone());
    tokio::spawn(async move {
        tokio::select! {
            () = ended.cancelled() => {}
            // The actor may have ended in the same moment.
            () = condition => { let _ = myself.send_message(message); }
        }
    });
}

/// Owns the channel from its opening to its end.
async fn run_command(
    job: ActorRef<JobMessage>,
    channels: Arc<Channels>,
    line: String,
    stdin: Option<String>,
    stop: CancellationToken,
    deadline: Instant,
    output: SharedOutput,
) {
    let lease = tokio::select! {
        biased;
        lease = channels.acquire(deadline) => lease,
        () = stop.cancelled() => {
            let _ = job.send_message(JobMessage::Ended(TaskEnd::GivenUp));
            return;
        }
    };
    let started = match lease {
        Ok(lease) => exec::start(&channels, lease, &line).await,
        Err(error) => Err(error),
    };
    let end = match started {
        Err(ChannelError::Closed(reason)) => TaskEnd::NotSent(reason),
        Err(error) => TaskEnd::NoChannel(error),
        Ok(started) => {
            let _ = job.send_message(JobMessage::Sent);
            let (sender, input) = mpsc::channel(1);
            if let Some(text) = stdin {
                // The queue is empty and its receiver is alive.
                let _ = sender.try_send(Input::Data(text.into_bytes().into()));
            }
            drop(sender);
            let finished = started
                .run(input, stop, |stream, bytes| output.append(stream, bytes))
                .await;
            TaskEnd::Finished(finished)
        }
    };
    // A job whose session crashed has nobody left to tell.
    let _ = job.send_message(JobMessage::Ended(end));
}

/// The command line of a request, with a fresh token.
pub(crate) fn prepare(request: &ExecRequest) -> Result<CommandLine, SessionError> {
    Ok(command::command_line(
        &request.command,
        request.cwd.as_deref(),
        &request.env,
        &command::token(),
    )?)
}

/// A job asked to stop, with a bound.
pub(crate) async fn stop(job: &ActorRef<JobMessage>) {
    let limit = limits::KILL_TIMEOUT + Duration::from_secs(1);
    // A job that is gone has stopped.
    let _ = super::call::call_within(job, limit, |reply| JobMessage::Stop { reply }).await;
}
