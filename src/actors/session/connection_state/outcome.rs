//! Transitions after the end of a dial and after the loss of a link.

use std::time::Duration;

use tokio::time::Instant;

use super::event::{Answer, Effect, NewLink, Ports};
use super::outage::Outage;
use super::state::{Connecting, ConnectionState, Purpose};
use super::step::Step;
use super::{ConnectionMachine, Past, next_attempt_in};
use crate::actors::error::SessionError;
use crate::ssh::disconnect::Disconnect;
use crate::ssh::error::SshError;

impl<P: Ports> ConnectionMachine<P> {
    pub(super) fn established(
        &mut self,
        connecting: Connecting<P>,
        new: NewLink<P>,
        took: Duration,
        step: &mut Step<P>,
    ) -> ConnectionState<P> {
        let outage = match connecting.purpose {
            Purpose::Trial { parameters, before } => {
                self.parameters = *parameters;
                before.into_outage()
            }
            Purpose::Redial { outage } => outage,
        };
        self.parameters.spec.auth = new.auth;
        self.pin = Some(new.host_key.clone());
        if self.past == Past::WasUp {
            self.reconnects += 1;
        }
        self.past = Past::WasUp;
        self.last_error = None;
        step.push(Effect::TellEstablished {
            spec: Box::new(self.parameters.spec.clone()),
            pin: Box::new(new.host_key),
        });
        step.push(Effect::WatchLink {
            generation: self.generation,
            link: new.link.clone(),
        });
        let answer = Answer::Up {
            link: new.link.clone(),
            reused: false,
            took,
        };
        step.answer(connecting.callers, answer);
        step.push(Effect::ServeQueue {
            link: new.link.clone(),
        });
        ConnectionState::Ready {
            link: new.link,
            since: step.now,
            outage,
        }
    }

    pub(super) fn dial_failed(
        &mut self,
        connecting: Connecting<P>,
        error: SshError,
        step: &mut Step<P>,
    ) -> ConnectionState<P> {
        let state = match (self.past, connecting.purpose) {
            (Past::New, _) => {
                self.last_error = Some(error.to_string());
                ConnectionState::Saved
            }
            (_, Purpose::Trial { before, .. }) => self.back_to(*before, step),
            (past, Purpose::Redial { outage }) => {
                self.last_error = Some(error.to_string());
                self.after_failed_redial(past, outage, error.clone(), step)
            }
        };
        let is_new = self.past == Past::New;
        let failure = SessionError::Dial {
            error: Box::new(error),
            // A first connect that failed leaves no session that could have a state.
            state: (!is_new).then(|| state.name()),
            retry_after: next_attempt_in(&state, step.now),
        };
        step.refuse(connecting.callers, failure.clone());
        step.push(Effect::FailQueue(failure));
        if is_new {
            step.push(Effect::Vanish);
        }
        state
    }

    /// A failed `ssh_connect` leaves a session as it was before the call.
    fn back_to(&self, before: ConnectionState<P>, step: &mut Step<P>) -> ConnectionState<P> {
        match before {
            ConnectionState::Backoff {
                outage,
                next_attempt,
                error,
            } => {
                // The timer of the state before belongs to an older generation.
                let delay = next_attempt.saturating_duration_since(step.now);
                self.back_off(outage, error, step.now + delay, step)
            }
            before => before,
        }
    }

    fn after_failed_redial(
        &mut self,
        past: Past,
        outage: Option<Outage>,
        error: SshError,
        step: &mut Step<P>,
    ) -> ConnectionState<P> {
        if past != Past::WasUp {
            // The session has not been up in this process: no call relies on its return.
            return if error.is_permanent() {
                ConnectionState::Failed { outage, error }
            } else {
                ConnectionState::Saved
            };
        }
        let mut outage = outage.unwrap_or_else(|| Outage::new(step.now));
        let delay = outage.next_delay(step.now, (self.jitter)());
        if error.is_permanent() {
            let outage = Some(outage);
            return ConnectionState::Failed { outage, error };
        }
        self.wait(outage, error, delay, step)
    }

    /// The link ended by itself. Its jobs notice on their channels; waiting calls stay for the next link, which is
    /// dialled at once, or are refused where no dial is possible.
    pub(super) fn connection_lost(
        &mut self,
        outage: Option<Outage>,
        reason: Disconnect,
        calls_wait: bool,
        step: &mut Step<P>,
    ) -> ConnectionState<P> {
        let error = SshError::Lost(reason.clone());
        self.last_error = Some(reason.to_string());
        if let Some(error) = self.missing_password() {
            step.push(Effect::FailQueue(error));
            return ConnectionState::Saved;
        }
        let mut outage = outage.unwrap_or_else(|| Outage::new(step.now));
        let delay = outage.next_delay(step.now, (self.jitter)());
        if calls_wait {
            return self.redial(Some(outage), step);
        }
        self.wait(outage, error, delay, step)
    }

    /// Waits for the next dial, or for a call when the outage has lasted too long.
    fn wait(
        &self,
        outage: Outage,
        error: SshError,
        delay: Option<Duration>,
        step: &mut Step<P>,
    ) -> ConnectionState<P> {
        match delay {
            Some(delay) => self.back_off(outage, error, step.now + delay, step),
            None => ConnectionState::Dormant { outage, error },
        }
    }

    fn back_off(
        &self,
        outage: Outage,
        error: SshError,
        next_attempt: Instant,
        step: &mut Step<P>,
    ) -> ConnectionState<P> {
        step.push(Effect::StartTimer {
            generation: self.generation,
            at: next_attempt,
        });
        ConnectionState::Backoff {
            outage,
            next_attempt,
            error,
        }
    }
}
