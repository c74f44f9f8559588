//! One transfer: the task that carries it, and the caller that waits for it.
//!
//! A temporary child of its session, and a job like a command: it has a number, it can be handed over, looked at
//! and stopped. One actor for each transfer, so that one that fails takes no other along; the channels are those of
//! the connection's pool. It is told what every job is told ([`JobMessage`]).

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::error::SessionError;
use super::job::deadlines::Deadlines;
use super::job::message::{JobMessage, TaskEnd};
use super::job::outcome::Outcome;
use super::job::record::{Ended, JobParts, JobRecord};
use super::job::report::TransferReport;
use super::job::transfer::TransferJob;
use super::request::{QueuedTransfer, TransferReply, TransferRequest};
use super::session::message::SessionMessage;
use crate::error::{ErrorCode, Fate};
use crate::limits;
use crate::metrics::{self, TransferOutcome};
use crate::ssh::ending::Signal;
use crate::ssh::sftp::pool::SftpPool;
use crate::ssh::transfer::{
    self, Direction, Leftovers, Progress, Summary, TransferError, TransferFailure,
};
use crate::store::SessionName;

/// The actor.
pub(crate) struct SftpActor;

/// Everything a transfer needs.
pub(crate) struct SftpArguments {
    pub(crate) session: ActorRef<SessionMessage>,
    pub(crate) number: u64,
    pub(crate) transfer: QueuedTransfer,
    pub(crate) pool: Arc<SftpPool>,
    pub(crate) litter: Leftovers,
    pub(crate) record: Arc<JobRecord>,
    pub(crate) signals: mpsc::Receiver<Signal>,
}

/// What it remembers.
pub(crate) struct SftpState {
    session: ActorRef<SessionMessage>,
    number: u64,
    record: Arc<JobRecord>,
    stop: CancellationToken,
    caller: Option<TransferReply>,
    /// It was given to its caller as a job.
    handed_over: bool,
    stoppers: Vec<RpcReplyPort<()>>,
    reconnected: bool,
    /// Ends the timers and the watch on the caller with the actor.
    _ended: DropGuard,
    /// Ends the transfer if the actor is dropped in the middle.
    _abandoned: DropGuard,
}

impl Actor for SftpActor {
    type Msg = JobMessage;
    type State = SftpState;
    type Arguments = SftpArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<JobMessage>,
        mut arguments: SftpArguments,
    ) -> Result<SftpState, ActorProcessingErr> {
        let ended = CancellationToken::new();
        let stop = CancellationToken::new();
        let request = &arguments.transfer.request;
        let watch = Deadlines {
            cancel: request.cancel.clone(),
            wait_until: arguments.transfer.received + request.wait,
            timeout: None,
        };
        watch.tell(myself.clone(), ended.clone());
        let caller = arguments.transfer.reply.take();
        let reconnected = arguments.transfer.reconnected;
        let (session, number) = (arguments.session.clone(), arguments.number);
        let record = Arc::clone(&arguments.record);
        tokio::spawn(carry(myself, arguments, stop.clone()));
        Ok(SftpState {
            session,
            number,
            record,
            _abandoned: stop.clone().drop_guard(),
            stop,
            caller,
            handed_over: false,
            stoppers: Vec::new(),
            reconnected,
            _ended: ended.drop_guard(),
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<JobMessage>,
        message: JobMessage,
        state: &mut SftpState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            JobMessage::Stop { reply } => {
                state.stoppers.push(reply);
                state.stop.cancel();
            }
            // Once it was handed over as a job, a transfer goes on without its caller.
            JobMessage::CallerCancelled if state.caller.is_some() => state.stop.cancel(),
            JobMessage::WaitOver => state.hand_over(),
            JobMessage::Ended(TaskEnd::Transferred(result)) => {
                state.finish(*result);
                myself.stop(None);
            }
            JobMessage::CallerCancelled
            | JobMessage::TimeoutOver { .. }
            | JobMessage::Sent
            | JobMessage::Ended(_) => {}
        }
        Ok(())
    }
}

