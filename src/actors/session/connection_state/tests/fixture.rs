//! A machine in any state, and any event.

use std::time::Duration;

use tokio::time::Instant;

use crate::actors::session::connection_state::event::{Event, NewLink, Parameters, Ports};
use crate::actors::session::connection_state::outage::Outage;
use crate::actors::session::connection_state::state::{Connecting, ConnectionState, Purpose};
use crate::actors::session::connection_state::{ConnectionMachine, Past, StateName};
use crate::limits;
use crate::ssh::connection::PinnedKey;
use crate::ssh::credentials::Credentials;
use crate::ssh::disconnect::Disconnect;
use crate::ssh::error::SshError;
use crate::store::{AuthKind, SessionName, SessionSpec};

/// Links and tasks are numbers, reply ports are names of callers.
#[derive(Debug)]
pub(super) enum Numbers {}

impl Ports for Numbers {
    type Link = u32;
    type Dial = u32;
    type Caller = &'static str;
    type DisconnectReply = &'static str;
    type ShutDownReply = &'static str;
}

pub(super) const GENERATION: u64 = 7;
/// The longest outage and the link of a fixture begin before this much later than the process's clock.
const UPTIME: Duration = Duration::from_secs(3600);

/// A kind of event, as the table names it. [`kind`] does not compile without a row for a new event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EventKind {
    Connect,
    Reconnect,
    CallWaits,
    DialSucceeded,
    DialFailed,
    ConnectionLost,
    RetryDue,
    Disconnect,
    ShutDown,
}

impl EventKind {
    pub(super) const ALL: [Self; 9] = [
        Self::Connect,
        Self::Reconnect,
        Self::CallWaits,
        Self::DialSucceeded,
        Self::DialFailed,
        Self::ConnectionLost,
        Self::RetryDue,
        Self::Disconnect,
        Self::ShutDown,
    ];
}

fn kind(event: &Event<Numbers>) -> EventKind {
    match event {
        Event::Connect { .. } => EventKind::Connect,
        Event::Reconnect { .. } => EventKind::Reconnect,
        Event::CallWaits => EventKind::CallWaits,
        Event::Dialed { result: Ok(_), .. } => EventKind::DialSucceeded,
        Event::Dialed { result: Err(_), .. } => EventKind::DialFailed,
        Event::ConnectionLost { .. } => EventKind::ConnectionLost,
        Event::RetryDue { .. } => EventKind::RetryDue,
        Event::Disconnect { .. } => EventKind::Disconnect,
        Event::ShutDown { .. } => EventKind::ShutDown,
    }
}

/// A condition of a row. Without any, the session was up before in this process, logs in with a key and has just
/// lost its link; a dial is a redial with one waiting caller, and its error is transient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Given {
    OtherTarget,
    PasswordUnknown,
    NewName,
    NotUpYet,
    PermanentError,
    DownForLong,
    ProvenLink,
    CallsWait,
    TrialFrom(StateName),
    OldGeneration,
}

/// Late enough that a fixture's outage and link can have begun long before.
pub(super) fn now() -> Instant {
    Instant::now() + UPTIME
}

pub(super) fn spec(host: &str) -> SessionSpec {
    SessionSpec::new(host, AuthKind::PublicKey)
}

pub(super) fn parameters(host: &str) -> Parameters {
    Parameters {
        spec: spec(host),
        credentials: Credentials::default(),
        connect_timeout: None,
    }
}

pub(super) fn key() -> PinnedKey {
    let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";
    PinnedKey::from_openssh(line).unwrap()
}

pub(super) fn lost() -> SshError {
    SshError::Lost(Disconnect::ServerClosed)
}

/// A machine in a state.
pub(super) fn machine(
    state: StateName,
    given: &[Given],
    now: Instant,
) -> ConnectionMachine<Numbers> {
    let name = SessionName::parse("web").unwrap();
    let mut machine = ConnectionMachine::new(name, spec("web"), true, None, || 1.0);
    machine.generation = GENERATION;
    machine.past = if given.contains(&Given::NewName) {
        Past::New
    } else if given.contains(&Given::NotUpYet) {
        Past::Saved
    } else {
        Past::WasUp
    };
    if given.contains(&Given::PasswordUnknown) {
        machine.parameters.spec.auth = AuthKind::Password;
    }
    machine.state = connection_state(state, given, now);
    machine
}

