//! The transitions. Requests are answered here, events of tasks in `outcome.rs`.

use std::time::Duration;

use super::event::{Answer, DialPlan, Effect, Event, Goodbye, Parameters, Ports};
use super::outage::Outage;
use super::state::{Connecting, ConnectionState, Purpose};
use super::step::Step;
use super::{ConnectionMachine, Past};
use crate::actors::error::SessionError;
use crate::error::Fate;
use crate::limits;
use crate::ssh::credentials::Credentials;
use crate::store::SessionSpec;

impl<P: Ports> ConnectionMachine<P> {
    /// The state after an event of the current generation.
    pub(super) fn transition(
        &mut self,
        state: ConnectionState<P>,
        event: Event<P>,
        step: &mut Step<P>,
    ) -> ConnectionState<P> {
        match event {
            Event::Connect { parameters, caller } => self.connect(state, parameters, caller, step),
            Event::Reconnect { caller } => self.reconnect(state, caller, step),
            Event::CallWaits => self.call_waits(state, step),
            Event::Dialed { result, took, .. } => match (state, result) {
                (ConnectionState::Connecting(connecting), Ok(new)) => {
                    self.established(*connecting, new, took, step)
                }
                (ConnectionState::Connecting(connecting), Err(error)) => {
                    self.dial_failed(*connecting, error, step)
                }
                (state, result) => {
                    step.effects.extend(self.late(result.ok()));
                    state
                }
            },
            Event::ConnectionLost {
                reason, calls_wait, ..
            } => match state {
                ConnectionState::Ready { since, outage, .. } => {
                    // The backoff begins anew only after a link that has proved itself.
                    let is_proven = step.now - since >= limits::LINK_PROVEN_AFTER;
                    let outage = outage.filter(|_| !is_proven);
                    self.connection_lost(outage, reason, calls_wait, step)
                }
                state => self.ignore(state, step),
            },
            Event::RetryDue { .. } => match state {
                ConnectionState::Backoff { outage, .. } => self.redial(Some(outage), step),
                state => self.ignore(state, step),
            },
            Event::Disconnect { reply } => self.disconnect(state, reply, step),
            Event::ShutDown { reply } => {
                let goodbye = Goodbye::ShutDown(reply);
                self.end(state, SessionError::ShuttingDown, goodbye, step)
            }
        }
    }

    /// The state before had a use for the event; this one has none.
    fn ignore(&mut self, state: ConnectionState<P>, step: &mut Step<P>) -> ConnectionState<P> {
        step.effects.extend(self.late(None));
        state
    }

    fn connect(
        &mut self,
        state: ConnectionState<P>,
        parameters: Box<Parameters>,
        caller: P::Caller,
        step: &mut Step<P>,
    ) -> ConnectionState<P> {
        // While a trial is under way, the session's name stands for the target of the trial.
        let spec = &state.trial().unwrap_or(&self.parameters).spec;
        let is_same = spec.same_target(&parameters.spec);
        if state.is_in_use() && !is_same {
            let taken = SessionError::NameTaken {
                name: self.name.clone(),
                target: target(spec),
            };
            step.refuse(vec![caller], taken);
            return state;
        }
        match state {
            ConnectionState::Ready { ref link, .. } => {
                let answer = Answer::Up {
                    link: link.clone(),
                    reused: true,
                    took: Duration::ZERO,
                };
                step.answer(vec![caller], answer);
                state
            }
            ConnectionState::Connecting(mut connecting) => {
                connecting.callers.push(caller);
                ConnectionState::Connecting(connecting)
            }
            before => {
                let purpose = Purpose::Trial {
                    parameters: self.trial_parameters(parameters, is_same),
                    before: Box::new(before),
                };
                self.dial(purpose, vec![caller], step)
            }
        }
    }

    /// The parameters to try. A caller who confirms a session without naming secrets uses those of the session.
    fn trial_parameters(&self, mut trial: Box<Parameters>, is_same: bool) -> Box<Parameters> {
        let own = &self.parameters;
        if is_same && trial.credentials == Credentials::default() {
            trial.credentials = own.credentials.clone();
            trial.spec.auth = own.spec.auth.clone();
            trial.connect_timeout = trial.connect_timeout.or(own.connect_timeout);
        }
        trial.spec.created_at = own.spec.created_at;
        trial
    }

