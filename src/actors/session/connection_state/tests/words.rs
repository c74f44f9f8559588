//! The words of the table for events, conditions and effects.

use std::time::Duration;

use super::fixture::{EventKind, Given, Numbers};
use crate::actors::error::SessionError;
use crate::actors::session::connection_state::event::{Answer, Effect, Goodbye};
use crate::limits;

impl EventKind {
    /// Heading and meaning.
    pub(super) const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Connect => ("Connect", "`ssh_connect` is called."),
            Self::Reconnect => ("Reconnect", "`ssh_reconnect` is called."),
            Self::CallWaits => (
                "Call waits",
                "A command or a transfer waits, and the session is not ready.",
            ),
            Self::DialSucceeded => ("Dial succeeded", "The dial task has a link."),
            Self::DialFailed => ("Dial failed", "The dial task has an error."),
            Self::ConnectionLost => ("Connection lost", "The link ended by itself."),
            Self::RetryDue => ("Retry due", "The delay before the next dial is over."),
            Self::Disconnect => ("Disconnect", "`ssh_disconnect` is called."),
            Self::ShutDown => ("Shut down", "The process ends."),
        }
    }
}

impl Given {
    /// The condition as the table shows it.
    pub(super) fn words(self) -> String {
        match self {
            Self::OtherTarget => "another target".into(),
            Self::PasswordUnknown => "the password is not known".into(),
            Self::NewName => "first connect of a new name".into(),
            Self::NotUpYet => "not up before in this process".into(),
            Self::PermanentError => "permanent error".into(),
            Self::DownForLong => format!("outage of {}", words(limits::DORMANT_AFTER)),
            Self::ProvenLink => format!("link up for {}", words(limits::LINK_PROVEN_AFTER)),
            Self::CallsWait => "calls wait".into(),
            Self::TrialFrom(state) => format!("`ssh_connect` from `{state}`"),
            Self::OldGeneration => "an older generation".into(),
        }
    }
}

/// A limit in minutes or in seconds.
pub(super) fn words(limit: Duration) -> String {
    let minutes = limit.as_secs() / 60;
    if minutes > 1 {
        format!("{minutes} min")
    } else {
        format!("{} s", limit.as_secs_f64())
    }
}

/// An effect in the words of the table.
pub(super) fn label(effect: &Effect<Numbers>) -> &'static str {
    match effect {
        Effect::Changed(_) => "publish the change",
        Effect::StartDial(_) => "start a dial",
        Effect::AbortDial(_) => "abort the dial",
        Effect::StartTimer { .. } => "start the timer",
        Effect::WatchLink { .. } => "watch the link",
        Effect::TellEstablished { .. } => "tell the supervisor",
        Effect::AnswerCallers { answer, .. } => match answer {
            Answer::Up { reused: true, .. } => "answer: already connected",
            Answer::Up { reused: false, .. } => "answer: connected",
            Answer::Refused(SessionError::NameTaken { .. }) => "answer: name taken",
            Answer::Refused(SessionError::PasswordNeeded(_)) => "answer: password needed",
            Answer::Refused(SessionError::Dial { .. }) => "answer: dial failed",
            Answer::Refused(SessionError::Ended { .. }) => "answer: session ended",
            Answer::Refused(SessionError::ShuttingDown) => "answer: shutting down",
            Answer::Refused(other) => panic!("no words for {other}"),
        },
        Effect::ServeQueue { .. } => "serve the queue",
        Effect::FailQueue(SessionError::PasswordNeeded(_)) => "fail the queue: password needed",
        Effect::FailQueue(SessionError::Dial { .. }) => "fail the queue: dial failed",
        Effect::FailQueue(other) => panic!("no words for {other}"),
        Effect::SendAllAway(_) => "send all calls away",
        Effect::CloseLink(_) => "close the new link",
        Effect::HangUp { link, goodbye } => match (link, goodbye) {
            (Some(_), Goodbye::ShutDown(_)) => "end everything on the host, close the link",
            (None, Goodbye::ShutDown(_)) => "leave the jobs",
            (Some(_), _) => "stop the jobs, close the link",
            (None, _) => "stop the jobs",
        },
        Effect::Vanish => "end the session",
        Effect::ReportLate { .. } => "count as late",
    }
}
