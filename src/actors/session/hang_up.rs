//! Ends a link on purpose: the jobs first, then the connection.

use std::sync::Arc;

use ractor::ActorRef;
use tokio::time::timeout;

use super::connection_state::event::Goodbye;
use super::jobs::stop_all;
use super::live_link::LiveLink;
use super::message::EndedJobs;
use super::session_state::{SessionPorts, SessionState};
use crate::actors::job::ended_by::EndedBy;
use crate::actors::job::message::JobMessage;
use crate::actors::job::record::JobRecord;
use crate::limits;
use crate::ssh::ending::process_group;

impl SessionState {
    /// Starts the task that stops the jobs and closes the link.
    pub(super) fn hang_up(&mut self, link: Option<Arc<LiveLink>>, goodbye: Goodbye<SessionPorts>) {
        let by = match &goodbye {
            Goodbye::Reconnect => EndedBy::Reconnect,
            Goodbye::Disconnect(_) => EndedBy::Disconnect,
            Goodbye::ShutDown(_) => EndedBy::Shutdown,
        };
        let (records, jobs): (Vec<_>, Vec<_>) = self.work.jobs_to_stop().into_iter().unzip();
        // An earlier reconnect has listed the jobs whose end is still under way.
        let newly_ended = names(records.iter().filter(|record| !record.is_hung_up()));
        self.work.note_stop(by);
        match goodbye {
            Goodbye::Reconnect => {
                self.work.shell.end_by(by);
                self.ended_by_reconnect = newly_ended;
                tokio::spawn(stop_and_close(jobs, link));
            }
            Goodbye::Disconnect(reply) => {
                self.work.shell.end_by(by);
                tokio::spawn(async move {
                    // A host that does not answer holds up the ending, which continues, but not the caller.
                    let ending = tokio::spawn(stop_and_close(jobs, link));
                    let _ = timeout(limits::DISCONNECT_ANSWER_TIME, ending).await;
                    let _ = reply.send(ended_jobs(&records));
                });
            }
            Goodbye::ShutDown(reply) => {
                let transfers = self.work.transfers_to_stop();
                tokio::spawn(async move {
                    if let Some(link) = link {
                        shut_down(&link, jobs, transfers).await;
                    }
                    let _ = reply.send(());
                });
            }
        }
    }
}

fn names<'a>(records: impl Iterator<Item = &'a Arc<JobRecord>>) -> Vec<String> {
    records.map(|record| record.name.clone()).collect()
}

fn ended_jobs(records: &[Arc<JobRecord>]) -> EndedJobs {
    EndedJobs {
        names: names(records.iter()),
        unconfirmed: names(records.iter().filter(|record| !record.is_over())),
    }
}

async fn stop_and_close(jobs: Vec<ActorRef<JobMessage>>, link: Option<Arc<LiveLink>>) {
    stop_all(jobs).await;
    if let Some(link) = link {
        link.connection.close().await;
    }
}

/// Tells the host to end every process of the session. The host finishes that after this process has ended.
async fn shut_down(
    link: &LiveLink,
    jobs: Vec<ActorRef<JobMessage>>,
    transfers: Vec<ActorRef<JobMessage>>,
) {
    // Transfers come first: they have files to remove, and the helper ends their servers too.
    let _ = timeout(limits::SHUTDOWN_TRANSFER_TIME, stop_all(transfers)).await;
    if !process_group::end_all(&link.channels).await {
        // Each job ends its own command by signal requests, as far as the time allows, and waits for no helper.
        link.connection.note_useless_helper();
        let _ = timeout(limits::SHUTDOWN_SIGNAL_TIME, stop_all(jobs)).await;
    }
    link.connection.close().await;
}