    fn reconnect(
        &mut self,
        state: ConnectionState<P>,
        caller: P::Caller,
        step: &mut Step<P>,
    ) -> ConnectionState<P> {
        if let Some(error) = self.missing_password() {
            step.refuse(vec![caller], error);
            return state;
        }
        match state {
            ConnectionState::Connecting(mut connecting) => {
                connecting.callers.push(caller);
                return ConnectionState::Connecting(connecting);
            }
            ConnectionState::Ready { link, .. } => step.push(Effect::HangUp {
                link: Some(link),
                goodbye: Goodbye::Reconnect,
            }),
            _ => {}
        }
        // The user asked for a new link: an earlier outage no longer counts.
        self.dial(Purpose::Redial { outage: None }, vec![caller], step)
    }

    fn call_waits(&mut self, state: ConnectionState<P>, step: &mut Step<P>) -> ConnectionState<P> {
        match state {
            ConnectionState::Connecting(_) | ConnectionState::Ready { .. } => state,
            ConnectionState::Failed { ref error, .. } => {
                let failure = SessionError::Dial {
                    error: Box::new(error.clone()),
                    state: Some(state.name()),
                    retry_after: None,
                };
                step.push(Effect::FailQueue(failure));
                state
            }
            ConnectionState::Saved
            | ConnectionState::Backoff { .. }
            | ConnectionState::Dormant { .. } => {
                if let Some(error) = self.missing_password() {
                    step.push(Effect::FailQueue(error));
                    return state;
                }
                self.redial(state.into_outage(), step)
            }
        }
    }

    pub(super) fn redial(
        &mut self,
        outage: Option<Outage>,
        step: &mut Step<P>,
    ) -> ConnectionState<P> {
        self.dial(Purpose::Redial { outage }, Vec::new(), step)
    }

    /// Starts a dial as a new generation.
    fn dial(
        &mut self,
        mut purpose: Purpose<P>,
        callers: Vec<P::Caller>,
        step: &mut Step<P>,
    ) -> ConnectionState<P> {
        self.generation += 1;
        purpose.count_attempt();
        let (parameters, pin) = match &purpose {
            // `ssh_connect` accepts the host's key under known_hosts rules.
            Purpose::Trial { parameters, .. } => (parameters.as_ref(), None),
            Purpose::Redial { .. } => (&self.parameters, self.pin.clone()),
        };
        step.push(Effect::StartDial(Box::new(DialPlan {
            generation: self.generation,
            parameters: parameters.clone(),
            pin,
        })));
        ConnectionState::Connecting(Box::new(Connecting {
            dial: None,
            callers,
            purpose,
        }))
    }

    fn disconnect(
        &mut self,
        state: ConnectionState<P>,
        reply: P::DisconnectReply,
        step: &mut Step<P>,
    ) -> ConnectionState<P> {
        self.past = Past::Saved;
        // A password lives as long as its session is meant to be up.
        self.parameters.credentials = Credentials::default();
        let ended = SessionError::Ended {
            name: self.name.clone(),
            fate: Fate::NotSent,
        };
        self.end(state, ended, Goodbye::Disconnect(reply), step)
    }

    /// Ends the link on purpose: every later event of the old generation is late.
    fn end(
        &mut self,
        state: ConnectionState<P>,
        error: SessionError,
        goodbye: Goodbye<P>,
        step: &mut Step<P>,
    ) -> ConnectionState<P> {
        self.generation += 1;
        let link = match state {
            ConnectionState::Ready { link, .. } => Some(link),
            ConnectionState::Connecting(connecting) => {
                if let Some(dial) = connecting.dial {
                    step.push(Effect::AbortDial(dial));
                }
                step.refuse(connecting.callers, error.clone());
                None
            }
            _ => None,
        };
        step.push(Effect::SendAllAway(error));
        step.push(Effect::HangUp { link, goodbye });
        ConnectionState::Saved
    }
}

/// The target as a person writes it.
fn target(spec: &SessionSpec) -> String {
    let user = spec
        .username
        .as_ref()
        .map_or(String::new(), |user| format!("{user}@"));
    let port = spec
        .port
        .map_or(String::new(), |port| format!(" port {port}"));
    format!("{user}{}{port}", spec.host)
}
