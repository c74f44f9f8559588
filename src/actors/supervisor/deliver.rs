//! Delivery of calls to a session, which may end between its look-up and the call.
//!
//! Every call is answered: by the session, by its job, or here, when the reply port was dropped. A flag tells the two
//! cases of a dropped port apart. A session sets the flag when the session takes the call in; without the flag nothing can
//! have been sent, and the call goes to the next actor of that name.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::handle::{SupervisorHandle, crashed};
use crate::actors::error::SessionError;
use crate::actors::job::command::{CommandWork, RunIn};
use crate::actors::job::report::{CommandReport, TransferReport};
use crate::actors::job::transfer_work::TransferWork;
use crate::actors::job::work::JobWork;
use crate::actors::request::{ExecRequest, TransferRequest};
use crate::actors::rpc::{self, Reply};
use crate::actors::session::message::SessionMessage;
use crate::actors::session::queued::{Call, QueuedCall};
use crate::error::Fate;
use crate::limits;
use crate::store::{SessionName, SessionSpec};

/// Look-ups of a session for a call.
const LOOK_UPS_MAX: usize = 10;
/// Time for the supervisor to learn of an end.
const LOOK_UP_DELAY: Duration = Duration::from_millis(2);

/// How the actor of a name is found.
#[derive(Debug, Clone, Copy)]
pub(super) enum LookUp<'a> {
    /// The session runs or is saved.
    Known,
    /// A session that does not run is started with this target.
    Start {
        spec: &'a SessionSpec,
        /// The session is in the store.
        known: bool,
    },
}

impl SupervisorHandle {
    /// Runs a command and waits for its end or for as long as the request says.
    pub async fn exec(
        &self,
        name: Option<SessionName>,
        request: ExecRequest,
    ) -> Result<CommandReport, SessionError> {
        self.run_command(name, request, RunIn::Channel).await
    }

    /// The same in the session's shell. Of the request, `env`, `stdin`, `interactive` and `pty` do not apply.
    pub async fn shell(
        &self,
        name: Option<SessionName>,
        request: ExecRequest,
    ) -> Result<CommandReport, SessionError> {
        self.run_command(name, request, RunIn::Shell).await
    }

    /// Copies files and waits for the end or for as long as the request says.
    pub async fn transfer(
        &self,
        name: Option<SessionName>,
        request: TransferRequest,
    ) -> Result<TransferReport, SessionError> {
        let (wait, cancel) = (request.wait, request.cancel.clone());
        self.run_job(name, TransferWork::new(request), wait, cancel)
            .await
    }

    async fn run_command(
        &self,
        name: Option<SessionName>,
        request: ExecRequest,
        run_in: RunIn,
    ) -> Result<CommandReport, SessionError> {
        let (wait, cancel) = (request.wait, request.cancel.clone());
        let work = CommandWork::prepare(request, run_in)?;
        self.run_job(name, work, wait, cancel).await
    }

    async fn run_job<W: JobWork>(
        &self,
        name: Option<SessionName>,
        work: W,
        wait: Duration,
        cancel: CancellationToken,
    ) -> Result<W::Report, SessionError>
    where
        Call: From<QueuedCall<W>>,
    {
        let (received, work) = (Instant::now(), Arc::new(work));
        let name = self.name_or_default(name).await?;
        let message = |reply, taken| {
            let call = QueuedCall {
                work: Arc::clone(&work),
                reply: Some(reply),
                cancel: cancel.clone(),
                taken,
                epoch: 0,
                received,
                turn: received + wait,
                // Waiting for a connection is bounded by the dial, waiting for a turn by the call's own wait.
                deadline: received + wait.max(limits::CONNECT_TIMEOUT_MAX),
                sent_before: false,
                reconnected: false,
            };
            SessionMessage::Admit(call.into())
        };
        self.deliver(&name, LookUp::Known, message, Fate::Unknown)
            .await
    }

    /// Looks a session up and sends the message, again if the session ended before it took the message in.
    /// `fate_if_taken` is the fate of a call that a session took in and never answered.
    pub(super) async fn deliver<R: Send + 'static>(
        &self,
        name: &SessionName,
        look_up: LookUp<'_>,
        message: impl Fn(Reply<R>, Arc<AtomicBool>) -> SessionMessage,
        fate_if_taken: Fate,
    ) -> Result<R, SessionError> {
        for _ in 0..LOOK_UPS_MAX {
            let actor = match look_up {
                LookUp::Known => self.find_or_start_saved(name).await?,
                LookUp::Start { spec, known } => self.start_session(name, spec, known).await?,
            };
            let taken = Arc::new(AtomicBool::new(false));
            match rpc::call(&actor, |reply| message(reply, Arc::clone(&taken))).await {
                Ok(answer) => return answer,
                Err(_) if taken.load(Ordering::SeqCst) => {
                    return Err(crashed(name, fate_if_taken));
                }
                Err(_) => sleep(LOOK_UP_DELAY).await,
            }
        }
        Err(crashed(name, Fate::NotSent))
    }
}
