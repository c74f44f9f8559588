//! Requests to the supervisor, and reports from its sessions. None of them waits for a network or a disk.

use ractor::{ActorRef, RpcReplyPort};

use crate::actors::session::message::SessionMessage;
use crate::ssh::connection::PinnedKey;
use crate::store::{SessionName, SessionSpec};

/// Where a session can be reached.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    /// The session runs.
    Actor(ActorRef<SessionMessage>),
    /// The session crashed too often. The target and parameters are kept for the next start.
    Parked(Box<SessionSpec>),
}

/// Why a session was not started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StartError {
    /// The limit on sessions is reached; parked sessions count too.
    TooMany {
        /// Sessions that run or are parked.
        sessions: usize,
    },
    /// The actor could not be spawned, which is a defect.
    NotSpawned,
}

/// Answer to [`SupervisorMessage::Start`].
pub(crate) type StartReply = RpcReplyPort<Result<ActorRef<SessionMessage>, StartError>>;

/// Requests to the supervisor.
#[derive(Debug)]
pub(crate) enum SupervisorMessage {
    /// The actor of a session that runs.
    Find {
        /// Name of the session.
        name: SessionName,
        /// Answered at once.
        reply: RpcReplyPort<Option<Found>>,
    },
    /// The actor of a session, started if there is none. A parked session starts anew only on `ssh_connect`.
    Start {
        /// Name of the session.
        name: SessionName,
        /// Target and parameters for the start.
        spec: Box<SessionSpec>,
        /// The session is in the store.
        known: bool,
        /// Answered at once.
        reply: StartReply,
    },
    /// A session has connected. A restart after a crash begins with these values.
    Established {
        /// Name of the session.
        name: SessionName,
        /// Target and parameters.
        spec: Box<SessionSpec>,
        /// The host key of the connection.
        pin: PinnedKey,
    },
    /// All sessions that run or are parked.
    List {
        /// Answered at once.
        reply: RpcReplyPort<Vec<(SessionName, Found)>>,
    },
    /// End a session's actor and forget its name.
    Forget {
        /// Name of the session.
        name: SessionName,
        /// Answered when the session is out of the registry.
        reply: RpcReplyPort<()>,
    },
}
