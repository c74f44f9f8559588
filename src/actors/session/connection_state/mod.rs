//! The state machine of a session's connection.
//!
//! ```text
//!            connect, call                dialed
//!   saved ──────────────────▶ connecting ────────▶ ready
//!     ▲                        ▲   │                 │ connection lost
//!     │ disconnect             │   │ transient       ▼
//!     └── (any state)   delay  │   └──────────────▶ backoff ──── 30 min ───▶ dormant
//!                       is over└────────────────────┘  │                        │
//!                                                      │ permanent error        │ call
//!                                                      ▼                        ▼
//!                                                    failed                 connecting
//! ```
//!
//! [`ConnectionMachine::on`] takes an event and returns effects. The function is pure: no actor, no task and no
//! network, and time and randomness come from outside. The session's actor carries the effects out.
//! `docs/design/connection-states.md` lists every transition; the file is generated from the rows of the table
//! test, which covers each event in each state.

pub(crate) mod change;
pub(crate) mod event;
mod outage;
mod outcome;
mod state;
pub(crate) mod state_name;
mod step;
#[cfg(test)]
mod tests;
mod transition;

use std::time::Duration;

use tokio::time::Instant;

use self::change::{Cause, ConnectionChange};
use self::event::{Effect, Event, NewLink, Parameters, Ports};
use self::outage::Outage;
use self::state::ConnectionState;
use self::state_name::StateName;
use self::step::Step;
use crate::actors::error::SessionError;
use crate::ssh::connection::PinnedKey;
use crate::ssh::credentials::Credentials;
use crate::store::{AuthKind, SessionName, SessionSpec};

/// History of a session, as far as a failed dial depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Past {
    /// The name is new: a session whose first dial fails leaves nothing behind.
    New,
    /// The session comes from the store, or was disconnected on purpose.
    Saved,
    /// The session was up in this process and is meant to stay up.
    WasUp,
}

/// The connection of one session: its state, and the values that outlive states.
#[derive(Debug)]
pub(crate) struct ConnectionMachine<P: Ports> {
    name: SessionName,
    /// The parameters that proved themselves last, or those of the store.
    parameters: Parameters,
    past: Past,
    state: ConnectionState<P>,
    /// Counts dials and deliberate ends; an event of another generation is late.
    generation: u64,
    late_events: u64,
    /// The host key of the first link: a reconnect accepts no other until `ssh_connect` is called anew.
    pin: Option<PinnedKey>,
    /// Links after the first.
    reconnects: u64,
    /// Why the last dial failed or the link was lost, until a link is up.
    last_error: Option<String>,
    /// Draws the random part of a delay, from 0 to 1.
    jitter: fn() -> f64,
}

impl<P: Ports> ConnectionMachine<P> {
    /// A machine in the state `saved`. A session that is `known` (stored, or up before a restart) outlives a
    /// failed dial; `pin` is the host key of an earlier life of the session.
    pub(crate) fn new(
        name: SessionName,
        spec: SessionSpec,
        known: bool,
        pin: Option<PinnedKey>,
        jitter: fn() -> f64,
    ) -> Self {
        Self {
            name,
            parameters: Parameters {
                spec,
                credentials: Credentials::default(),
                connect_timeout: None,
            },
            past: if known { Past::Saved } else { Past::New },
            state: ConnectionState::Saved,
            generation: 0,
            late_events: 0,
            pin,
            reconnects: 0,
            last_error: None,
            jitter,
        }
    }

    /// Takes an event, changes the state, and returns the effects in the order in which they are carried out.
    pub(crate) fn on(&mut self, event: Event<P>, now: Instant) -> Vec<Effect<P>> {
        let is_late = |generation| generation != self.generation;
        if event.generation().is_some_and(is_late) {
            return self.late(event.into_new_link());
        }
        let cause = self.cause_of(&event);
        let before = std::mem::take(&mut self.state);
        let from = before.name();
        let mut step = Step {
            now,
            effects: Vec::new(),
        };
        // The only assignment of a state.
        self.state = self.transition(before, event, &mut step);
        let to = self.state.name();
        if from != to {
            let change = ConnectionChange {
                session: self.name.clone(),
                from,
                to,
                cause,
                generation: self.generation,
                at: now,
            };
            step.effects.insert(0, Effect::Changed(change));
        }
        step.effects
    }

