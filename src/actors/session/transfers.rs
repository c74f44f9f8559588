//! Transfers of a session: those that wait for a link or for their turn, and their start.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ractor::Actor;
use tokio::time::Instant;

use super::jobs::JobEntry;
use super::live_link::LiveLink;
use super::work::{Admitted, Work};
use crate::actors::error::SessionError;
use crate::actors::request::QueuedTransfer;
use crate::actors::sftp::{self, SftpActor, SftpArguments};
use crate::limits;
use crate::ssh::transfer::Leftovers;

/// First ticket of the queue of transfers: tickets name a call in any queue.
const TICKETS: u64 = 1 << 62;

/// What a session keeps for its transfers.
#[derive(Debug)]
pub(super) struct Transfers {
    waiting: VecDeque<(u64, QueuedTransfer)>,
    last_ticket: u64,
    /// Temporary files that wait for the next link.
    litter: Leftovers,
}

impl Default for Transfers {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            last_ticket: TICKETS,
            litter: Leftovers::default(),
        }
    }
}

impl Transfers {
    /// Whether anybody waits for a link.
    pub(super) fn has_callers(&self) -> bool {
        let waits = |(_, transfer): &(u64, QueuedTransfer)| !transfer.request.cancel.is_cancelled();
        self.waiting.iter().any(waits)
    }

    /// Whether the call still waits.
    pub(super) fn contains(&self, ticket: u64) -> bool {
        self.waiting.iter().any(|(other, _)| *other == ticket)
    }

    /// Marks all calls as having needed a connect.
    pub(super) fn note_reconnected(&mut self) {
        for (_, transfer) in &mut self.waiting {
            transfer.reconnected = true;
        }
    }

    /// What an earlier link could not clean up is removed over this one.
    pub(super) fn sweep(&self, link: &LiveLink) {
        if self.litter.is_empty() {
            return;
        }
        let (litter, pool) = (self.litter.clone(), Arc::clone(&link.sftp));
        tokio::spawn(async move { litter.sweep(&pool).await });
    }
}

impl Work {
    /// Takes a transfer in, or answers at once why not.
    pub(super) fn admit_transfer(&mut self, transfer: QueuedTransfer) -> Option<Admitted> {
        transfer.taken.store(true, Ordering::SeqCst);
        let is_there = |(_, other): &(u64, QueuedTransfer)| !other.request.cancel.is_cancelled();
        self.transfers.waiting.retain(is_there);
        if self.transfers.waiting.len() >= limits::TRANSFERS_QUEUED_MAX {
            let error = self.too_many_transfers();
            answer(transfer, error);
            return None;
        }
        let (turn, deadline) = (transfer.received + transfer.request.wait, transfer.deadline);
        self.transfers.last_ticket += 1;
        let ticket = self.transfers.last_ticket;
        self.transfers.waiting.push_back((ticket, transfer));
        Some(Admitted {
            ticket,
            turn,
            deadline,
        })
    }

    fn too_many_transfers(&self) -> SessionError {
        SessionError::TooManyTransfers {
            session: self.name.clone(),
            running: self.running_transfers(),
            queued: self.transfers.waiting.len(),
        }
    }

    fn running_transfers(&self) -> usize {
        let running = self.running.values();
        running
            .filter(|entry| entry.record.transfer.is_some())
            .count()
    }

    /// Starts as many waiting transfers as may run.
    pub(super) async fn start_transfers(&mut self, link: &LiveLink) {
        while self.running_transfers() < limits::TRANSFERS_RUNNING_MAX
            && self.running.len() < limits::JOBS_RUNNING_MAX
            && let Some((_, transfer)) = self.transfers.waiting.pop_front()
        {
            if !transfer.request.cancel.is_cancelled() {
                self.start_transfer(transfer, link).await;
            }
        }
    }

    async fn start_transfer(&mut self, transfer: QueuedTransfer, link: &LiveLink) {
        self.jobs_started += 1;
        let number = self.jobs_started;
        let (record, signals) = sftp::record(&self.name, number, &transfer.request);
        if let Some(job) = &record.transfer {
            transfer.request.watch.set(Arc::clone(job));
        }
        let arguments = SftpArguments {
            session: self.session.clone(),
            number,
            transfer,
            pool: Arc::clone(&link.sftp),
            litter: self.transfers.litter.clone(),
            record: Arc::clone(&record),
            signals,
        };
        // The start waits for nothing: it spawns its task and is there.
        let spawned =
            Actor::spawn_linked(None, SftpActor, arguments, self.session.get_cell()).await;
        match spawned {
            Ok((actor, _)) => drop(self.running.insert(number, JobEntry { actor, record })),
            // The reply port went with it, which answers the caller.
            Err(error) => {
                tracing::error!(session = %self.name, %error, "a transfer could not be started");
            }
        }
    }

    pub(super) fn expire_transfer(&mut self, ticket: u64, is_up: bool) {
        let found = self.transfers.waiting.iter().position(|(other, transfer)| {
            *other == ticket && (is_up || transfer.deadline <= Instant::now())
        });
        let Some((_, transfer)) = found.and_then(|index| self.transfers.waiting.remove(index))
        else {
            return;
        };
        let error = self.too_many_transfers();
        answer(transfer, error);
    }

    pub(super) fn refuse_transfers(&mut self, error: &SessionError) {
        for (_, transfer) in self.transfers.waiting.drain(..) {
            answer(transfer, error.clone());
        }
    }
}

fn answer(mut transfer: QueuedTransfer, error: SessionError) {
    if let Some(reply) = transfer.reply.take() {
        // A caller that is gone needs no answer.
        let _ = reply.send(Err(error));
    }
}