fn outage(given: &[Given], now: Instant) -> Outage {
    let lasted = if given.contains(&Given::DownForLong) {
        limits::DORMANT_AFTER
    } else {
        Duration::from_secs(1)
    };
    Outage::new(now - lasted)
}

fn connection_state(state: StateName, given: &[Given], now: Instant) -> ConnectionState<Numbers> {
    let outage = outage(given, now);
    match state {
        StateName::Saved => ConnectionState::Saved,
        StateName::Connecting => ConnectionState::Connecting(Box::new(Connecting {
            dial: Some(1),
            callers: vec!["earlier"],
            purpose: purpose(given, now),
        })),
        StateName::Ready => ConnectionState::Ready {
            link: 1,
            since: if given.contains(&Given::ProvenLink) {
                now - limits::LINK_PROVEN_AFTER
            } else {
                now
            },
            outage: Some(outage),
        },
        StateName::Backoff => ConnectionState::Backoff {
            outage,
            next_attempt: now + Duration::from_secs(5),
            error: lost(),
        },
        StateName::Dormant => ConnectionState::Dormant {
            outage,
            error: lost(),
        },
        StateName::Failed => ConnectionState::Failed {
            outage: Some(outage),
            error: lost(),
        },
    }
}

fn purpose(given: &[Given], now: Instant) -> Purpose<Numbers> {
    let before = given.iter().find_map(|given| match given {
        Given::TrialFrom(state) => Some(*state),
        _ => None,
    });
    let was_up = !given.contains(&Given::NewName) && !given.contains(&Given::NotUpYet);
    match before {
        Some(before) => Purpose::Trial {
            parameters: Box::new(parameters("tried")),
            before: Box::new(connection_state(before, given, now)),
        },
        None => Purpose::Redial {
            outage: was_up.then(|| outage(given, now)),
        },
    }
}

/// Callers that a machine holds.
pub(super) fn holds(machine: &ConnectionMachine<Numbers>) -> usize {
    match &machine.state {
        ConnectionState::Connecting(connecting) => connecting.callers.len(),
        _ => 0,
    }
}

/// An event, and the number of callers that it brings.
pub(super) fn event(of: EventKind, given: &[Given]) -> (Event<Numbers>, usize) {
    let has = |condition| given.contains(&condition);
    let generation = GENERATION - u64::from(has(Given::OldGeneration));
    let took = Duration::from_millis(30);
    let event = match of {
        EventKind::Connect => Event::Connect {
            parameters: Box::new(parameters(if has(Given::OtherTarget) {
                "other"
            } else {
                "web"
            })),
            caller: "connect",
        },
        EventKind::Reconnect => Event::Reconnect {
            caller: "reconnect",
        },
        EventKind::CallWaits => Event::CallWaits,
        EventKind::DialSucceeded => Event::Dialed {
            generation,
            result: Ok(NewLink {
                link: 2,
                auth: AuthKind::PublicKey,
                host_key: key(),
            }),
            took,
        },
        EventKind::DialFailed => Event::Dialed {
            generation,
            result: Err(if has(Given::PermanentError) {
                SshError::Config("no".into())
            } else {
                lost()
            }),
            took,
        },
        EventKind::ConnectionLost => Event::ConnectionLost {
            generation,
            reason: Disconnect::ServerClosed,
            calls_wait: has(Given::CallsWait),
        },
        EventKind::RetryDue => Event::RetryDue { generation },
        EventKind::Disconnect => Event::Disconnect { reply: "names" },
        EventKind::ShutDown => Event::ShutDown { reply: "done" },
    };
    assert_eq!(kind(&event), of);
    let callers = matches!(of, EventKind::Connect | EventKind::Reconnect);
    (event, usize::from(callers))
}
