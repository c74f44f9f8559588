//! A transfer as the work of a job.

use std::sync::Arc;
use std::time::Duration;

use super::ended_by::EndedBy;
use super::kind::JobKind;
use super::outcome::Outcome;
use super::record::{JobDescription, JobRecord};
use super::report::TransferReport;
use super::transfer::TransferJob;
use super::work::{JobFacts, JobTask, JobWork, Verdict};
use crate::actors::error::SessionError;
use crate::actors::request::TransferRequest;
use crate::error::ErrorCode;
use crate::metrics::{self, TransferOutcome};
use crate::ssh::sftp::pool::SftpPool;
use crate::ssh::transfer::{self, Leftovers, Summary, TransferError, TransferFailure};

/// A transfer that can be started.
#[derive(Debug)]
pub(crate) struct TransferWork {
    request: TransferRequest,
    job: Arc<TransferJob>,
}

/// Parts of the link and of the session that a transfer needs.
pub(crate) struct TransferResources {
    pub(crate) pool: Arc<SftpPool>,
    pub(crate) leftovers: Leftovers,
}

impl TransferWork {
    pub(crate) fn new(request: TransferRequest) -> Self {
        let job = Arc::new(TransferJob::new(&request.spec));
        Self { request, job }
    }
}

impl JobWork for TransferWork {
    type Report = TransferReport;
    type Resources = TransferResources;
    type End = Result<Summary, TransferFailure>;

    fn timeout(&self) -> Option<Duration> {
        None
    }

    fn describe(&self) -> JobDescription {
        JobDescription {
            command: self.job.summary_line(),
            kind: JobKind::Transfer(Arc::clone(&self.job)),
            stdin: None,
            interactive: false,
        }
    }

    fn show_to_watchers(&self, _record: &JobRecord) {
        self.request.watch.set(Arc::clone(&self.job));
    }

    async fn carry_out(task: JobTask<Self>) -> Self::End {
        task.record.mark_sent();
        let TransferResources { pool, leftovers } = task.resources;
        let mut signals = task.inbox.signals;
        let copying = transfer::perform(
            task.work.request.spec.clone(),
            pool,
            Arc::clone(&task.work.job.progress),
            task.deadline,
            task.stop.clone(),
            &leftovers,
        );
        let stopping = async {
            while let Some(signal) = signals.recv().await {
                // The other signals mean nothing to a transfer.
                if signal.asks_to_end() {
                    task.stop.cancel();
                }
            }
            std::future::pending().await
        };
        // Boxed: the state of a transfer is large, and the frame of every job would move it about.
        tokio::select! {
            result = Box::pin(copying) => result,
            never = stopping => never,
        }
    }

    fn judge(&self, job: &JobFacts<'_>, end: Option<Self::End>) -> Verdict {
        let mut result = match end {
            Some(result) => result,
            None => Err(TransferError::Internal("its task failed".to_owned()).into()),
        };
        if let Err(failure) = &mut result
            && failure.error == TransferError::Cancelled
        {
            failure.ended_by = job.record.told_to_end_by().map(EndedBy::words);
        }
        if let Err(failure) = &result
            && failure.unstarted
        {
            return Verdict::NotSent(SessionError::Transfer(Box::new(failure.clone())));
        }
        self.job.set_result(result.clone());
        Verdict::Ended {
            outcome: match result {
                Ok(_) => Ok(Outcome::Exited(0)),
                Err(failure) => Err(SessionError::Transfer(Box::new(failure))),
            },
            held_by_background: false,
            own_end: None,
        }
    }

    fn has_more_output(&self, _record: &JobRecord) -> bool {
        false
    }

    fn report(
        &self,
        record: &Arc<JobRecord>,
        can_be_asked: bool,
    ) -> Result<TransferReport, SessionError> {
        TransferReport::from_record(record, &self.job, can_be_asked)
    }

    fn count_end(&self, outcome: Result<&Outcome, &SessionError>, _took: Duration) {
        let outcome = match outcome {
            Ok(_) => TransferOutcome::Done,
            Err(error) if error.code() == ErrorCode::Cancelled => TransferOutcome::Cancelled,
            Err(_) => TransferOutcome::Failed,
        };
        metrics::transfer_ended(self.job.direction, outcome);
    }
}
