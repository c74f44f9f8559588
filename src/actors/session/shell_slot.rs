//! The slot of a session's shell: the waiting commands, the shell actor and the state between shells.

use std::sync::Arc;

use ractor::ActorRef;

use super::queue::Queue;
use crate::actors::job::command::CommandWork;
use crate::actors::shell::ShellMessage;
use crate::limits;
use crate::ssh::shell::ShellCarryOver;

/// The shell of a session, and the commands that wait for it.
pub(super) struct ShellSlot {
    /// Calls that wait for their turn.
    pub(super) queue: Queue<CommandWork>,
    /// The shell actor, and the generation of its link.
    pub(super) current: Option<(ActorRef<ShellMessage>, u64)>,
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
