//! Admission of commands and the jobs that run them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ractor::{Actor, ActorId, ActorRef};
use tokio::time::{Instant, sleep_until};

use super::SessionState;
use super::message::{JobEntry, Place, QueuedExec, SessionMessage};
use super::queue::Queue;
use super::state::Link;
use crate::actors::error::SessionError;
use crate::actors::job::record::{Ended, JobRecord};
use crate::actors::job::{self, JobActor, JobArguments, JobMessage, Way};
use crate::error::Fate;
use crate::limits;

impl SessionState {
    /// Takes a call in, or answers at once why not.
    pub(super) async fn admit(&mut self, mut exec: QueuedExec) {
        exec.taken.store(true, Ordering::SeqCst);
        exec.epoch = self.epoch;
        if let Err(error) = self.check_admission(&exec) {
            answer(&mut exec, error);
            return;
        }
        let (turn, deadline) = (exec.turn(), exec.deadline);
        let ticket = self.queue_for(exec.place).push(exec);
        self.serve(ticket, turn, deadline).await;
    }

    /// Starts what may run; what has to wait gets a limit, and a link if there is none.
    async fn serve(&mut self, ticket: u64, turn: Instant, deadline: Instant) {
        self.pump().await;
        if self.queue.contains(ticket) || self.shell.queue.contains(ticket) {
            self.expire_later(ticket, turn);
            self.expire_later(ticket, deadline);
        }
        if !matches!(self.link, Link::Ready(_))
            && let Err(error) = self.on_demand()
        {
            self.fail_queue(&error);
        }
    }

    fn check_admission(&mut self, exec: &QueuedExec) -> Result<(), SessionError> {
        job::prepare(&exec.request, exec.place)?;
        let running = self.jobs.len();
        let queue = self.queue_for(exec.place);
        queue.drop_cancelled();
        let queued = queue.len();
        if queued >= limits::JOBS_QUEUED_MAX {
            return Err(SessionError::TooManyJobs {
                session: self.name.clone(),
                running,
                queued,
            });
        }
        Ok(())
    }

    fn queue_for(&mut self, place: Place) -> &mut Queue {
        match place {
            Place::Channel => &mut self.queue,
            Place::Shell => &mut self.shell.queue,
        }
    }

    /// A command whose link died before it was sent waits for the next link, at the front.
    pub(super) async fn requeue(&mut self, mut exec: QueuedExec) {
        if exec.epoch != self.epoch {
            let ended = SessionError::Ended {
                name: self.name.clone(),
                fate: Fate::NotSent,
            };
            return answer(&mut exec, ended);
        }
        let (turn, deadline) = (exec.turn(), exec.deadline);
        let ticket = self.queue_for(exec.place).push_front(exec);
        // The job may tell before the watch on the connection does.
        let dead = match &self.link {
            Link::Ready(up) if up.connection.is_closed() => Some(up.connection.watch_end()),
            _ => None,
        };
        if let Some(ended) = dead {
            let reason = ended.await;
            self.connection_lost(reason);
        }
        self.serve(ticket, turn, deadline).await;
    }

    /// Starts as many waiting commands as may run.
    pub(super) async fn pump(&mut self) {
        while self.jobs.len() < limits::JOBS_RUNNING_MAX
            && matches!(self.link, Link::Ready(_))
            && let Some(exec) = self.next_for_shell().or_else(|| self.queue.pop())
        {
            self.start_job(exec).await;
        }
        self.pump_transfers().await;
    }

