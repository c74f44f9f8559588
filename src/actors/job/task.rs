//! The task that owns a command's channel, from its opening to its end.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use ractor::ActorRef;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::message::{JobMessage, TaskEnd};
use super::record::JobRecord;
use crate::actors::shell::{Served, ShellMessage, ShellWork};
use crate::ssh::channel::{ChannelError, Channels};
use crate::ssh::disconnect::Disconnect;
use crate::ssh::ending::Signal;
use crate::ssh::exec::{self, Feed, Input, Terminal};
use crate::ssh::shell::{OpenError, Work};

/// Where a command goes.
#[derive(Clone)]
pub(crate) enum Route {
    /// To a channel of its own.
    Channel(Arc<Channels>),
    /// To the session's shell.
    Shell(ActorRef<ShellMessage>),
}

/// What the task works with.
pub(super) struct Task {
    pub(super) job: ActorRef<JobMessage>,
    pub(super) route: Route,
    pub(super) line: String,
    pub(super) terminal: Option<Terminal>,
    pub(super) stop: CancellationToken,
    /// When waiting for a channel is over.
    pub(super) deadline: Instant,
    pub(super) record: Arc<JobRecord>,
    pub(super) input: mpsc::Receiver<Input>,
    pub(super) signals: mpsc::Receiver<Signal>,
}

impl Task {
    /// Runs the command and tells the actor of its end.
    pub(super) async fn run(self) {
        let (job, name) = (self.job.clone(), self.record.name.clone());
        // A defect in it is told like any other end. What it has worked with is dropped with it.
        let work = AssertUnwindSafe(self.work()).catch_unwind();
        let end = work.await.unwrap_or_else(|_| {
            tracing::error!(job = %name, "the task of a job failed");
            TaskEnd::Failed
        });
        // A job whose session crashed has nobody left to tell.
        let _ = job.send_message(JobMessage::Ended(end));
    }

    async fn work(self) -> TaskEnd {
        match self.route.clone() {
            // Boxed: what a channel needs is large, and every command would carry room for it around.
            Route::Channel(channels) => Box::pin(self.work_on(&channels)).await,
            Route::Shell(shell) => self.work_in(&shell).await,
        }
    }

    /// Gives the command to the shell, whose turn it is.
    async fn work_in(self, shell: &ActorRef<ShellMessage>) -> TaskEnd {
        let (reply, answer) = oneshot::channel();
        let (sink, job) = (Arc::clone(&self.record), self.job.clone());
        let record = Arc::clone(&self.record);
        let work = Work {
            command: self.line,
            sink: Box::new(move |stream, bytes| sink.append(stream, bytes)),
            sent: Box::new(move || {
                // At once, because the answer to what became of it depends on it.
                record.note_sent();
                let _ = job.send_message(JobMessage::Sent);
            }),
            stop: self.stop,
            signals: self.signals,
        };
        let about = Arc::clone(&self.record);
        let work = Box::new(ShellWork {
            work,
            begun: Box::new(move |facts| about.note_shell(facts)),
            deadline: self.deadline,
            reply,
        });
        // A shell that is gone drops it, which answers.
        let _ = shell.send_message(ShellMessage::Run(work));
        match answer.await {
            Ok(Served::Ran(ran)) => {
                let (finished, facts) = *ran;
                self.record.note_shell(facts);
                TaskEnd::Finished(finished)
            }
            Ok(Served::NoShell(OpenError::Lost(reason))) => TaskEnd::NotSent(reason),
            Ok(Served::NoShell(OpenError::Channel(error))) => TaskEnd::NoChannel(error),
            Ok(Served::NoShell(error)) => TaskEnd::NoShell(error),
            Ok(Served::GivenUp) => TaskEnd::GivenUp,
            Err(_) if self.record.is_sent() => TaskEnd::Failed,
            Err(_) => TaskEnd::NotSent(Disconnect::Channel("the shell had ended")),
        }
    }

    async fn work_on(self, channels: &Arc<Channels>) -> TaskEnd {
        let lease = tokio::select! {
            biased;
            () = self.stop.cancelled() => return TaskEnd::GivenUp,
            lease = channels.acquire(self.deadline) => lease,
        };
        let started = match lease {
            Ok(lease) => exec::start(channels, lease, &self.line, self.terminal.as_ref()).await,
            Err(error) => Err(error),
        };
        match started {
            Err(ChannelError::Closed(reason)) => TaskEnd::NotSent(reason),
            Err(error) => TaskEnd::NoChannel(error),
            Ok(started) => {
                let _ = self.job.send_message(JobMessage::Sent);
                let feed = Feed {
                    input: self.input,
                    signals: self.signals,
                };
                let record = self.record;
                let finished = started.run(feed, self.stop, |stream, bytes| {
                    record.append(stream, bytes)
                });
                TaskEnd::Finished(finished.await)
            }
        }
    }
}
