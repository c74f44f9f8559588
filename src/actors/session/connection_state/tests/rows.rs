//! The rows of the table.

use super::fixture::{EventKind, Given};
use crate::actors::session::connection_state::StateName;
use EventKind::*;
use Given::*;
use StateName::{Backoff, Connecting, Dormant, Failed, Ready, Saved};

/// What an event leads to in some states.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) event: EventKind,
    pub(super) states: &'static [StateName],
    /// All conditions have to hold. A row without any is the rule for its states.
    pub(super) given: &'static [Given],
    /// The next state; `None` where the state stays.
    pub(super) to: Option<StateName>,
    /// Without the change event, which every change of state publishes first.
    pub(super) effects: &'static [&'static str],
}

const fn row(
    event: EventKind,
    states: &'static [StateName],
    given: &'static [Given],
    to: Option<StateName>,
    effects: &'static [&'static str],
) -> Row {
    Row {
        event,
        states,
        given,
        to,
        effects,
    }
}

const DIAL: &[&str] = &["start a dial"];
const LATE: &[&str] = &["count as late"];
const TAKEN: &[&str] = &["answer: name taken"];
const PASSWORD: &[&str] = &["answer: password needed"];
const UP: &[&str] = &[
    "tell the supervisor",
    "watch the link",
    "answer: connected",
    "serve the queue",
];
const FAILURE: &[&str] = &["answer: dial failed", "fail the queue: dial failed"];
const RETRY: &[&str] = &[
    "start the timer",
    "answer: dial failed",
    "fail the queue: dial failed",
];
const GONE: &[&str] = &[
    "answer: dial failed",
    "fail the queue: dial failed",
    "end the session",
];

/// Every event in every state.
pub(super) const ROWS: &[Row] = &[
    row(
        Connect,
        &[Saved, Backoff, Dormant, Failed],
        &[],
        Some(Connecting),
        DIAL,
    ),
    row(Connect, &[Connecting], &[], None, &[]),
    row(Connect, &[Ready], &[], None, &["answer: already connected"]),
    row(
        Connect,
        &[Saved, Dormant, Failed],
        &[OtherTarget],
        Some(Connecting),
        DIAL,
    ),
    row(
        Connect,
        &[Connecting, Ready, Backoff],
        &[OtherTarget],
        None,
        TAKEN,
    ),
    row(
        Reconnect,
        &[Saved, Backoff, Dormant, Failed],
        &[],
        Some(Connecting),
        DIAL,
    ),
    row(Reconnect, &[Connecting], &[], None, &[]),
    row(
        Reconnect,
        &[Ready],
        &[],
        Some(Connecting),
        &["stop the jobs, close the link", "start a dial"],
    ),
    row(
        Reconnect,
        &StateName::ALL,
        &[PasswordUnknown],
        None,
        PASSWORD,
    ),
    row(
        CallWaits,
        &[Saved, Backoff, Dormant],
        &[],
        Some(Connecting),
        DIAL,
    ),
    row(CallWaits, &[Connecting, Ready], &[], None, &[]),
    row(
        CallWaits,
        &[Failed],
        &[],
        None,
        &["fail the queue: dial failed"],
    ),
    row(
        CallWaits,
        &[Saved, Backoff, Dormant],
        &[PasswordUnknown],
        None,
        &["fail the queue: password needed"],
    ),
    row(DialSucceeded, &[Connecting], &[], Some(Ready), UP),
    row(
        DialSucceeded,
        &[Connecting],
        &[TrialFrom(Saved)],
        Some(Ready),
        UP,
    ),
    row(
        DialSucceeded,
        &[Connecting],
        &[TrialFrom(Backoff)],
        Some(Ready),
        UP,
    ),
    row(
        DialSucceeded,
        &[Saved, Ready, Backoff, Dormant, Failed],
        &[],
        None,
        &["count as late", "close the new link"],
    ),
    row(DialFailed, &[Connecting], &[], Some(Backoff), RETRY),
    row(
        DialFailed,
        &[Connecting],
        &[DownForLong],
        Some(Dormant),
        FAILURE,
    ),
    row(
        DialFailed,
        &[Connecting],
        &[PermanentError],
        Some(Failed),
        FAILURE,
    ),
    row(DialFailed, &[Connecting], &[NotUpYet], Some(Saved), FAILURE),
    row(
        DialFailed,
        &[Connecting],
        &[NotUpYet, PermanentError],
        Some(Failed),
        FAILURE,
    ),
    row(
        DialFailed,
        &[Connecting],
        &[TrialFrom(Saved)],
        Some(Saved),
        FAILURE,
    ),
    row(
        DialFailed,
        &[Connecting],
        &[TrialFrom(Backoff)],
        Some(Backoff),
        RETRY,
    ),
    row(
        DialFailed,
        &[Connecting],
        &[TrialFrom(Dormant)],
        Some(Dormant),
        FAILURE,
    ),
    row(
        DialFailed,
        &[Connecting],
        &[TrialFrom(Failed)],
        Some(Failed),
        FAILURE,
    ),
    row(
        DialFailed,
        &[Connecting],
        &[NewName, TrialFrom(Saved)],
        Some(Saved),
        GONE,
    ),
    row(
        DialFailed,
        &[Saved, Ready, Backoff, Dormant, Failed],
        &[],
        None,
        LATE,
    ),
    row(
        ConnectionLost,
        &[Ready],
        &[],
        Some(Backoff),
        &["start the timer"],
    ),
    row(
        ConnectionLost,
        &[Ready],
        &[CallsWait],
        Some(Connecting),
        DIAL,
    ),
    row(ConnectionLost, &[Ready], &[DownForLong], Some(Dormant), &[]),
    row(
        ConnectionLost,
        &[Ready],
        &[DownForLong, CallsWait],
        Some(Connecting),
        DIAL,
    ),
    row(
        ConnectionLost,
        &[Ready],
        &[DownForLong, ProvenLink],
        Some(Backoff),
        &["start the timer"],
    ),
    row(
        ConnectionLost,
        &[Ready],
        &[PasswordUnknown],
        Some(Saved),
        &["fail the queue: password needed"],
    ),
    row(
        ConnectionLost,
        &[Saved, Connecting, Backoff, Dormant, Failed],
        &[],
        None,
        LATE,
    ),
    row(RetryDue, &[Backoff], &[], Some(Connecting), DIAL),
    row(
        RetryDue,
        &[Saved, Connecting, Ready, Dormant, Failed],
        &[],
        None,
        LATE,
    ),
    row(
        Disconnect,
        &[Connecting],
        &[],
        Some(Saved),
        &[
            "abort the dial",
            "answer: session ended",
            "send all calls away",
            "stop the jobs",
        ],
    ),
    row(
        Disconnect,
        &[Ready],
        &[],
        Some(Saved),
        &["send all calls away", "stop the jobs, close the link"],
    ),
    row(
        Disconnect,
        &[Saved, Backoff, Dormant, Failed],
        &[],
        Some(Saved),
        &["send all calls away", "stop the jobs"],
    ),
    row(
        ShutDown,
        &[Connecting],
        &[],
        Some(Saved),
        &[
            "abort the dial",
            "answer: shutting down",
            "send all calls away",
            "leave the jobs",
        ],
    ),
    row(
        ShutDown,
        &[Ready],
        &[],
        Some(Saved),
        &[
            "send all calls away",
            "end everything on the host, close the link",
        ],
    ),
    row(
        ShutDown,
        &[Saved, Backoff, Dormant, Failed],
        &[],
        Some(Saved),
        &["send all calls away", "leave the jobs"],
    ),
];
