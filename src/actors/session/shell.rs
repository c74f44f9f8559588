//! The session's shell: the queue for the shell, and the shell actor of the current link.

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
    /// The shell actor, and the generation of its link.
    current: Option<(ActorRef<ShellMessage>, u64)>,
    /// State that the next shell continues with.
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
    /// Ends the shell and forgets its state.
    pub(super) fn forget(&mut self) {
        self.end();
        self.memory = Arc::default();
    }

    /// Ends the shell. A command that runs there ends with an outcome that says so.
    pub(super) fn end(&mut self) {
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

    /// The next call for the shell, if no command runs there.
    pub(super) fn next_for_shell(&mut self) -> Option<QueuedCall<CommandWork>> {
        if self.shell_job().is_some() {
            return None;
        }
        self.shell.queue.pop()
    }

    /// The shell actor of this link, started if there is none. The start waits for nothing.
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
        self.shell.end();
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

    /// The error of a call that waited too long for the shell.
    pub(super) fn shell_busy_error(&self) -> Option<SessionError> {
        let record = self.shell_job()?;
        Some(SessionError::ShellBusy {
            session: self.name.clone(),
            job: record.name.clone(),
            command: visible_line(&record.command, limits::JOB_COMMAND_SHOWN_CHARS),
            running_for: record.running_for(),
        })
    }
}
