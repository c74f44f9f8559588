//! The differences between the kinds of jobs: task, end and report.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::outcome::Outcome;
use super::record::{JobDescription, JobInbox, JobRecord};
use crate::actors::error::SessionError;

/// The work of a kind of jobs. [`JobActor`](super::actor::JobActor) is the same for all kinds.
pub(crate) trait JobWork: Debug + Send + Sync + Sized + 'static {
    /// Answer to the caller.
    type Report: Debug + Send + 'static;
    /// Parts of the live link that the task needs.
    type Resources: Send + 'static;
    /// How the task ended.
    type End: Send + 'static;

    /// How long the work may take; the job is ended after that.
    fn timeout(&self) -> Option<Duration>;

    /// Fires when the caller has seen enough, and takes the job's name before the wait is over.
    fn hand_over(&self) -> Option<CancellationToken> {
        None
    }

    /// The beginning of the record.
    fn describe(&self) -> JobDescription;

    /// Shows a job that is about to start to whoever watches the call.
    fn show_to_watchers(&self, record: &JobRecord);

    /// Does the work, in a task of its own.
    fn carry_out(task: JobTask<Self>) -> impl Future<Output = Self::End> + Send;

    /// Decides how the job ended. No `end` means that the task failed, which is a defect of this program.
    fn judge(&self, job: &JobFacts<'_>, end: Option<Self::End>) -> Verdict;

    /// Whether an ended job has output that its report leaves out.
    fn has_more_output(&self, record: &JobRecord) -> bool;

    /// The report of the job as it stands now. `can_be_asked` says whether `ssh_output` can find the job.
    fn report(
        &self,
        record: &Arc<JobRecord>,
        can_be_asked: bool,
    ) -> Result<Self::Report, SessionError>;

    /// Counts the end of the job in the metrics.
    fn count_end(&self, outcome: Result<&Outcome, &SessionError>, took: Duration);
}

/// Everything that the task of a job works with.
pub(crate) struct JobTask<W: JobWork> {
    pub(crate) work: Arc<W>,
    pub(crate) resources: W::Resources,
    pub(crate) record: Arc<JobRecord>,
    pub(crate) inbox: JobInbox,
    /// Ends the work.
    pub(crate) stop: CancellationToken,
    /// When waiting for a channel is over.
    pub(crate) deadline: Instant,
}

/// The facts that a verdict depends on.
#[derive(Debug)]
pub(crate) struct JobFacts<'a> {
    pub(crate) record: &'a JobRecord,
    /// The time that the job had, when that is over.
    pub(crate) timed_out: Option<Duration>,
    /// The job was told to end.
    pub(crate) is_stopped: bool,
}

/// How a job ended.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The link was dead before anything was sent. The call may go out over the next link; a call that may not is
    /// answered with the error.
    NotSent(SessionError),
    /// The job is over.
    Ended {
        /// How, or why nothing ran.
        outcome: Result<Outcome, SessionError>,
        /// A background process still held the output.
        held_by_background: bool,
        /// How the process ended by the host's account, where the outcome is that it was told to end.
        own_end: Option<Outcome>,
    },
}

impl Verdict {
    /// A job that did not run.
    pub(crate) const fn failed(error: SessionError) -> Self {
        Self::Ended {
            outcome: Err(error),
            held_by_background: false,
            own_end: None,
        }
    }
}