impl Drop for SftpState {
    /// An actor that is killed with its session leaves a record that says so: nobody waits for it in vain.
    fn drop(&mut self) {
        if self.record.ended().is_none() {
            self.note_ended(Err(SessionError::Crashed {
                name: self.record.session.clone(),
                fate: Fate::Unknown,
            }));
        }
    }
}

impl SftpState {
    fn report(&self) -> Result<TransferReport, SessionError> {
        TransferReport::of(&self.record, self.handed_over, self.reconnected)
    }

    /// Answers the caller with what there is so far; the transfer goes on.
    fn hand_over(&mut self) {
        if let Some(caller) = self.caller.take() {
            self.handed_over = true;
            // A caller that is gone needs no answer.
            let _ = caller.send(self.report());
        }
    }

    fn finish(&mut self, result: Result<Summary, TransferFailure>) {
        if let Some(transfer) = &self.record.transfer {
            count(transfer.direction, &result);
            transfer.set_result(result.clone());
        }
        let outcome = match result {
            Ok(_) => Ok(Outcome::Exited(0)),
            Err(failure) => Err(SessionError::Transfer(Box::new(failure))),
        };
        self.note_ended(outcome);
        // The session may be ending too.
        let _ = self.session.send_message(SessionMessage::JobEnded {
            number: self.number,
            keep: self.handed_over,
        });
        if let Some(caller) = self.caller.take() {
            let _ = caller.send(self.report());
        }
        for stopper in self.stoppers.drain(..) {
            let _ = stopper.send(());
        }
    }

    fn note_ended(&self, outcome: Result<Outcome, SessionError>) {
        self.record.note_ended(Ended {
            outcome,
            elapsed: self.record.running_for(),
            held_by_background: false,
        });
    }
}

/// Carries the transfer and tells the actor of its end, whatever it is.
async fn carry(myself: ActorRef<JobMessage>, arguments: SftpArguments, stop: CancellationToken) {
    let SftpArguments {
        transfer,
        pool,
        litter,
        record,
        mut signals,
        ..
    } = arguments;
    record.note_sent();
    let progress = match &record.transfer {
        Some(transfer) => Arc::clone(&transfer.progress),
        None => Arc::new(Progress::new(transfer.request.spec.direction)),
    };
    let stopping = stop.clone();
    let work = tokio::spawn(async move {
        let spec = transfer.request.spec;
        let deadline = transfer.deadline;
        transfer::run(spec, pool, progress, deadline, stopping, &litter).await
    });
    let listening = async {
        while let Some(signal) = signals.recv().await {
            // The others mean nothing to a transfer.
            if signal.asks_to_end() {
                stop.cancel();
            }
        }
        std::future::pending::<()>().await;
    };
    let result = tokio::select! {
        result = work => result,
        () = listening => return,
    };
    let result = result.unwrap_or_else(|error| {
        tracing::error!(%error, "the task of a transfer failed");
        Err(TransferError::Internal(error.to_string()).into())
    });
    // A transfer whose session crashed has nobody left to tell.
    let _ = myself.send_message(JobMessage::Ended(TaskEnd::Transferred(Box::new(result))));
}

/// Every transfer passes here at its end. Its bytes were counted as they came.
fn count(direction: Direction, result: &Result<Summary, TransferFailure>) {
    let outcome = match result {
        Ok(_) => TransferOutcome::Done,
        Err(failure) if failure.error.code() == ErrorCode::Cancelled => TransferOutcome::Cancelled,
        Err(_) => TransferOutcome::Failed,
    };
    metrics::transfer_ended(direction, outcome);
}

/// The record of a transfer that is about to start, and the end of its signals.
pub(crate) fn record(
    session: &SessionName,
    number: u64,
    request: &TransferRequest,
) -> (Arc<JobRecord>, mpsc::Receiver<Signal>) {
    let (signals, receiver) = mpsc::channel(limits::JOB_INPUT_QUEUE);
    let transfer = TransferJob::new(&request.spec);
    let parts = JobParts {
        name: format!("{session}-{number}"),
        session: session.clone(),
        command: transfer.words(),
        cwd: None,
        pty: false,
        in_shell: false,
        reconnected: false,
        input: None,
        signals,
        transfer: Some(Arc::new(transfer)),
    };
    (JobRecord::new(parts), receiver)
}
