//! Admission of commands and the jobs that run them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ractor::{Actor, ActorRef};
use tokio::time::Instant;

use super::live_link::LiveLink;
use super::queue::Queue;
use super::work::{Admitted, Work};
use crate::actors::error::SessionError;
use crate::actors::job::message::JobMessage;
use crate::actors::job::record::JobRecord;
use crate::actors::job::{self, JobActor, JobArguments, Route};
use crate::actors::request::{QueuedExec, RunIn};
use crate::error::Fate;
use crate::limits;

/// A running job as its session knows it.
#[derive(Debug)]
pub(crate) struct JobEntry {
    pub(crate) actor: ActorRef<JobMessage>,
    pub(crate) record: Arc<JobRecord>,
}

impl Work {
    /// Takes a call in, or answers at once why not.
    pub(super) fn admit(&mut self, mut exec: QueuedExec) -> Option<Admitted> {
        exec.taken.store(true, Ordering::SeqCst);
        exec.epoch = self.epoch;
        if let Err(error) = self.check_admission(&exec) {
            answer(&mut exec, error);
            return None;
        }
        let (turn, deadline) = (exec.turn(), exec.deadline);
        let ticket = self.queue_for(exec.run_in).push(exec);
        Some(Admitted {
            ticket,
            turn,
            deadline,
        })
    }

    fn check_admission(&mut self, exec: &QueuedExec) -> Result<(), SessionError> {
        job::prepare(&exec.request, exec.run_in)?;
        let running = self.running.len();
        let queue = self.queue_for(exec.run_in);
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

    fn queue_for(&mut self, run_in: RunIn) -> &mut Queue {
        match run_in {
            RunIn::Channel => &mut self.commands,
            RunIn::Shell => &mut self.shell.queue,
        }
    }

    /// A command whose link died before it was sent waits for the next link, at the front.
    pub(super) fn requeue(&mut self, mut exec: QueuedExec) -> Option<Admitted> {
        if exec.epoch != self.epoch {
            let ended = SessionError::Ended {
                name: self.name.clone(),
                fate: Fate::NotSent,
            };
            answer(&mut exec, ended);
            return None;
        }
        let (turn, deadline) = (exec.turn(), exec.deadline);
        let ticket = self.queue_for(exec.run_in).push_front(exec);
        Some(Admitted {
            ticket,
            turn,
            deadline,
        })
    }

    /// Starts as many waiting commands as may run.
    pub(super) async fn start_commands(&mut self, link: &LiveLink) {
        while self.running.len() < limits::JOBS_RUNNING_MAX
            && let Some(exec) = self.next_for_shell().or_else(|| self.commands.pop())
        {
            self.start_job(exec, link).await;
        }
    }

    async fn start_job(&mut self, mut exec: QueuedExec, link: &LiveLink) {
        let line = match job::prepare(&exec.request, exec.run_in) {
            Ok(line) => line,
            Err(error) => return answer(&mut exec, error),
        };
        let route = match exec.run_in {
            RunIn::Channel => Some(Route::Channel(link.channels.clone())),
            RunIn::Shell => self.shell_actor(link).await.map(Route::Shell),
        };
        // The reply port goes with it, which answers the caller.
        let Some(route) = route else { return };
        self.jobs_started += 1;
        let number = self.jobs_started;
        let (record, ends) = job::record(&self.name, number, &exec);
        let arguments = JobArguments {
            session: self.session.clone(),
            number,
            exec,
            line,
            route,
            record: Arc::clone(&record),
            ends,
        };
        // The start of a job waits for nothing: it spawns its task and is there.
        let spawned = Actor::spawn_linked(None, JobActor, arguments, self.session.get_cell()).await;
        match spawned {
            Ok((actor, _)) => drop(self.running.insert(number, JobEntry { actor, record })),
            // The reply port went with it, which answers the caller.
            Err(error) => {
                tracing::error!(session = %self.name, %error, "a job could not be started")
            }
        }
    }

    pub(super) fn expire_command(&mut self, ticket: u64, is_up: bool) {
        let is_over = |exec: &QueuedExec| is_up || exec.deadline <= Instant::now();
        let taken = self.commands.take_if(ticket, is_over);
        let Some(mut exec) = taken.or_else(|| self.shell.queue.take_if(ticket, is_over)) else {
            return;
        };
        let busy = (exec.run_in == RunIn::Shell)
            .then(|| self.shell_busy())
            .flatten();
        let error = busy.unwrap_or_else(|| SessionError::QueueTimeout {
            session: self.name.clone(),
            running: self.running.len(),
            waited: exec.received.elapsed(),
        });
        answer(&mut exec, error);
    }

    pub(super) fn refuse_commands(&mut self, error: &SessionError) {
        while let Some(mut exec) = self.commands.pop().or_else(|| self.shell.queue.pop()) {
            answer(&mut exec, error.clone());
        }
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
