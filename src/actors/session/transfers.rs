//! Transfers of a session: those that wait for a link or for their turn, and their start.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ractor::{Actor, ActorRef};
use tokio::time::{Instant, sleep_until};

use super::SessionState;
use super::message::{JobEntry, QueuedTransfer, SessionMessage};
use super::state::Link;
use crate::actors::error::SessionError;
use crate::actors::job::JobMessage;
use crate::actors::sftp::{self, SftpActor, SftpArguments};
use crate::limits;
use crate::ssh::transfer::Litter;

/// What a session keeps for its transfers.
#[derive(Debug, Default)]
pub(super) struct Transfers {
    waiting: VecDeque<(u64, QueuedTransfer)>,
    last_ticket: u64,
    /// Temporary files that wait for the next link.
    litter: Litter,
}

impl Transfers {
    /// Whether anybody waits for a link.
    pub(super) fn has_callers(&self) -> bool {
        let waits = |(_, transfer): &(u64, QueuedTransfer)| !transfer.request.cancel.is_cancelled();
        self.waiting.iter().any(waits)
    }
}

impl SessionState {
    /// Takes a transfer in, or answers at once why not.
    pub(super) async fn admit_transfer(&mut self, mut transfer: QueuedTransfer) {
        transfer.taken.store(true, Ordering::SeqCst);
        let is_there = |(_, other): &(u64, QueuedTransfer)| !other.request.cancel.is_cancelled();
        self.transfers.waiting.retain(is_there);
        if self.transfers.waiting.len() >= limits::TRANSFERS_QUEUED_MAX {
            let error = SessionError::TooManyTransfers {
                session: self.name.clone(),
                running: self.running_transfers(),
                queued: self.transfers.waiting.len(),
            };
            return answer(transfer, error);
        }
        transfer.reconnected = !matches!(self.link, Link::Ready(_));
        let (turn, deadline) = (transfer.received + transfer.request.wait, transfer.deadline);
        self.transfers.last_ticket += 1;
        let ticket = self.transfers.last_ticket;
        self.transfers.waiting.push_back((ticket, transfer));
        self.pump_transfers().await;
        if self
            .transfers
            .waiting
            .iter()
            .any(|(other, _)| *other == ticket)
        {
            self.tell_expired(ticket, turn);
            self.tell_expired(ticket, deadline);
        }
        if !matches!(self.link, Link::Ready(_))
            && let Err(error) = self.on_demand()
        {
            self.fail_transfers(&error);
        }
    }

    fn running_transfers(&self) -> usize {
        let running = self.jobs.values();
        running
            .filter(|entry| entry.record.transfer.is_some())
            .count()
    }

    /// Starts as many waiting transfers as may run.
    pub(super) async fn pump_transfers(&mut self) {
        while matches!(self.link, Link::Ready(_))
            && self.running_transfers() < limits::TRANSFERS_RUNNING_MAX
            && self.jobs.len() < limits::JOBS_RUNNING_MAX
            && let Some((_, transfer)) = self.transfers.waiting.pop_front()
        {
            if !transfer.request.cancel.is_cancelled() {
                self.start_transfer(transfer).await;
            }
        }
    }

    async fn start_transfer(&mut self, transfer: QueuedTransfer) {
        let Link::Ready(up) = &self.link else { return };
        self.jobs_started += 1;
        let number = self.jobs_started;
        let (record, signals) = sftp::record(&self.name, number, &transfer.request);
        if let Some(job) = &record.transfer {
            transfer.request.watch.set(Arc::clone(job));
        }
        let arguments = SftpArguments {
            session: self.myself.clone(),
            number,
            transfer,
            pool: Arc::clone(&up.sftp),
            litter: self.transfers.litter.clone(),
            record: Arc::clone(&record),
            signals,
        };
        // The start waits for nothing: it spawns its task and is there.
        let spawned = Actor::spawn_linked(None, SftpActor, arguments, self.myself.get_cell()).await;
        match spawned {
            Ok((actor, _)) => drop(self.jobs.insert(number, JobEntry { actor, record })),
            // The reply port went with it, which answers the caller.
            Err(error) => {
                tracing::error!(session = %self.name, %error, "a transfer could not be started");
            }
        }
    }

    /// What an earlier link could not clean up is removed over this one.
    pub(super) fn sweep_litter(&self) {
        let Link::Ready(up) = &self.link else { return };
        if self.transfers.litter.is_empty() {
            return;
        }
        let (litter, pool) = (self.transfers.litter.clone(), Arc::clone(&up.sftp));
        tokio::spawn(async move { litter.sweep(&pool).await });
    }

    fn tell_expired(&self, ticket: u64, at: Instant) {
        let myself = self.myself.clone();
        tokio::spawn(async move {
            sleep_until(at).await;
            let _ = myself.send_message(SessionMessage::TransferExpired { ticket });
        });
    }

    /// A transfer has waited long enough: for its turn as long as it said, for a link as long as one may take.
    pub(super) fn expire_transfer(&mut self, ticket: u64) {
        let is_up = matches!(self.link, Link::Ready(_));
        let found = self.transfers.waiting.iter().position(|(other, transfer)| {
            *other == ticket && (is_up || transfer.deadline <= Instant::now())
        });
        let Some((_, transfer)) = found.and_then(|index| self.transfers.waiting.remove(index))
        else {
            return;
        };
        let error = SessionError::TooManyTransfers {
            session: self.name.clone(),
            running: self.running_transfers(),
            queued: self.transfers.waiting.len(),
        };
        answer(transfer, error);
    }

    pub(super) fn fail_transfers(&mut self, error: &SessionError) {
        for (_, transfer) in self.transfers.waiting.drain(..) {
            answer(transfer, error.clone());
        }
    }

    /// The running transfers.
    pub(super) fn transfers_to_stop(&self) -> Vec<ActorRef<JobMessage>> {
        let running = self.jobs.values();
        running
            .filter(|entry| entry.record.transfer.is_some())
            .map(|entry| entry.actor.clone())
            .collect()
    }
}

fn answer(mut transfer: QueuedTransfer, error: SessionError) {
    if let Some(reply) = transfer.reply.take() {
        // A caller that is gone needs no answer.
        let _ = reply.send(Err(error));
    }
}