    async fn start_job(&mut self, mut exec: QueuedExec) {
        let line = match job::prepare(&exec.request, exec.place) {
            Ok(line) => line,
            Err(error) => return answer(&mut exec, error),
        };
        let way = match (exec.place, &self.link) {
            (Place::Channel, Link::Ready(up)) => Some(Way::Channel(up.channels.clone())),
            (Place::Shell, _) => self.shell_actor().await.map(Way::Shell),
            (Place::Channel, _) => None,
        };
        // The reply port goes with it, which answers the caller.
        let Some(way) = way else { return };
        self.jobs_started += 1;
        let number = self.jobs_started;
        let (record, ends) = job::record(&self.name, number, &exec);
        let arguments = JobArguments {
            session: self.myself.clone(),
            number,
            exec,
            line,
            way,
            record: Arc::clone(&record),
            ends,
        };
        // The start of a job waits for nothing: it spawns its task and is there.
        let spawned = Actor::spawn_linked(None, JobActor, arguments, self.myself.get_cell()).await;
        match spawned {
            Ok((actor, _)) => drop(self.jobs.insert(number, JobEntry { actor, record })),
            // The reply port went with it, which answers the caller.
            Err(error) => {
                tracing::error!(session = %self.name, %error, "a job could not be started")
            }
        }
    }

    /// A job, or whether there was one of that number.
    pub(super) fn find_job(&self, number: u64) -> Result<Arc<JobRecord>, bool> {
        let running = self.jobs.get(&number).map(|entry| &entry.record);
        let found = running.or_else(|| self.ended_jobs.get(&number));
        found
            .cloned()
            .ok_or(number >= 1 && number <= self.jobs_started)
    }

    /// Keeps the newest ended jobs that somebody may ask for.
    pub(super) fn job_ended(&mut self, number: u64, keep: bool) {
        let Some(entry) = self.jobs.remove(&number) else {
            return;
        };
        if keep {
            self.shelf.put(Arc::clone(&entry.record));
            self.ended_jobs.insert(number, entry.record);
        }
        while self.ended_jobs.len() > limits::JOBS_ENDED_KEPT {
            self.ended_jobs.pop_first();
        }
    }

    /// A job that crashed leaves a record that says so.
    pub(super) fn job_failed(&mut self, id: ActorId) {
        let failed: Vec<_> = self
            .jobs
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
            self.ended_jobs.insert(number, record);
        }
    }

    fn expire_later(&self, ticket: u64, deadline: Instant) {
        let myself = self.myself.clone();
        tokio::spawn(async move {
            sleep_until(deadline).await;
            let _ = myself.send_message(SessionMessage::QueueExpired { ticket });
        });
    }

    /// A call has waited long enough: for its turn as long as it said, for a connection as long as one may take.
    pub(super) fn expire(&mut self, ticket: u64) {
        let is_up = matches!(self.link, Link::Ready(_));
        let is_over = |exec: &QueuedExec| is_up || exec.deadline <= Instant::now();
        let taken = self.queue.take_if(ticket, is_over);
        let Some(mut exec) = taken.or_else(|| self.shell.queue.take_if(ticket, is_over)) else {
            return;
        };
        let busy = (exec.place == Place::Shell)
            .then(|| self.shell_busy())
            .flatten();
        let error = busy.unwrap_or_else(|| SessionError::QueueTimeout {
            session: self.name.clone(),
            running: self.jobs.len(),
            waited: exec.received.elapsed(),
        });
        answer(&mut exec, error);
    }

    pub(super) fn fail_queue(&mut self, error: &SessionError) {
        while let Some(mut exec) = self.queue.pop().or_else(|| self.shell.queue.pop()) {
            answer(&mut exec, error.clone());
        }
        self.fail_transfers(error);
    }

    /// The running jobs by name.
    pub(super) fn jobs_to_stop(&self) -> Vec<(String, ActorRef<JobMessage>)> {
        let running = self.jobs.values();
        running
            .map(|entry| (entry.record.name.clone(), entry.actor.clone()))
            .collect()
    }
}

/// Stops jobs side by side; each has its own bound.
pub(super) async fn stop_all(jobs: Vec<ActorRef<JobMessage>>) {
    let mut stops = tokio::task::JoinSet::new();
    for job in jobs {
        stops.spawn(async move { job::stop(&job).await });
    }
    stops.join_all().await;
}

fn answer(exec: &mut QueuedExec, error: SessionError) {
    if let Some(reply) = exec.reply.take() {
        let _ = reply.send(Err(error));
    }
}
