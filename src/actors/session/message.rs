//! Requests to a session, and events of its connection and its jobs.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use ractor::RpcReplyPort;

use super::queue::Ticket;
use super::queued::Call;
use crate::actors::job::record::JobRecord;
use crate::actors::report::{ConnectReport, SessionStatus};
use crate::actors::request::ConnectRequest;
use crate::actors::rpc::Reply;
use crate::ssh::connection::Connection;
use crate::ssh::disconnect::Disconnect;
use crate::ssh::error::SshError;

/// Answer to `ssh_connect` and `ssh_reconnect`.
pub(crate) type ConnectReply = Reply<ConnectReport>;

/// The jobs that a session told to end.
#[derive(Debug, Default)]
pub(crate) struct EndedJobs {
    /// All of them by name.
    pub(crate) names: Vec<String>,
    /// Those among them that may still run on the host: their end is not confirmed.
    pub(crate) unconfirmed: Vec<String>,
}

/// Requests are imperative and end in a reply port; events are past tense and have none.
pub(crate) enum SessionMessage {
    /// Connect to this target, or confirm the connection.
    Connect {
        /// Target, parameters and secrets.
        request: Box<ConnectRequest>,
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
    /// Run a command or copy files.
    Admit(Call),
    /// Take a call back whose link died before anything was sent.
    Requeue(Call),
    /// Return the status. Answered in every state.
    GetStatus {
        /// Answered at once.
        reply: RpcReplyPort<SessionStatus>,
    },
    /// End the jobs and the link; the session stays saved.
    Disconnect {
        /// Answered with the jobs that were told to end.
        reply: RpcReplyPort<EndedJobs>,
    },
    /// Signal all running commands on the host and hang up, because the process ends.
    Shutdown {
        /// Answered when the hosts have been signalled, within the time of a shutdown.
        reply: RpcReplyPort<()>,
    },
    /// A dial has ended.
    Dialed {
        /// The dial's generation.
        generation: u64,
        /// The connection, or why there is none.
        result: Result<Arc<Connection>, SshError>,
        /// Duration of the dial.
        took: Duration,
    },
    /// The link of this generation ended.
    ConnectionLost {
        /// The connection's generation.
        generation: u64,
        /// Why.
        reason: Disconnect,
    },
    /// The delay before the next dial is over.
    RetryDue {
        /// The generation that waited.
        generation: u64,
    },
    /// A call has waited for its turn, or for a link, for as long as it may.
    WaitExpired {
        /// The call.
        ticket: Ticket,
    },
    /// Find a job, running or ended.
    FindJob {
        /// Number of the job.
        number: u64,
        /// Answered at once.
        reply: RpcReplyPort<Result<Arc<JobRecord>, JobNotFound>>,
    },
    /// A job has ended.
    JobEnded {
        /// Number of the job.
        number: u64,
        /// The job can still be asked for.
        keep: bool,
    },
    /// Crash as a defect would; for tests of the supervisor.
    #[cfg(feature = "fail-points")]
    Crash,
}

/// Why there is no job of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JobNotFound {
    /// No job of the session had that number.
    NeverStarted,
    /// The job has ended and is no longer kept.
    Dropped,
}
