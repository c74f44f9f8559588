//! The timers of a job and the watch on its caller.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use ractor::ActorRef;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::message::JobMessage;
use super::record::JobRecord;
use crate::ssh::timer::sleep_until_some;

/// Events during the run of a job that are reported to its actor.
pub(crate) struct Deadlines {
    /// The caller gives up.
    pub(crate) cancel: CancellationToken,
    /// The caller has waited enough.
    pub(crate) wait_until: Instant,
    /// The caller has seen enough.
    pub(crate) hand_over: Option<CancellationToken>,
    /// The time that the job has, if that is bounded.
    pub(crate) timeout: Option<Duration>,
    /// The job, if it may wait for input, which ends the wait of the caller.
    pub(crate) interactive: Option<Arc<JobRecord>>,
}

impl Deadlines {
    /// Reports to the job until its end. All events share a task, because most jobs end before any of them.
    pub(crate) fn report_to(self, job: ActorRef<JobMessage>, ended: CancellationToken) {
        tokio::spawn(async move {
            let end = self.timeout.map(|after| Instant::now() + after);
            let time_over = sleep_until_some(end);
            let wait_over = sleep_until(self.wait_until);
            let seen_enough = async {
                match &self.hand_over {
                    Some(hand_over) => hand_over.cancelled().await,
                    None => pending().await,
                }
            };
            let waits_for_input = async {
                match &self.interactive {
                    Some(record) => record.wait_for_prompt().await,
                    None => pending().await,
                }
            };
            tokio::pin!(time_over, wait_over, seen_enough, waits_for_input);
            let (mut cancelled, mut waited, mut timed_out) = (false, false, false);
            loop {
                let message = tokio::select! {
                    () = ended.cancelled() => return,
                    () = self.cancel.cancelled(), if !cancelled => {
                        cancelled = true;
                        JobMessage::CallerCancelled
                    }
                    () = &mut wait_over, if !waited => {
                        waited = true;
                        JobMessage::WaitOver
                    }
                    () = &mut seen_enough, if !waited => {
                        waited = true;
                        JobMessage::WaitOver
                    }
                    () = &mut waits_for_input, if !waited => {
                        waited = true;
                        JobMessage::WaitOver
                    }
                    () = &mut time_over, if !timed_out => {
                        timed_out = true;
                        JobMessage::TimeoutOver { after: self.timeout.unwrap_or_default() }
                    }
                };
                // The actor may have ended in the same moment.
                let _ = job.send_message(message);
            }
        });
    }
}
