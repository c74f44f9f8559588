//! The actor of a job: the caller that waits, the timers, the hand-over and the end.
//!
//! The same for every kind of job ([`JobWork`]). A temporary child of its session: never restarted, because a
//! command is never run twice. A task does the work; the actor decides who is answered, and when:
//!
//! - The caller is answered once: at the end, or with the job's name when the wait is over. A caller whose job was
//!   given back to the session is answered by the next job of that call.
//! - A stopper is answered when the task has ended.
//! - The session learns of the end, and whether anybody can still ask for the job.
//! - A reply port that is dropped, by a crash or a kill, is answered by the handle.

use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::deadlines::Deadlines;
use super::message::JobMessage;
use super::outcome::Outcome;
use super::record::{Ended, JobInbox, JobRecord};
use super::work::{JobFacts, JobTask, JobWork, Verdict};
use crate::actors::error::SessionError;
use crate::actors::rpc;
use crate::actors::session::message::SessionMessage;
use crate::actors::session::queued::{Call, QueuedCall};
use crate::limits;

/// Runs a job.
pub(crate) struct JobActor<W>(PhantomData<fn() -> W>);

/// Everything that a job needs.
pub(crate) struct JobArguments<W: JobWork> {
    pub(crate) session: ActorRef<SessionMessage>,
    pub(crate) number: u64,
    pub(crate) call: QueuedCall<W>,
    pub(crate) resources: W::Resources,
    pub(crate) record: Arc<JobRecord>,
    pub(crate) inbox: JobInbox,
}

/// State of [`JobActor`].
pub(crate) struct JobState<W: JobWork> {
    session: ActorRef<SessionMessage>,
    number: u64,
    /// The call with its reply port, until the caller is answered.
    call: QueuedCall<W>,
    record: Arc<JobRecord>,
    stop: CancellationToken,
    /// Filled before [`JobMessage::TaskEnded`], unless the task failed.
    end: oneshot::Receiver<W::End>,
    /// The caller knows the job by its name.
    handed_over: bool,
    stoppers: Vec<RpcReplyPort<()>>,
    timed_out: Option<Duration>,
    /// The end is in the metrics, or will be under the next number of the call.
    counted: bool,
    /// Ends the timers and the watch on the caller with the actor.
    _ended: DropGuard,
    /// Ends the work if the actor is dropped in the middle.
    _abandoned: DropGuard,
}

