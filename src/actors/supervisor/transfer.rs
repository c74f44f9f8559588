//! Transfers through the handle.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::Instant;

use super::handle::{LOOK_UP_DELAY, LOOK_UPS_MAX, SupervisorHandle, crashed};
use crate::actors::error::SessionError;
use crate::actors::job::report::TransferReport;
use crate::actors::request::QueuedTransfer;
use crate::actors::request::TransferRequest;
use crate::actors::rpc::call;
use crate::actors::session::message::SessionMessage;
use crate::error::Fate;
use crate::limits;
use crate::store::SessionName;

impl SupervisorHandle {
    /// Copies files and waits for the end or for as long as the request says.
    pub async fn transfer(
        &self,
        name: Option<SessionName>,
        request: TransferRequest,
    ) -> Result<TransferReport, SessionError> {
        let received = Instant::now();
        let name = self.choose(name).await?;
        let mut again = true;
        for _ in 0..LOOK_UPS_MAX {
            let actor = self.actor(&name).await?;
            let taken = Arc::new(AtomicBool::new(false));
            let question = |reply| {
                SessionMessage::Transfer(QueuedTransfer {
                    request: request.clone(),
                    reply: Some(reply),
                    taken: Arc::clone(&taken),
                    received,
                    // Waiting for a connection is bounded by the dial, waiting for a turn by the call's own wait.
                    deadline: received + request.wait.max(limits::CONNECT_TIMEOUT_MAX),
                    reconnected: false,
                })
            };
            match call(&actor, question).await {
                // The link was dead before anything was asked of it: the session dials anew.
                Ok(Err(SessionError::Transfer(failure))) if failure.unstarted && again => {
                    again = false;
                }
                Ok(answer) => return answer,
                Err(_) if taken.load(Ordering::SeqCst) => {
                    return Err(crashed(&name, Fate::Unknown));
                }
                // The session ended before it looked at the call: nothing was done.
                Err(_) => tokio::time::sleep(LOOK_UP_DELAY).await,
            }
        }
        Err(crashed(&name, Fate::NotSent))
    }
}
