//! What a session is asked, and what happens to it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use ractor::RpcReplyPort;

use crate::actors::job::record::JobRecord;
use crate::actors::report::SessionStatus;
use crate::actors::request::{ConnectReply, ConnectRequest, QueuedExec, QueuedTransfer};
use crate::ssh::connection::Connection;
use crate::ssh::disconnect::Disconnect;
use crate::ssh::error::SshError;

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
        reason: Disconnect,
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
