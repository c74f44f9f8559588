//! The session's shell: whose turn it is, and the actor of the current link.

use std::sync::Arc;

use ractor::{Actor, ActorRef, ActorStatus};

use super::live_link::LiveLink;
use super::queue::Queue;
use super::queued::QueuedCall;
use super::work::Work;
use crate::actors::error::SessionError;
use crate::actors::job::command::CommandWork;
use crate::actors::job::record::JobRecord;
use crate::actors::shell::{ShellActor, ShellArguments, ShellMessage};
use crate::limits;
use crate::ssh::shell::ShellCarryOver;
use crate::text::visible_line;

/// The shell of a session, and the commands that wait for it.
pub(super) struct ShellSlot {
    /// Calls that wait for their turn.
    pub(super) queue: Queue<CommandWork>,
    /// The actor and the generation of the link that it is on.
    current: Option<(ActorRef<ShellMessage>, u64)>,
    /// What outlives it.
    pub(super) memory: Arc<ShellCarryOver>,
}

impl Default for ShellSlot {
    fn default() -> Self {
        Self {
            queue: Queue::with_capacity(limits::JOBS_QUEUED_MAX),
            current: None,
            memory: Arc::default(),
        }
    }
}

impl ShellSlot {
    /// Lets the shell go, and all that is remembered of it.
    pub(super) fn forget(&mut self) {
        self.let_go();
        self.memory = Arc::default();
    }

    /// Lets the shell go; its end shows in its job, if one is running.
    pub(super) fn let_go(&mut self) {
        if let Some((actor, _)) = self.current.take() {
            actor.stop(None);
        }
    }
}

impl Work {
    /// The command that runs in the shell.
    pub(super) fn shell_job(&self) -> Option<&Arc<JobRecord>> {
        let mut records = self.running.values().map(|entry| &entry.record);
        records.find(|record| record.is_in_shell())
    }

    /// The next call for the shell, if it is free.
    pub(super) fn next_for_shell(&mut self) -> Option<QueuedCall<CommandWork>> {
        if self.shell_job().is_some() {
            return None;
        }
        self.shell.queue.pop()
    }

    /// The shell of this link, started if there is none. Its start waits for nothing.
    pub(super) async fn shell_actor(&mut self, link: &LiveLink) -> Option<ActorRef<ShellMessage>> {
        if let Some((actor, generation)) = &self.shell.current
            && *generation == link.generation
            && matches!(
                actor.get_status(),
                ActorStatus::Running | ActorStatus::Starting
            )
        {
            return Some(actor.clone());
        }
        let arguments = ShellArguments {
            channels: link.channels.clone(),
            memory: Arc::clone(&self.shell.memory),
        };
        self.shell.let_go();
        let spawned =
            Actor::spawn_linked(None, ShellActor, arguments, self.session.get_cell()).await;
        match spawned {
            Ok((actor, _)) => {
                self.shell.current = Some((actor.clone(), link.generation));
                Some(actor)
            }
            Err(error) => {
                tracing::error!(session = %self.name, %error, "a shell could not be started");
                None
            }
        }
    }

    /// Why a call for the shell was not served in its time.
    pub(super) fn shell_busy(&self) -> Option<SessionError> {
        let record = self.shell_job()?;
        Some(SessionError::ShellBusy {
            session: self.name.clone(),
            job: record.name.clone(),
            command: visible_line(&record.command, limits::JOB_COMMAND_SHOWN_CHARS),
            running_for: record.running_for(),
        })
    }
}
