//! What the supervisor is asked. It keeps names and actors apart from everything that takes time.

use ractor::{ActorRef, RpcReplyPort};

use crate::actors::session::message::SessionMessage;
use crate::ssh::connection::PinnedKey;
use crate::store::{SessionName, SessionSpec};

/// Where a session can be reached.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    /// Its actor.
    Actor(ActorRef<SessionMessage>),
    /// It crashed too often. What it is a session of.
    Parked(Box<SessionSpec>),
}

/// Why a session was not started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StartError {
    /// As many sessions as may be run or are parked.
    TooMany {
        /// How many.
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
        /// Its name.
        name: SessionName,
        /// Answered at once.
        reply: RpcReplyPort<Option<Found>>,
    },
    /// The actor of a session, started if there is none. A parked one starts anew only on `ssh_connect`.
    Start {
        /// Its name.
        name: SessionName,
        /// What it is started with.
        spec: Box<SessionSpec>,
        /// It is in the store.
        known: bool,
        /// Answered at once.
        reply: StartReply,
    },
    /// A session has connected: this is what a restart begins with.
    Established {
        /// Its name.
        name: SessionName,
        /// Target and parameters.
        spec: Box<SessionSpec>,
        /// The host key that it was opened with.
        pin: PinnedKey,
    },
    /// All sessions that run or are parked.
    List {
        /// Answered at once.
        reply: RpcReplyPort<Vec<(SessionName, Found)>>,
    },
    /// End a session's actor and forget its name.
    Forget {
        /// Its name.
        name: SessionName,
        /// Answered when it is out of the registry.
        reply: RpcReplyPort<()>,
    },
    /// Set or clear the default session.
    SetDefault {
        /// The name.
        name: Option<SessionName>,
        /// Answered at once.
        reply: RpcReplyPort<()>,
    },
    /// Make a session the default if there is none.
    ClaimDefault {
        /// The name.
        name: SessionName,
        /// Answered with whether it is the default now.
        reply: RpcReplyPort<bool>,
    },
    /// The default session of this process, if one was chosen.
    GetDefault {
        /// Answered at once.
        reply: RpcReplyPort<Option<SessionName>>,
    },
}
