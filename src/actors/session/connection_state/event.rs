//! Events that a connection state machine takes and effects that it asks for.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use super::change::ConnectionChange;
use crate::actors::error::SessionError;
use crate::ssh::connection::PinnedKey;
use crate::ssh::credentials::Credentials;
use crate::ssh::disconnect::Disconnect;
use crate::ssh::error::SshError;
use crate::store::{AuthKind, SessionSpec};

/// Values that the machine keeps and hands back without looking into them. The session puts in its links, tasks
/// and reply ports; the table test puts in numbers.
pub(crate) trait Ports: fmt::Debug {
    /// A live link.
    type Link: Clone + fmt::Debug;
    /// The task of a running dial.
    type Dial: fmt::Debug;
    /// Reply port of `ssh_connect` and `ssh_reconnect`.
    type Caller: fmt::Debug;
    /// Reply port of `ssh_disconnect`.
    type DisconnectReply: fmt::Debug;
    /// Reply port of the shutdown.
    type ShutDownReply: fmt::Debug;
}

/// Target, secrets and limits of a dial.
#[derive(Debug, Clone)]
pub(crate) struct Parameters {
    pub(crate) spec: SessionSpec,
    pub(crate) credentials: Credentials,
    /// Limit of the whole dial; the configuration's ConnectTimeout or the default when absent.
    pub(crate) connect_timeout: Option<Duration>,
}

/// A link that a dial has just established.
#[derive(Debug)]
pub(crate) struct NewLink<P: Ports> {
    pub(crate) link: P::Link,
    /// The method that the server accepted.
    pub(crate) auth: AuthKind,
    /// The key that the server proved to have.
    pub(crate) host_key: PinnedKey,
}

/// Requests end in a reply port and are imperative; events of tasks carry their generation and are past tense.
#[derive(Debug)]
pub(crate) enum Event<P: Ports> {
    /// `ssh_connect`: be up, with these parameters.
    Connect {
        parameters: Box<Parameters>,
        caller: P::Caller,
    },
    /// `ssh_reconnect`: drop the link, if there is one, and dial.
    Reconnect { caller: P::Caller },
    /// A command or a transfer waits for a link.
    CallWaits,
    /// A dial ended.
    Dialed {
        generation: u64,
        result: Result<NewLink<P>, SshError>,
        took: Duration,
    },
    /// The link ended by itself.
    ConnectionLost {
        generation: u64,
        reason: Disconnect,
        /// At least one command or transfer waits in the queue.
        calls_wait: bool,
    },
    /// The delay before the next dial is over.
    RetryDue { generation: u64 },
    /// `ssh_disconnect`: end the jobs and the link, and stay saved.
    Disconnect { reply: P::DisconnectReply },
    /// The process ends.
    ShutDown { reply: P::ShutDownReply },
}

impl<P: Ports> Event<P> {
    /// Generation of the task that sent the event.
    pub(super) fn generation(&self) -> Option<u64> {
        match self {
            Self::Dialed { generation, .. }
            | Self::ConnectionLost { generation, .. }
            | Self::RetryDue { generation } => Some(*generation),
            Self::Connect { .. }
            | Self::Reconnect { .. }
            | Self::CallWaits
            | Self::Disconnect { .. }
            | Self::ShutDown { .. } => None,
        }
    }

    /// The link that the event brings.
    pub(super) fn into_new_link(self) -> Option<NewLink<P>> {
        match self {
            Self::Dialed { result, .. } => result.ok(),
            _ => None,
        }
    }
}

/// Everything that a dial task needs.
#[derive(Debug)]
pub(crate) struct DialPlan {
    /// Comes back with [`Event::Dialed`].
    pub(crate) generation: u64,
    pub(crate) parameters: Parameters,
    /// The only host key that is acceptable; none where `ssh_connect` accepts the host's key anew.
    pub(crate) pin: Option<PinnedKey>,
}

/// Answer to the callers of `ssh_connect` and `ssh_reconnect`.
#[derive(Debug)]
pub(crate) enum Answer<P: Ports> {
    /// The link is up.
    Up {
        link: P::Link,
        /// The link was up before the call.
        reused: bool,
        took: Duration,
    },
    /// There is no link.
    Refused(SessionError),
}

/// Reason for ending a link on purpose. Each has its own order of stopping jobs.
#[derive(Debug)]
pub(crate) enum Goodbye<P: Ports> {
    /// A new link replaces the old one; the shell's memory stays.
    Reconnect,
    /// The session stays saved.
    Disconnect(P::DisconnectReply),
    /// The process ends: the host is told to end every process of the session.
    ShutDown(P::ShutDownReply),
}

/// Actions that follow an event, in the order in which they are carried out.
#[derive(Debug)]
pub(crate) enum Effect<P: Ports> {
    /// Publish a change of state. First of the effects of its event.
    Changed(ConnectionChange),
    /// Dial; the task's handle goes back through `attach_dial`.
    StartDial(Box<DialPlan>),
    /// Abort a dial whose result nobody wants.
    AbortDial(P::Dial),
    /// Send [`Event::RetryDue`] at this time.
    StartTimer { generation: u64, at: Instant },
    /// Send [`Event::ConnectionLost`] when the link ends.
    WatchLink { generation: u64, link: P::Link },
    /// Tell the supervisor the parameters and the host key that a restart after a crash begins with.
    TellEstablished {
        spec: Box<SessionSpec>,
        pin: Box<PinnedKey>,
    },
    /// Answer calls of `ssh_connect` and `ssh_reconnect`.
    AnswerCallers {
        callers: Vec<P::Caller>,
        answer: Answer<P>,
    },
    /// Start the commands and transfers that waited for the link.
    ServeQueue { link: P::Link },
    /// Answer every waiting command and transfer with the error.
    FailQueue(SessionError),
    /// The same, and refuse the commands that a job gives back later.
    SendAllAway(SessionError),
    /// Close a link that the session does not take.
    CloseLink(P::Link),
    /// Stop the running jobs, then close the link, if there is one.
    HangUp {
        link: Option<P::Link>,
        goodbye: Goodbye<P>,
    },
    /// End the session's actor: a first connect failed and leaves nothing behind.
    Vanish,
    /// Log an event of an earlier generation, or one that its state no longer needs.
    ReportLate { late_events: u64 },
}
