//! What a session is asked, and what happens to it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use ractor::{ActorRef, RpcReplyPort};
use tokio::time::Instant;

use crate::actors::error::SessionError;
use crate::actors::job::record::JobRecord;
use crate::actors::job::{ExecReply, JobMessage};
use crate::actors::report::{ConnectReport, ConnectRequest, ExecRequest, SessionStatus};
use crate::actors::sftp::TransferReply;
use crate::actors::sftp::report::TransferRequest;
use crate::ssh::connection::Connection;
use crate::ssh::error::SshError;

/// Answer to `ssh_connect` and `ssh_reconnect`.
pub(crate) type ConnectReply = RpcReplyPort<Result<ConnectReport, SessionError>>;

/// Requests are imperative and end in a reply port; events are past tense and have none.
pub(crate) enum SessionMessage {
    /// Be up, with this target.
    Connect {
        /// Target, parameters and secrets.
        request: ConnectRequest,
        /// Set when the session has taken the call in.
        taken: Arc<AtomicBool>,
        /// Answered when the dial is over.
        reply: ConnectReply,
    },
    /// Drop the link, if there is one, and dial anew.
    Reconnect {
        /// Answered when the dial is over.
        reply: ConnectReply,
    },
    /// Run a command.
    Exec(QueuedExec),
    /// Copy files.
    Transfer(QueuedTransfer),
    /// A transfer has waited for its turn for as long as it may.
    TransferExpired {
        /// The call.
        ticket: u64,
    },
    /// A command whose link died before it was sent.
    Requeue(QueuedExec),
    /// Tell what there is. Answered in every state.
    GetStatus {
        /// Answered at once.
        reply: RpcReplyPort<SessionStatus>,
    },
    /// End the jobs and the link; the session stays saved.
    Disconnect {
        /// Answered with the names of the jobs that were ended.
        reply: RpcReplyPort<Vec<String>>,
    },
    /// The process ends: signal everything on the host and hang up.
    Shutdown {
        /// Answered when the host has begun.
        reply: RpcReplyPort<()>,
    },
    /// A dial came to its end.
    Dialed {
        /// The dial's generation.
        generation: u64,
        /// The connection, or why there is none.
        result: Result<Arc<Connection>, SshError>,
        /// How long it took.
        took: Duration,
    },
    /// The link of this generation ended.
    ConnectionLost {
        /// The connection's generation.
        generation: u64,
        /// Why.
        reason: String,
    },
    /// The delay before the next dial is over.
    RetryDue {
        /// The generation that waited.
        generation: u64,
    },
    /// A call has waited for its turn for as long as it may.
    QueueExpired {
        /// The call.
        ticket: u64,
    },
    /// Find a job, running or ended.
    FindJob {
        /// Its number.
        number: u64,
        /// Answered at once: the job, or whether there was one.
        reply: RpcReplyPort<Result<Arc<JobRecord>, bool>>,
    },
    /// A job came to its end.
    JobEnded {
        /// Its number.
        number: u64,
        /// It can still be asked for.
        keep: bool,
    },
    /// Fail, as a defect would: for tests of the supervisor.
    #[cfg(feature = "fail-points")]
    Crash,
}

/// Where a command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// On a channel of its own.
    Channel,
    /// In the session's shell.
    Shell,
}

/// An `ssh_exec` or `ssh_shell` on its way to becoming a job.
#[derive(Debug)]
pub(crate) struct QueuedExec {
    /// What to run.
    pub(crate) request: ExecRequest,
    /// Where to run it.
    pub(crate) place: Place,
    /// Taken by the job.
    pub(crate) reply: Option<ExecReply>,
    /// Set when the session has taken the call in: until then it is certain that nothing was sent.
    pub(crate) taken: Arc<AtomicBool>,
    /// The session's epoch when it took the call in.
    pub(crate) epoch: u64,
    /// When the call came in: its wait counts from here.
    pub(crate) received: Instant,
    /// When waiting for a connection or a channel is over.
    pub(crate) deadline: Instant,
    /// It was given to a link once that died before sending it.
    pub(crate) sent_before: bool,
    /// The session had to connect for it.
    pub(crate) reconnected: bool,
}

impl QueuedExec {
    /// Until when the call waits for its turn on a session that is up.
    pub(crate) fn turn(&self) -> Instant {
        self.received + self.request.wait
    }
}

/// An `ssh_upload` or `ssh_download` on its way to becoming a job.
#[derive(Debug)]
pub(crate) struct QueuedTransfer {
    /// What to copy.
    pub(crate) request: TransferRequest,
    /// Taken by the job.
    pub(crate) reply: Option<TransferReply>,
    /// Set when the session has taken the call in: until then it is certain that nothing was done.
    pub(crate) taken: Arc<AtomicBool>,
    /// When the call came in: its wait counts from here.
    pub(crate) received: Instant,
    /// When waiting for a connection or a channel is over.
    pub(crate) deadline: Instant,
    /// The session had to connect for it.
    pub(crate) reconnected: bool,
}

/// A running job as its session knows it.
#[derive(Debug)]
pub(crate) struct JobEntry {
    pub(crate) actor: ActorRef<JobMessage>,
    pub(crate) record: Arc<JobRecord>,
}
