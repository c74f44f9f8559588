//! The jobs of a session: their start, their end, and the look-up of a job by its number.

use std::sync::Arc;

use ractor::{Actor, ActorId, ActorRef};

use super::job_entry::JobEntry;
use super::live_link::LiveLink;
use super::message::JobNotFound;
use super::queued::{Call, QueuedCall};
use super::work::Work;
use crate::actors::job::Route;
use crate::actors::job::actor::{self, JobActor, JobArguments};
use crate::actors::job::command::{CommandWork, RunIn};
use crate::actors::job::ended_by::EndedBy;
use crate::actors::job::message::JobMessage;
use crate::actors::job::record::{Ended, JobRecord};
use crate::actors::job::transfer_work::TransferResources;
use crate::actors::job::work::JobWork;
use crate::actors::report::JobStatus;
use crate::limits;

impl Work {
    /// Starts as many waiting commands as may run.
    pub(super) async fn start_commands(&mut self, link: &LiveLink) {
        while self.running.len() < limits::JOBS_RUNNING_MAX
            && let Some(call) = self.next_for_shell().or_else(|| self.commands.pop())
        {
            self.start_command(call, link).await;
        }
    }

    async fn start_command(&mut self, call: QueuedCall<CommandWork>, link: &LiveLink) {
        let route = match call.work.run_in {
            RunIn::Channel => Some(Route::Channel(Arc::clone(&link.channels))),
            RunIn::Shell => self.shell_actor(link).await.map(Route::Shell),
        };
        // Without a route the reply port is dropped, which answers the caller.
        if let Some(route) = route {
            self.start_job(call, route).await;
        }
    }

    /// Starts as many waiting transfers as may run.
    pub(super) async fn start_transfers(&mut self, link: &LiveLink) {
        while self.running_transfers() < limits::TRANSFERS_RUNNING_MAX
            && self.running.len() < limits::JOBS_RUNNING_MAX
            && let Some(call) = self.transfers.pop()
        {
            let resources = TransferResources {
                pool: Arc::clone(&link.sftp),
                leftovers: self.leftovers.clone(),
            };
            self.start_job(call, resources).await;
        }
    }

    pub(super) fn running_transfers(&self) -> usize {
        let running = self.running.values();
        running.filter(|entry| entry.is_transfer()).count()
    }

    /// Starts a job under the next number. The start waits for nothing: the actor spawns its task and is there.
    async fn start_job<W: JobWork>(&mut self, call: QueuedCall<W>, resources: W::Resources)
    where
        Call: From<QueuedCall<W>>,
    {
        self.jobs_started += 1;
        let number = self.jobs_started;
        let description = call.work.describe();
        let (record, inbox) = JobRecord::new(&self.name, number, description, call.reconnected);
        let arguments = JobArguments {
            session: self.session.clone(),
            number,
            call,
            resources,
            record: Arc::clone(&record),
            inbox,
        };
        let parent = self.session.get_cell();
        match Actor::spawn_linked(None, JobActor::new(), arguments, parent).await {
            Ok((actor, _)) => drop(self.running.insert(number, JobEntry { actor, record })),
            // The reply port was dropped with the arguments, which answers the caller.
            Err(error) => {
                tracing::error!(session = %self.name, %error, "a job could not be started");
            }
        }
    }

    /// A job by its number, running or ended.
    pub(super) fn find_job(&self, number: u64) -> Result<Arc<JobRecord>, JobNotFound> {
        let running = self.running.get(&number).map(|entry| &entry.record);
        match running.or_else(|| self.ended.get(&number)) {
            Some(record) => Ok(Arc::clone(record)),
            None if (1..=self.jobs_started).contains(&number) => Err(JobNotFound::Dropped),
            None => Err(JobNotFound::NeverStarted),
        }
    }

    /// Removes a job that has ended, and keeps the record if somebody may ask for the job. The oldest records go.
    pub(super) fn job_ended(&mut self, number: u64, keep: bool) {
        let Some(entry) = self.running.remove(&number) else {
            return;
        };
        if keep {
            self.retention.keep(Arc::clone(&entry.record));
            self.ended.insert(number, entry.record);
        }
        while self.ended.len() > limits::JOBS_ENDED_KEPT {
            self.ended.pop_first();
        }
    }

    /// Keeps the record of a job whose actor crashed, with an end that says so.
    pub(super) fn job_crashed(&mut self, id: ActorId) {
        let crashed: Vec<_> = self
            .running
            .extract_if(.., |_, entry| entry.actor.get_id() == id)
            .collect();
        for (number, JobEntry { record, .. }) in crashed {
            record.mark_ended(Ended::without_outcome(record.crashed(), &record));
            self.ended.insert(number, record);
        }
    }

    /// Notes in all running jobs who ends them.
    pub(super) fn note_stop(&self, by: EndedBy) {
        for entry in self.running.values() {
            entry.record.note_stop(by);
        }
    }

    /// The running jobs.
    pub(super) fn jobs_to_stop(&self) -> Vec<(Arc<JobRecord>, ActorRef<JobMessage>)> {
        let running = self.running.values();
        running
            .map(|entry| (Arc::clone(&entry.record), entry.actor.clone()))
            .collect()
    }

    /// The running transfers.
    pub(super) fn transfers_to_stop(&self) -> Vec<ActorRef<JobMessage>> {
        let running = self.running.values();
        running
            .filter(|entry| entry.is_transfer())
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
                kind: record.kind.as_str(),
                is_waiting: record.is_waiting(),
                running_for: record.running_for(),
            })
            .collect()
    }
}

/// Stops jobs side by side; each has its own bound.
pub(super) async fn stop_all(jobs: Vec<ActorRef<JobMessage>>) {
    let mut stops = tokio::task::JoinSet::new();
    for job in jobs {
        stops.spawn(async move { actor::stop(&job).await });
    }
    stops.join_all().await;
}
