//! Calls that wait for a connection or for their turn.

use std::collections::VecDeque;

use crate::actors::request::QueuedExec;

/// A bounded queue, first come first served.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: VecDeque<(u64, QueuedExec)>,
    last_ticket: u64,
}

impl Queue {
    /// A queue whose tickets are told from those of another.
    pub(crate) fn with_tickets_from(first: u64) -> Self {
        Self {
            last_ticket: first,
            ..Self::default()
        }
    }

    /// Calls that wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Adds a call at the end; its ticket names it.
    pub(crate) fn push(&mut self, exec: QueuedExec) -> u64 {
        self.last_ticket += 1;
        self.waiting.push_back((self.last_ticket, exec));
        self.last_ticket
    }

    /// Puts a call back that was at its turn already.
    pub(crate) fn push_front(&mut self, exec: QueuedExec) -> u64 {
        self.last_ticket += 1;
        self.waiting.push_front((self.last_ticket, exec));
        self.last_ticket
    }

    /// The next call whose caller is still there. A caller that is gone needs no command.
    pub(crate) fn pop(&mut self) -> Option<QueuedExec> {
        while let Some((_, exec)) = self.waiting.pop_front() {
            if !exec.request.cancel.is_cancelled() {
                return Some(exec);
            }
        }
        None
    }

    /// Whether the call still waits.
    pub(crate) fn contains(&self, ticket: u64) -> bool {
        self.waiting.iter().any(|(other, _)| *other == ticket)
    }

    /// Takes one call out by its ticket, if the condition holds for it.
    pub(crate) fn take_if(
        &mut self,
        ticket: u64,
        condition: impl Fn(&QueuedExec) -> bool,
    ) -> Option<QueuedExec> {
        let index = self
            .waiting
            .iter()
            .position(|(other, exec)| *other == ticket && condition(exec))?;
        self.waiting.remove(index).map(|(_, exec)| exec)
    }

    /// Lets go of calls whose callers are gone, so that they take no place.
    pub(crate) fn drop_cancelled(&mut self) {
        self.waiting
            .retain(|(_, exec)| !exec.request.cancel.is_cancelled());
    }

    /// Whether anybody waits.
    pub(crate) fn has_callers(&self) -> bool {
        self.waiting
            .iter()
            .any(|(_, exec)| !exec.request.cancel.is_cancelled())
    }

    /// Marks all calls as having needed a connect.
    pub(crate) fn note_reconnected(&mut self) {
        self.waiting
            .iter_mut()
            .for_each(|(_, exec)| exec.reconnected = true);
    }
}
