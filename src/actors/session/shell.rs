//! The work of a session in its shell: the turn of the next command, and the shell actor of the current link.

use std::sync::Arc;

use ractor::{Actor, ActorRef, ActorStatus};

use super::live_link::LiveLink;
use super::queued::QueuedCall;
use super::work::Work;
use crate::actors::error::SessionError;
use crate::actors::job::command::CommandWork;
use crate::actors::job::record::JobRecord;
use crate::actors::shell::{ShellActor, ShellArguments, ShellMessage};
use crate::limits;
use crate::text::visible_line;

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
