//! Messages to the actor of a job.

use std::time::Duration;

use ractor::RpcReplyPort;

/// Requests and events of a job.
#[derive(Debug)]
pub(crate) enum JobMessage {
    /// End the job.
    Stop {
        /// Answered when the task has ended.
        reply: RpcReplyPort<()>,
    },
    /// The caller gave up.
    CallerCancelled,
    /// The caller has waited for as long as the call said.
    WaitOver,
    /// The job has run for as long as it may.
    TimeoutOver {
        /// The time that the job had.
        after: Duration,
    },
    /// The task has ended; how is in the actor's state.
    TaskEnded,
}