    fn cause_of(&self, event: &Event<P>) -> Cause {
        let again = self.past == Past::WasUp;
        match event {
            Event::Connect { .. } => Cause::ConnectRequested,
            Event::Reconnect { .. } => Cause::ReconnectRequested,
            Event::CallWaits => Cause::CallWaits,
            Event::Dialed { result, took, .. } => match result {
                Ok(_) => Cause::Dialed { again, took: *took },
                Err(error) => Cause::DialFailed {
                    again,
                    error: error.clone(),
                    took: *took,
                },
            },
            Event::ConnectionLost { reason, .. } => Cause::ConnectionLost {
                reason: reason.clone(),
            },
            Event::RetryDue { .. } => Cause::RetryDue,
            Event::Disconnect { .. } => Cause::DisconnectRequested,
            Event::ShutDown { .. } => Cause::ShutDown,
        }
    }

    /// Late events change nothing: their connection has been replaced. A link that comes late is closed.
    fn late(&mut self, link: Option<NewLink<P>>) -> Vec<Effect<P>> {
        self.late_events += 1;
        let report = Effect::ReportLate {
            late_events: self.late_events,
        };
        let close = link.map(|new| Effect::CloseLink(new.link));
        std::iter::once(report).chain(close).collect()
    }

    /// Hands over the task that [`Effect::StartDial`] asked for. The machine drops the handle with the state,
    /// because a handle keeps the memory of a finished task.
    pub(crate) fn attach_dial(&mut self, dial: P::Dial) {
        if let ConnectionState::Connecting(connecting) = &mut self.state {
            connecting.dial = Some(dial);
        }
    }

    /// A session that logs in with a password can only be dialled while this process holds the password.
    fn missing_password(&self) -> Option<SessionError> {
        let by_password = matches!(
            self.parameters.spec.auth,
            AuthKind::Password | AuthKind::KeyboardInteractive
        );
        (by_password && self.parameters.credentials.password.is_none())
            .then(|| SessionError::PasswordNeeded(self.name.clone()))
    }

    pub(crate) fn name(&self) -> &SessionName {
        &self.name
    }

    /// Target and parameters of the session.
    pub(crate) fn spec(&self) -> &SessionSpec {
        &self.parameters.spec
    }

    pub(crate) fn state(&self) -> StateName {
        self.state.name()
    }

    /// The link, while the session is ready.
    pub(crate) fn link(&self) -> Option<&P::Link> {
        match &self.state {
            ConnectionState::Ready { link, .. } => Some(link),
            _ => None,
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.link().is_some()
    }

    /// How long the link has been up.
    pub(crate) fn connected_for(&self, now: Instant) -> Option<Duration> {
        match &self.state {
            ConnectionState::Ready { since, .. } => Some(now.saturating_duration_since(*since)),
            _ => None,
        }
    }

    /// Time until the session dials by itself.
    pub(crate) fn next_attempt_in(&self, now: Instant) -> Option<Duration> {
        next_attempt_in(&self.state, now)
    }

    /// Dials since the link was lost, while the session works on the next link.
    pub(crate) fn attempts(&self) -> Option<u32> {
        match &self.state {
            ConnectionState::Connecting(_) | ConnectionState::Backoff { .. } => {
                self.state.outage().map(Outage::attempts)
            }
            _ => None,
        }
    }

    /// Links after the first.
    pub(crate) fn reconnects(&self) -> u64 {
        self.reconnects
    }

    /// Why the session is down, or why its last dial failed.
    pub(crate) fn last_error(&self) -> Option<String> {
        let error = self.state.error().map(ToString::to_string);
        error.or_else(|| self.last_error.clone())
    }
}

fn next_attempt_in<P: Ports>(state: &ConnectionState<P>, now: Instant) -> Option<Duration> {
    match state {
        ConnectionState::Backoff { next_attempt, .. } => {
            Some(next_attempt.saturating_duration_since(now))
        }
        _ => None,
    }
}