impl<W> JobActor<W> {
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<W: JobWork> Actor for JobActor<W>
where
    Call: From<QueuedCall<W>>,
{
    type Msg = JobMessage;
    type State = JobState<W>;
    type Arguments = JobArguments<W>;

    async fn pre_start(
        &self,
        myself: ActorRef<JobMessage>,
        arguments: JobArguments<W>,
    ) -> Result<JobState<W>, ActorProcessingErr> {
        let JobArguments {
            session,
            number,
            call,
            resources,
            record,
            inbox,
        } = arguments;
        let ended = CancellationToken::new();
        let stop = CancellationToken::new();
        call.work.show_to_watchers(&record);
        let deadlines = Deadlines {
            cancel: call.cancel.clone(),
            wait_until: call.turn,
            hand_over: call.work.hand_over(),
            timeout: call.work.timeout(),
            interactive: record.input().is_some().then(|| Arc::clone(&record)),
        };
        deadlines.report_to(myself.clone(), ended.clone());
        let task = JobTask {
            work: Arc::clone(&call.work),
            resources,
            record: Arc::clone(&record),
            inbox,
            stop: stop.clone(),
            deadline: call.deadline,
        };
        let (sender, end) = oneshot::channel();
        tokio::spawn(run_task(task, sender, myself));
        Ok(JobState {
            session,
            number,
            call,
            record,
            _abandoned: stop.clone().drop_guard(),
            stop,
            end,
            handed_over: false,
            stoppers: Vec::new(),
            timed_out: None,
            counted: false,
            _ended: ended.drop_guard(),
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<JobMessage>,
        message: JobMessage,
        state: &mut JobState<W>,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            JobMessage::Stop { reply } => {
                state.stoppers.push(reply);
                state.stop.cancel();
            }
            JobMessage::CallerCancelled => state.caller_cancelled(),
            JobMessage::WaitOver => state.hand_over(),
            JobMessage::TimeoutOver { after } => {
                state.timed_out = Some(after);
                state.stop.cancel();
            }
            JobMessage::TaskEnded => {
                state.finish();
                myself.stop(None);
            }
        }
        Ok(())
    }
}

/// Does the work and tells the actor of the end. A panic in the work counts as an end too.
async fn run_task<W: JobWork>(
    task: JobTask<W>,
    end: oneshot::Sender<W::End>,
    job: ActorRef<JobMessage>,
) {
    let name = task.record.name.clone();
    match AssertUnwindSafe(W::carry_out(task)).catch_unwind().await {
        // A job whose session crashed has no receiver left, here and below.
        Ok(ended) => drop(end.send(ended)),
        Err(_) => tracing::error!(job = %name, "the task of a job failed"),
    }
    let _ = job.send_message(JobMessage::TaskEnded);
}

impl<W: JobWork> Drop for JobState<W> {
    /// An actor that is killed with its session leaves an ended record, so that nobody waits for that end in vain.
    fn drop(&mut self) {
        if self.record.ended().is_none() {
            let error = match self.record.told_to_end_by() {
                Some(_) => SessionError::Ended {
                    name: self.record.session.clone(),
                    fate: self.record.fate_if_dropped(),
                },
                None => self.record.crashed(),
            };
            let ended = Ended::without_outcome(error.clone(), &self.record);
            self.record.mark_ended(ended);
            self.count_end(Err(&error));
            if let Some(caller) = self.call.reply.take() {
                let _ = caller.send(Err(error));
            }
        }
    }
}

impl<W: JobWork> JobState<W> {
    /// Ends the job with its caller, unless the caller has left with the job's name.
    fn caller_cancelled(&self) {
        if !self.handed_over {
            self.stop.cancel();
        }
    }

    /// Answers the caller with the job as it stands; the work goes on.
    fn hand_over(&mut self) {
        if let Some(caller) = self.call.reply.take() {
            self.handed_over = true;
            // A caller that is gone needs no answer, here and below.
            let _ = caller.send(self.call.work.report(&self.record, true));
        }
    }

    /// Counts a job in the metrics, once.
    fn count_end(&mut self, outcome: Result<&Outcome, &SessionError>) {
        if !std::mem::replace(&mut self.counted, true) {
            let took = self.record.running_for();
            self.call.work.count_end(outcome, took);
        }
    }

    /// Tells the session and the caller of the end. A job that was handed over, or whose report leaves output out,
    /// can still be asked for.
    fn conclude(
        &mut self,
        outcome: Result<Outcome, SessionError>,
        held_by_background: bool,
        own_end: Option<Outcome>,
    ) {
        let ran = outcome.is_ok();
        self.record.mark_ended(Ended {
            outcome: outcome.clone(),
            elapsed: self.record.running_for(),
            held_by_background,
            own_end,
            ended_by: self.record.ended_by(&outcome),
        });
        self.count_end(outcome.as_ref());
        let keep = self.handed_over || (ran && self.call.work.has_more_output(&self.record));
        self.tell_session_of_end(keep);
        if let Some(caller) = self.call.reply.take() {
            let _ = caller.send(self.call.work.report(&self.record, keep));
        }
    }

    fn tell_session_of_end(&self, keep: bool) {
        // The session may be ending too.
        let _ = self.session.send_message(SessionMessage::JobEnded {
            number: self.number,
            keep,
        });
    }
}

impl<W: JobWork> JobState<W>
where
    Call: From<QueuedCall<W>>,
{
    fn finish(&mut self) {
        let facts = JobFacts {
            record: &self.record,
            timed_out: self.timed_out,
            is_stopped: self.stop.is_cancelled(),
        };
        match self.call.work.judge(&facts, self.end.try_recv().ok()) {
            Verdict::NotSent(_) if self.may_be_sent_again() => self.give_back(),
            Verdict::NotSent(error) => self.conclude(Err(error), false, None),
            Verdict::Ended {
                outcome,
                held_by_background,
                own_end,
            } => self.conclude(outcome, held_by_background, own_end),
        }
        for stopper in self.stoppers.drain(..) {
            let _ = stopper.send(());
        }
    }

    /// Whether an unsent call goes back to the session: once, and only while the caller does not know a job name.
    fn may_be_sent_again(&self) -> bool {
        !self.call.sent_before && !self.handed_over && !self.stop.is_cancelled()
    }

    /// Gives an unsent call back to the session, which sends it over the next link.
    fn give_back(&mut self) {
        self.counted = true;
        let call = self.call.next_attempt();
        self.tell_session_of_end(false);
        let _ = self
            .session
            .send_message(SessionMessage::Requeue(call.into()));
    }
}

/// Asks a job to stop and waits for its end, within a bound.
pub(crate) async fn stop(job: &ActorRef<JobMessage>) {
    let limit = limits::KILL_TIMEOUT + Duration::from_secs(1);
    // A job that is gone has stopped.
    let _ = rpc::call_within(job, limit, |reply| JobMessage::Stop { reply }).await;
}
