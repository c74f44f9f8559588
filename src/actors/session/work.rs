//! The work of a session: calls that wait, running jobs, ended jobs and the shell.
//!
//! Nothing here knows the connection state machine. Methods that start work take the live link, where there is one;
//! dialling on demand is up to the caller. A call that waits is answered by [`Work::expire`], by
//! [`Work::refuse_waiting`] or by its job.

use std::collections::BTreeMap;
use std::sync::Arc;

use ractor::ActorRef;
use tokio::time::sleep_until;

use super::job_entry::JobEntry;
use super::live_link::LiveLink;
use super::message::SessionMessage;
use super::queue::{Admitted, Queue, Ticket, Tickets};
use super::queued::{Call, QueuedCall};
use super::shell_slot::ShellSlot;
use crate::actors::error::SessionError;
use crate::actors::job::command::{CommandWork, RunIn};
use crate::actors::job::record::JobRecord;
use crate::actors::job::retention::Retention;
use crate::actors::job::transfer_work::TransferWork;
use crate::error::Fate;
use crate::limits;
use crate::ssh::transfer::Leftovers;
use crate::store::SessionName;

/// Queues, running jobs and ended jobs of a session.
pub(super) struct Work {
    /// The session's own actor: parent of the jobs, receiver of their events.
    pub(super) session: ActorRef<SessionMessage>,
    pub(super) name: SessionName,
    /// Counts the times that all callers were sent away: a command of an earlier epoch does not run.
    epoch: u64,
    tickets: Tickets,
    /// Commands that wait for a link or for their turn.
    pub(super) commands: Queue<CommandWork>,
    /// Transfers that wait for a link or for their turn.
    pub(super) transfers: Queue<TransferWork>,
    /// The shell, with the commands that wait for it.
    pub(super) shell: ShellSlot,
    /// Running jobs by number.
    pub(super) running: BTreeMap<u64, JobEntry>,
    /// Ended jobs that can still be read.
    pub(super) ended: BTreeMap<u64, Arc<JobRecord>>,
    /// Ended jobs of all sessions.
    pub(super) retention: Retention,
    /// Temporary files on the host that wait for the next link.
    pub(super) leftovers: Leftovers,
    /// Number of the newest job.
    pub(super) jobs_started: u64,
}

impl Work {
    pub(super) fn new(
        session: ActorRef<SessionMessage>,
        name: SessionName,
        retention: Retention,
    ) -> Self {
        Self {
            session,
            name,
            epoch: 0,
            tickets: Tickets::default(),
            commands: Queue::with_capacity(limits::JOBS_QUEUED_MAX),
            transfers: Queue::with_capacity(limits::TRANSFERS_QUEUED_MAX),
            shell: ShellSlot::default(),
            running: BTreeMap::new(),
            ended: BTreeMap::new(),
            retention,
            leftovers: Leftovers::default(),
            jobs_started: 0,
        }
    }

    /// Puts a call into its queue, or answers the caller when the queue is full.
    pub(super) fn admit(&mut self, call: Call) -> Option<Admitted> {
        let ticket = self.tickets.next();
        match call {
            Call::Command(mut call) => {
                call.take_in(self.epoch);
                let run_in = call.work.run_in;
                if self.command_queue(run_in).has_room() {
                    return Some(self.command_queue(run_in).push(ticket, call));
                }
                call.refuse(self.too_many_jobs(run_in));
            }
            Call::Transfer(mut call) => {
                call.take_in(self.epoch);
                if self.transfers.has_room() {
                    return Some(self.transfers.push(ticket, call));
                }
                call.refuse(self.too_many_transfers());
            }
        }
        None
    }

    /// Puts a call back to the front of its queue: the link died before anything was sent. The caller of an earlier
    /// epoch is sent away.
    pub(super) fn requeue(&mut self, call: Call) -> Option<Admitted> {
        let ticket = self.tickets.next();
        match call {
            Call::Command(call) if call.epoch == self.epoch => {
                let run_in = call.work.run_in;
                return Some(self.command_queue(run_in).push_front(ticket, call));
            }
            Call::Transfer(call) if call.epoch == self.epoch => {
                return Some(self.transfers.push_front(ticket, call));
            }
            Call::Command(call) => call.refuse(self.ended_error()),
            Call::Transfer(call) => call.refuse(self.ended_error()),
        }
        None
    }

