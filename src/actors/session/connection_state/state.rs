//! The states of a connection. Each variant owns the data that is meaningful in that state only.

use tokio::time::Instant;

use super::event::{Parameters, Ports};
use super::outage::Outage;
use super::state_name::StateName;
use crate::ssh::error::SshError;

/// State of a session's connection.
#[derive(Debug, Default)]
pub(crate) enum ConnectionState<P: Ports> {
    /// Known, not connected, and not dialling.
    #[default]
    Saved,
    /// A dial is under way.
    Connecting(Box<Connecting<P>>),
    /// The link is up.
    Ready {
        link: P::Link,
        /// Since when the link is up.
        since: Instant,
        /// The outage before this link, until the link has proved itself.
        outage: Option<Outage>,
    },
    /// The link is down and the session dials by itself.
    Backoff {
        outage: Outage,
        next_attempt: Instant,
        error: SshError,
    },
    /// The link has been down for long: the session dials when a call needs the host.
    Dormant { outage: Outage, error: SshError },
    /// Dialling again cannot help until the user connects anew.
    Failed {
        outage: Option<Outage>,
        error: SshError,
    },
}

/// Data of [`ConnectionState::Connecting`].
#[derive(Debug)]
pub(crate) struct Connecting<P: Ports> {
    /// The dial task, from its start on.
    pub(super) dial: Option<P::Dial>,
    /// Calls of `ssh_connect` and `ssh_reconnect` that wait for the end of the dial.
    pub(super) callers: Vec<P::Caller>,
    pub(super) purpose: Purpose<P>,
}

/// Purpose of a dial.
#[derive(Debug)]
pub(crate) enum Purpose<P: Ports> {
    /// `ssh_connect` tries parameters: the session adopts them when the dial succeeds and returns to the state
    /// before when the dial fails.
    Trial {
        parameters: Box<Parameters>,
        before: Box<ConnectionState<P>>,
    },
    /// The session's own parameters are dialled again.
    Redial { outage: Option<Outage> },
}

impl<P: Ports> ConnectionState<P> {
    pub(crate) const fn name(&self) -> StateName {
        match self {
            Self::Saved => StateName::Saved,
            Self::Connecting(_) => StateName::Connecting,
            Self::Ready { .. } => StateName::Ready,
            Self::Backoff { .. } => StateName::Backoff,
            Self::Dormant { .. } => StateName::Dormant,
            Self::Failed { .. } => StateName::Failed,
        }
    }

    /// The error that took the session out of service.
    pub(super) const fn error(&self) -> Option<&SshError> {
        match self {
            Self::Backoff { error, .. }
            | Self::Dormant { error, .. }
            | Self::Failed { error, .. } => Some(error),
            Self::Saved | Self::Connecting(_) | Self::Ready { .. } => None,
        }
    }

    /// The parameters of an `ssh_connect` that is under way.
    pub(super) fn trial(&self) -> Option<&Parameters> {
        match self {
            Self::Connecting(connecting) => match &connecting.purpose {
                Purpose::Trial { parameters, .. } => Some(parameters),
                Purpose::Redial { .. } => None,
            },
            _ => None,
        }
    }

    /// Whether the session is connected or works on a connection, so that its name stands for one target.
    pub(super) const fn is_in_use(&self) -> bool {
        matches!(
            self,
            Self::Connecting(_) | Self::Ready { .. } | Self::Backoff { .. }
        )
    }

    pub(super) fn outage(&self) -> Option<&Outage> {
        match self {
            Self::Saved => None,
            Self::Connecting(connecting) => connecting.purpose.outage(),
            Self::Ready { outage, .. } | Self::Failed { outage, .. } => outage.as_ref(),
            Self::Backoff { outage, .. } | Self::Dormant { outage, .. } => Some(outage),
        }
    }

    pub(super) fn into_outage(self) -> Option<Outage> {
        match self {
            Self::Saved => None,
            Self::Connecting(connecting) => connecting.purpose.into_outage(),
            Self::Ready { outage, .. } | Self::Failed { outage, .. } => outage,
            Self::Backoff { outage, .. } | Self::Dormant { outage, .. } => Some(outage),
        }
    }

    fn count_attempt(&mut self) {
        match self {
            Self::Backoff { outage, .. }
            | Self::Dormant { outage, .. }
            | Self::Failed {
                outage: Some(outage),
                ..
            } => outage.count_attempt(),
            _ => {}
        }
    }
}

impl<P: Ports> Purpose<P> {
    fn outage(&self) -> Option<&Outage> {
        match self {
            Self::Trial { before, .. } => before.outage(),
            Self::Redial { outage } => outage.as_ref(),
        }
    }

    pub(super) fn into_outage(self) -> Option<Outage> {
        match self {
            Self::Trial { before, .. } => before.into_outage(),
            Self::Redial { outage } => outage,
        }
    }

    /// Counts a dial of the outage that the dial could end.
    pub(super) fn count_attempt(&mut self) {
        match self {
            Self::Trial { before, .. } => before.count_attempt(),
            Self::Redial {
                outage: Some(outage),
            } => outage.count_attempt(),
            Self::Redial { outage: None } => {}
        }
    }
}
