//! The task that owns a command's channel, from its opening to its end.

use std::sync::Arc;

use ractor::ActorRef;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::JobMessage;
use super::record::JobRecord;
use crate::ssh::channel::{ChannelError, Channels};
use crate::ssh::exec::{self, Feed, Finished, Input, Terminal};
use crate::ssh::transfer::{Summary, TransferFailure};

/// How the task ended.
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
    /// Not a command: a transfer ended (see `actors/sftp`).
    Transferred(Box<Result<Summary, TransferFailure>>),
    /// A defect of this program: what became of the command is unknown.
    Failed,
}

/// What the task works with.
pub(super) struct Task {
    pub(super) job: ActorRef<JobMessage>,
    pub(super) channels: Arc<Channels>,
    pub(super) line: String,
    pub(super) terminal: Option<Terminal>,
    pub(super) stop: CancellationToken,
    /// When waiting for a channel is over.
    pub(super) deadline: Instant,
    pub(super) record: Arc<JobRecord>,
    pub(super) input: mpsc::Receiver<Input>,
    pub(super) signals: mpsc::Receiver<&'static str>,
}

impl Task {
    /// Runs the command and tells the actor of its end.
    pub(super) async fn run(self) {
        let job = self.job.clone();
        // In a task of its own, so that a defect in it is told like any other end.
        let work = tokio::spawn(self.work());
        let end = work.await.unwrap_or_else(|error| {
            tracing::error!(%error, "the task of a job failed");
            TaskEnd::Failed
        });
        // A job whose session crashed has nobody left to tell.
        let _ = job.send_message(JobMessage::Ended(end));
    }

    async fn work(self) -> TaskEnd {
        let lease = tokio::select! {
            biased;
            () = self.stop.cancelled() => return TaskEnd::GivenUp,
            lease = self.channels.acquire(self.deadline) => lease,
        };
        let started = match lease {
            Ok(lease) => {
                exec::start(&self.channels, lease, &self.line, self.terminal.as_ref()).await
            }
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
