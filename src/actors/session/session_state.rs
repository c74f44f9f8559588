//! State of a session's actor: the connection, the work, and the calls that wait for a link.

use std::sync::Arc;

use ractor::{ActorRef, RpcReplyPort};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::connection_state::ConnectionMachine;
use super::connection_state::change::ChangeSubscribers;
use super::connection_state::event::{Event, Ports};
use super::live_link::LiveLink;
use super::message::{ConnectReply, EndedJobs, SessionMessage};
use super::queue::Admitted;
use super::queued::Call;
use super::work::Work;
use crate::actors::job::retention::Retention;
use crate::actors::report::SessionStatus;
use crate::actors::supervisor::message::SupervisorMessage;
use crate::ssh::connection::PinnedKey;
use crate::ssh::dial::Dialer;
use crate::ssh::disconnect::Disconnect;
use crate::store::{SessionName, SessionSpec};

/// Arguments of a session's start.
#[derive(Debug, Clone)]
pub(crate) struct SessionArguments {
    pub(crate) name: SessionName,
    pub(crate) spec: SessionSpec,
    /// The session was in the store, or up before a restart: a failed dial does not end the session.
    pub(crate) known: bool,
    pub(crate) dialer: Dialer,
    pub(crate) retention: Retention,
    /// The host key of an earlier life of this session.
    pub(crate) pin: Option<PinnedKey>,
    pub(crate) subscribers: ChangeSubscribers,
    pub(crate) supervisor: ActorRef<SupervisorMessage>,
}

/// The links, tasks and reply ports of a session.
#[derive(Debug)]
pub(super) enum SessionPorts {}

impl Ports for SessionPorts {
    type Link = Arc<LiveLink>;
    type Dial = AbortHandle;
    type Caller = ConnectReply;
    type DisconnectReply = RpcReplyPort<EndedJobs>;
    type ShutDownReply = RpcReplyPort<()>;
}

/// State of [`SessionActor`](super::SessionActor).
pub(crate) struct SessionState {
    pub(super) myself: ActorRef<SessionMessage>,
    pub(super) dialer: Dialer,
    pub(super) connection: ConnectionMachine<SessionPorts>,
    pub(super) work: Work,
    /// Jobs that `ssh_reconnect` told to end, for its answer.
    pub(super) ended_by_reconnect: Vec<String>,
    pub(super) subscribers: ChangeSubscribers,
    pub(super) supervisor: ActorRef<SupervisorMessage>,
}

impl SessionState {
    /// A saved session that has not dialled yet.
    pub(super) fn new(myself: ActorRef<SessionMessage>, arguments: SessionArguments) -> Self {
        let work = Work::new(myself.clone(), arguments.name.clone(), arguments.retention);
        let connection = ConnectionMachine::new(
            arguments.name,
            arguments.spec,
            arguments.known,
            arguments.pin,
            rand::random,
        );
        Self {
            myself,
            dialer: arguments.dialer,
            connection,
            work,
            ended_by_reconnect: Vec::new(),
            subscribers: arguments.subscribers,
            supervisor: arguments.supervisor,
        }
    }

    pub(super) async fn start_waiting(&mut self) {
        let link = self.connection.link().map(AsRef::as_ref);
        self.work.start_waiting(link).await;
    }

    /// Starts a call that was taken in; a call that has to wait gets a limit, and a link if there is none.
    pub(super) async fn serve(&mut self, admitted: Admitted) {
        self.start_waiting().await;
        self.work.watch_wait(admitted);
        if !self.connection.is_ready() {
            self.advance(Event::CallWaits).await;
        }
    }

    /// A call whose link died before anything was sent waits for the next link.
    pub(super) async fn requeue(&mut self, call: Call) {
        let Some(admitted) = self.work.requeue(call) else {
            return;
        };
        // The job may notice a dead link before the watch on the connection does.
        let link = self.connection.link();
        let dead = link.filter(|link| link.connection.is_closed());
        if let Some((generation, ended)) =
            dead.map(|link| (link.generation, link.connection.watch_end()))
        {
            let reason = ended.await;
            self.connection_lost(generation, reason).await;
        }
        self.serve(admitted).await;
    }

    pub(super) async fn connection_lost(&mut self, generation: u64, reason: Disconnect) {
        let calls_wait = self.work.has_callers();
        self.advance(Event::ConnectionLost {
            generation,
            reason,
            calls_wait,
        })
        .await;
    }

    pub(super) fn status(&self) -> SessionStatus {
        let now = Instant::now();
        let connection = &self.connection;
        let spec = connection.spec();
        let facts = connection.link().map(|link| link.connection.facts());
        SessionStatus {
            session: connection.name().clone(),
            state: connection.state(),
            host: facts.map_or_else(|| spec.host.clone(), |facts| facts.host.clone()),
            port: facts.map(|facts| facts.port).or(spec.port),
            username: facts
                .map(|facts| facts.username.clone())
                .or_else(|| spec.username.clone()),
            connected_for: connection.connected_for(now),
            reconnects: connection.reconnects(),
            attempt: connection.attempts(),
            next_attempt_in: connection.next_attempt_in(now),
            last_error: connection.last_error(),
            jobs: self.work.job_statuses(),
            shell_cwd: self.work.shell.memory.cwd(),
        }
    }
}