    /// Starts as many waiting calls as may run on this link.
    pub(super) async fn start_waiting(&mut self, link: Option<&LiveLink>) {
        let Some(link) = link else { return };
        self.start_commands(link).await;
        self.start_transfers(link).await;
    }

    /// Takes note of a new link: every call that waited had to connect first, and temporary files that an earlier
    /// link left behind are removed.
    pub(super) fn link_came_up(&mut self, link: &LiveLink) {
        self.commands.mark_reconnected();
        self.shell.queue.mark_reconnected();
        self.transfers.mark_reconnected();
        if !self.leftovers.is_empty() {
            let (leftovers, pool) = (self.leftovers.clone(), Arc::clone(&link.sftp));
            tokio::spawn(async move { leftovers.sweep(&pool).await });
        }
    }

    /// Sends [`SessionMessage::WaitExpired`] at both ends of a call's wait, if the call still waits.
    pub(super) fn watch_wait(&self, admitted: Admitted) {
        let ticket = admitted.ticket;
        let waits = self.commands.contains(ticket)
            || self.shell.queue.contains(ticket)
            || self.transfers.contains(ticket);
        if !waits {
            return;
        }
        for at in [admitted.turn, admitted.deadline] {
            let session = self.session.clone();
            tokio::spawn(async move {
                sleep_until(at).await;
                let _ = session.send_message(SessionMessage::WaitExpired { ticket });
            });
        }
    }

    /// Answers a call that has waited long enough: for its turn as long as the call said, for a link as long as a
    /// dial may take.
    pub(super) fn expire(&mut self, ticket: Ticket, is_up: bool) {
        if let Some(call) = self.commands.take_expired(ticket, is_up) {
            let error = self.queue_timeout(&call);
            call.refuse(error);
        } else if let Some(call) = self.shell.queue.take_expired(ticket, is_up) {
            let error = self.shell_busy_error();
            let error = error.unwrap_or_else(|| self.queue_timeout(&call));
            call.refuse(error);
        } else if let Some(call) = self.transfers.take_expired(ticket, is_up) {
            call.refuse(self.too_many_transfers());
        }
    }

    /// Whether any caller waits for a link.
    pub(super) fn has_callers(&self) -> bool {
        self.commands.has_callers()
            || self.shell.queue.has_callers()
            || self.transfers.has_callers()
    }

    /// Answers every call that waits.
    pub(super) fn refuse_waiting(&mut self, error: &SessionError) {
        self.commands.refuse_all(error);
        self.shell.queue.refuse_all(error);
        self.transfers.refuse_all(error);
    }

    /// Answers every call that waits, and every call that a job gives back later.
    pub(super) fn send_all_away(&mut self, error: &SessionError) {
        self.epoch += 1;
        self.refuse_waiting(error);
    }

    fn command_queue(&mut self, run_in: RunIn) -> &mut Queue<CommandWork> {
        match run_in {
            RunIn::Channel => &mut self.commands,
            RunIn::Shell => &mut self.shell.queue,
        }
    }

    fn ended_error(&self) -> SessionError {
        SessionError::Ended {
            name: self.name.clone(),
            fate: Fate::NotSent,
        }
    }

    fn too_many_jobs(&mut self, run_in: RunIn) -> SessionError {
        SessionError::TooManyJobs {
            session: self.name.clone(),
            running: self.running.len(),
            queued: self.command_queue(run_in).len(),
        }
    }

    fn too_many_transfers(&self) -> SessionError {
        SessionError::TooManyTransfers {
            session: self.name.clone(),
            running: self.running_transfers(),
            queued: self.transfers.len(),
        }
    }

    fn queue_timeout(&self, call: &QueuedCall<CommandWork>) -> SessionError {
        SessionError::QueueTimeout {
            session: self.name.clone(),
            running: self.running.len(),
            waited: call.received.elapsed(),
        }
    }
}
