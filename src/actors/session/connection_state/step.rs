//! The time of an event and the effects that its transition has collected.

use tokio::time::Instant;

use super::event::{Answer, Effect, Ports};
use crate::actors::error::SessionError;

/// One call of `ConnectionMachine::on`.
pub(super) struct Step<P: Ports> {
    pub(super) now: Instant,
    pub(super) effects: Vec<Effect<P>>,
}

impl<P: Ports> Step<P> {
    pub(super) fn push(&mut self, effect: Effect<P>) {
        self.effects.push(effect);
    }

    /// Answers callers, if there are any.
    pub(super) fn answer(&mut self, callers: Vec<P::Caller>, answer: Answer<P>) {
        if !callers.is_empty() {
            self.push(Effect::AnswerCallers { callers, answer });
        }
    }

    /// Answers callers with an error, if there are any.
    pub(super) fn refuse(&mut self, callers: Vec<P::Caller>, error: SessionError) {
        self.answer(callers, Answer::Refused(error));
    }
}
