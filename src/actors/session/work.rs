//! The work of a session: calls that wait, running jobs, ended jobs and the shell.
//!
//! Nothing here knows the connection state machine. Methods that start work take the live link, where there is one;
//! dialling on demand is the business of the caller.

use std::collections::BTreeMap;
use std::sync::Arc;

use ractor::{ActorId, ActorRef};
use tokio::time::{Instant, sleep_until};

use super::jobs::JobEntry;
use super::live_link::LiveLink;
use super::message::SessionMessage;
use super::queue::Queue;
use super::shell::ShellSlot;
use super::transfers::Transfers;
use crate::actors::error::SessionError;
use crate::actors::job::message::JobMessage;
use crate::actors::job::record::{Ended, JobRecord};
use crate::actors::job::retention::Retention;
use crate::actors::report::JobStatus;
use crate::error::Fate;
use crate::limits;
use crate::store::SessionName;

/// Queues, running jobs and ended jobs of one session.
pub(super) struct Work {
    /// The session's own actor: parent of the jobs, receiver of their events.
    pub(super) session: ActorRef<SessionMessage>,
    pub(super) name: SessionName,
    /// Counts the times that all callers were sent away: a command of an earlier epoch does not run.
    pub(super) epoch: u64,
    /// Commands that wait for a link or for their turn.
    pub(super) commands: Queue,
    pub(super) transfers: Transfers,
    pub(super) shell: ShellSlot,
    /// Running jobs by number.
    pub(super) running: BTreeMap<u64, JobEntry>,
    /// Ended jobs that can still be read.
    ended: BTreeMap<u64, Arc<JobRecord>>,
    /// Ended jobs of all sessions.
    retention: Retention,
    /// Number of the newest job.
    pub(super) jobs_started: u64,
}

/// A call that was taken in and has to be served.
#[derive(Debug, Clone, Copy)]
pub(super) struct Admitted {
    pub(super) ticket: u64,
    /// When waiting for a turn is over on a session that is up.
    pub(super) turn: Instant,
    /// When waiting for a link is over.
    pub(super) deadline: Instant,
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
            commands: Queue::default(),
            transfers: Transfers::default(),
            shell: ShellSlot::default(),
            running: BTreeMap::new(),
            ended: BTreeMap::new(),
            retention,
            jobs_started: 0,
        }
    }

    /// Starts as many waiting calls as may run on this link.
    pub(super) async fn start_waiting(&mut self, link: Option<&LiveLink>) {
        let Some(link) = link else { return };
        self.start_commands(link).await;
        self.start_transfers(link).await;
    }

    /// A link is up: every call that waited had to connect first, and files that an earlier link left behind can go.
    pub(super) fn link_came_up(&mut self, link: &LiveLink) {
        self.commands.note_reconnected();
        self.shell.queue.note_reconnected();
        self.transfers.note_reconnected();
        self.transfers.sweep(link);
    }

    /// Sends [`SessionMessage::QueueExpired`] at both ends of a call's wait, if the call still waits.
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
                let _ = session.send_message(SessionMessage::QueueExpired { ticket });
            });
        }
    }

    /// Answers a call that has waited long enough: for its turn as long as the call said, for a link as long as a
    /// dial may take.
    pub(super) fn expire(&mut self, ticket: u64, is_up: bool) {
        self.expire_command(ticket, is_up);
        self.expire_transfer(ticket, is_up);
    }

    /// Whether anybody waits for a link.
    pub(super) fn has_callers(&self) -> bool {
        self.commands.has_callers()
            || self.shell.queue.has_callers()
            || self.transfers.has_callers()
    }

    /// Answers every call that waits.
    pub(super) fn refuse_waiting(&mut self, error: &SessionError) {
        self.refuse_commands(error);
        self.refuse_transfers(error);
    }

    /// Answers every call that waits, and every call that a job gives back later.
    pub(super) fn send_all_away(&mut self, error: &SessionError) {
        self.epoch += 1;
        self.refuse_waiting(error);
    }

    /// A job, or whether there was one of that number.
    pub(super) fn find_job(&self, number: u64) -> Result<Arc<JobRecord>, bool> {
        let running = self.running.get(&number).map(|entry| &entry.record);
        let found = running.or_else(|| self.ended.get(&number));
        found
            .cloned()
            .ok_or(number >= 1 && number <= self.jobs_started)
    }

    /// Keeps the newest ended jobs that somebody may ask for.
    pub(super) fn job_ended(&mut self, number: u64, keep: bool) {
        let Some(entry) = self.running.remove(&number) else {
            return;
        };
        if keep {
            self.retention.put(Arc::clone(&entry.record));
            self.ended.insert(number, entry.record);
        }
        while self.ended.len() > limits::JOBS_ENDED_KEPT {
            self.ended.pop_first();
        }
    }

    /// A job that crashed leaves a record that says so.
    pub(super) fn job_failed(&mut self, id: ActorId) {
        let failed: Vec<_> = self
            .running
            .extract_if(.., |_, entry| entry.actor.get_id() == id)
            .collect();
        for (number, JobEntry { record, .. }) in failed {
            let fate = if record.is_sent() {
                Fate::Unknown
            } else {
                Fate::NotSent
            };
            record.note_ended(Ended {
                outcome: Err(SessionError::Crashed {
                    name: self.name.clone(),
                    fate,
                }),
                elapsed: record.running_for(),
                held_by_background: false,
            });
            self.ended.insert(number, record);
        }
    }

    /// The running jobs by name.
    pub(super) fn jobs_to_stop(&self) -> Vec<(String, ActorRef<JobMessage>)> {
        let running = self.running.values();
        running
            .map(|entry| (entry.record.name.clone(), entry.actor.clone()))
            .collect()
    }

    /// The running transfers.
    pub(super) fn transfers_to_stop(&self) -> Vec<ActorRef<JobMessage>> {
        let running = self.running.values();
        running
            .filter(|entry| entry.record.transfer.is_some())
            .map(|entry| entry.actor.clone())
            .collect()
    }

    /// The running jobs for `ssh_sessions`.
    pub(super) fn job_statuses(&self) -> Vec<JobStatus> {
        let records = self.running.values().map(|entry| &entry.record);
        records
            .map(|record| JobStatus {
                job: record.name.clone(),
                command: record
                    .command
                    .chars()
                    .take(limits::JOB_COMMAND_SHOWN_CHARS)
                    .collect(),
                running_for: record.running_for(),
            })
            .collect()
    }
}
