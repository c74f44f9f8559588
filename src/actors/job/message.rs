//! Messages to a job, and the ends of its task.

use std::time::Duration;

use ractor::RpcReplyPort;

use crate::ssh::channel::ChannelError;
use crate::ssh::disconnect::Disconnect;
use crate::ssh::exec::Finished;
use crate::ssh::shell::OpenError;
use crate::ssh::transfer::{Summary, TransferFailure};

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
    /// The caller has waited for as long as it wanted.
    WaitOver,
    /// The command has run for as long as it may.
    TimeoutOver {
        /// The time that it had.
        after: Duration,
    },
    /// The exec request went out.
    Sent,
    /// The task has come to its end.
    Ended(TaskEnd),
}

/// How the task ended.
#[derive(Debug)]
pub(crate) enum TaskEnd {
    /// The link was dead before the request went out: it may be sent over another one.
    NotSent(Disconnect),
    /// No channel could be had.
    NoChannel(ChannelError),
    /// It was given up before it was sent.
    GivenUp,
    /// The command ran.
    Finished(Finished),
    /// There is no shell for it: nothing was sent.
    NoShell(OpenError),
    /// Not a command: a transfer ended (see `actors/sftp`).
    Transferred(Box<Result<Summary, TransferFailure>>),
    /// A defect of this program: what became of the command is unknown.
    Failed,
}
