//! Calls that wait for a connection or for their turn.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::queued::QueuedCall;
use crate::actors::error::SessionError;
use crate::actors::job::work::JobWork;

/// Names a waiting call, in whichever queue of its session it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

/// Gives out the tickets of a session.
#[derive(Debug, Default)]
pub(super) struct Tickets(u64);

impl Tickets {
    pub(super) fn next(&mut self) -> Ticket {
        self.0 += 1;
        Ticket(self.0)
    }
}

/// A call that was taken in and has to be served.
#[derive(Debug, Clone, Copy)]
pub(super) struct Admitted {
    pub(super) ticket: Ticket,
    /// When waiting for a turn is over on a session that is up.
    pub(super) turn: Instant,
    /// When waiting for a link is over.
    pub(super) deadline: Instant,
}

impl Admitted {
    const fn new<W: JobWork>(ticket: Ticket, call: &QueuedCall<W>) -> Self {
        Self {
            ticket,
            turn: call.turn,
            deadline: call.deadline,
        }
    }
}

/// A bounded queue of calls of the same kind, first come first served.
#[derive(Debug)]
pub(super) struct Queue<W: JobWork> {
    waiting: VecDeque<(Ticket, QueuedCall<W>)>,
    capacity: usize,
}

impl<W: JobWork> Queue<W> {
    /// An empty queue for that many calls.
    pub(super) const fn with_capacity(capacity: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            capacity,
        }
    }

    /// Calls that wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether another call may wait. Calls whose callers are gone are dropped first.
    pub(super) fn has_room(&mut self) -> bool {
        self.waiting.retain(|(_, call)| !call.cancel.is_cancelled());
        self.waiting.len() < self.capacity
    }

    /// Adds a call at the end.
    pub(super) fn push(&mut self, ticket: Ticket, call: QueuedCall<W>) -> Admitted {
        let admitted = Admitted::new(ticket, &call);
        self.waiting.push_back((ticket, call));
        admitted
    }

    /// Puts a call back whose turn had come already.
    pub(super) fn push_front(&mut self, ticket: Ticket, call: QueuedCall<W>) -> Admitted {
        let admitted = Admitted::new(ticket, &call);
        self.waiting.push_front((ticket, call));
        admitted
    }

    /// The next call whose caller is still there.
    pub(super) fn pop(&mut self) -> Option<QueuedCall<W>> {
        while let Some((_, call)) = self.waiting.pop_front() {
            if !call.cancel.is_cancelled() {
                return Some(call);
            }
        }
        None
    }

    /// Whether the call still waits.
    pub(super) fn contains(&self, ticket: Ticket) -> bool {
        self.waiting.iter().any(|(other, _)| *other == ticket)
    }

    /// Takes a call out whose wait is over: for a turn, on a session that is up, else for a link.
    pub(super) fn take_expired(&mut self, ticket: Ticket, is_up: bool) -> Option<QueuedCall<W>> {
        let is_over = |call: &QueuedCall<W>| is_up || call.deadline <= Instant::now();
        let index = self
            .waiting
            .iter()
            .position(|(other, call)| *other == ticket && is_over(call))?;
        self.waiting.remove(index).map(|(_, call)| call)
    }

    /// Whether any caller waits.
    pub(super) fn has_callers(&self) -> bool {
        self.waiting
            .iter()
            .any(|(_, call)| !call.cancel.is_cancelled())
    }

    /// Marks all calls as having needed a connect.
    pub(super) fn mark_reconnected(&mut self) {
        for (_, call) in &mut self.waiting {
            call.reconnected = true;
        }
    }

    /// Answers every caller with the error.
    pub(super) fn refuse_all(&mut self, error: &SessionError) {
        for (_, call) in self.waiting.drain(..) {
            call.refuse(error.clone());
        }
    }
}
