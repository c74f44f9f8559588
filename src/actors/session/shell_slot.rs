//! The slot of a session's shell: the waiting commands, the shell actor and the state between shells.

use std::sync::Arc;

use ractor::ActorRef;

use super::queue::Queue;
use crate::actors::job::command::CommandWork;
use crate::actors::job::ended_by::EndedBy;
use crate::actors::shell::ShellMessage;
use crate::limits;
use crate::ssh::shell::ShellCarryOver;
use crate::store::SessionSpec;

/// The shell of a session, and the commands that wait for it.
pub(super) struct ShellSlot {
    /// Calls that wait for their turn.
    pub(super) queue: Queue<CommandWork>,
    /// The shell actor, and the generation of its link.
    pub(super) current: Option<(ActorRef<ShellMessage>, u64)>,
    /// State that the next shell continues with.
    pub(super) memory: Arc<ShellCarryOver>,
    /// The target whose state that is.
    target: Option<Box<SessionSpec>>,
}

impl Default for ShellSlot {
    fn default() -> Self {
        Self {
            queue: Queue::with_capacity(limits::JOBS_QUEUED_MAX),
            current: None,
            memory: Arc::default(),
            target: None,
        }
    }
}

impl ShellSlot {
    /// Takes note of the target of a new link. State of another target is dropped: exported variables may be secrets
    /// of that host.
    pub(super) fn set_target(&mut self, target: &SessionSpec) {
        let is_same = |old: &SessionSpec| old.same_target(target);
        if !self.target.as_deref().is_none_or(is_same) {
            self.end();
            self.memory = Arc::default();
        }
        self.target = Some(Box::new(target.clone()));
    }

    /// Ends the shell because of a call, which the next shell names.
    pub(super) fn end_by(&mut self, by: EndedBy) {
        if self.current.is_some() {
            self.memory.note_ended_by(by.words());
        }
        self.end();
    }

    /// Ends the shell. A command that runs there ends with an outcome that says so.
    pub(super) fn end(&mut self) {
        if let Some((actor, _)) = self.current.take() {
            actor.stop(None);
        }
    }
}
