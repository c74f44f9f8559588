//! Calls on their way to becoming jobs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::actors::error::SessionError;
use crate::actors::job::command::CommandWork;
use crate::actors::job::transfer_work::TransferWork;
use crate::actors::job::work::JobWork;
use crate::actors::rpc::Reply;

/// A call of any kind. A call has a single owner at any time: the handle, a queue or a job.
#[derive(Debug)]
pub(crate) enum Call {
    /// `ssh_exec` and `ssh_shell`.
    Command(QueuedCall<CommandWork>),
    /// `ssh_upload` and `ssh_download`.
    Transfer(QueuedCall<TransferWork>),
}

impl From<QueuedCall<CommandWork>> for Call {
    fn from(call: QueuedCall<CommandWork>) -> Self {
        Self::Command(call)
    }
}

impl From<QueuedCall<TransferWork>> for Call {
    fn from(call: QueuedCall<TransferWork>) -> Self {
        Self::Transfer(call)
    }
}

/// A call that waits for a link, for its turn or for its job.
#[derive(Debug)]
pub(crate) struct QueuedCall<W: JobWork> {
    pub(crate) work: Arc<W>,
    /// Taken by whoever answers the caller. A port that is dropped is answered by the handle.
    pub(crate) reply: Option<Reply<W::Report>>,
    /// Fires when the caller gives up.
    pub(crate) cancel: CancellationToken,
    /// Set when the session has taken the call in: until then nothing can have been sent.
    pub(crate) taken: Arc<AtomicBool>,
    /// The epoch of the session when it took the call in.
    pub(crate) epoch: u64,
    /// When the call came in.
    pub(crate) received: Instant,
    /// Until when the caller waits for an answer, and so for a turn on a session that is up.
    pub(crate) turn: Instant,
    /// When waiting for a connection or a channel is over.
    pub(crate) deadline: Instant,
    /// An earlier job had the call, on a link that died before anything was sent.
    pub(crate) sent_before: bool,
    /// The session had to connect for the call.
    pub(crate) reconnected: bool,
}

impl<W: JobWork> QueuedCall<W> {
    /// Marks the call as taken in by a session.
    pub(super) fn take_in(&mut self, epoch: u64) {
        self.taken.store(true, Ordering::SeqCst);
        self.epoch = epoch;
    }

    /// Answers the caller.
    pub(super) fn refuse(mut self, error: SessionError) {
        if let Some(reply) = self.reply.take() {
            // A caller that is gone needs no answer.
            let _ = reply.send(Err(error));
        }
    }

    /// The same call for the next link, with the reply port.
    pub(crate) fn next_attempt(&mut self) -> Self {
        Self {
            work: Arc::clone(&self.work),
            reply: self.reply.take(),
            cancel: self.cancel.clone(),
            taken: Arc::clone(&self.taken),
            sent_before: true,
            reconnected: true,
            ..*self
        }
    }
}
