//! Calls of the tools on their way to a session and its jobs.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ractor::RpcReplyPort;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::error::SessionError;
use super::job::report::{CommandReport, TransferReport};
use super::job::transfer::TransferJob;
use super::output::OutputWatch;
use super::report::ConnectReport;
use crate::ssh::credentials::Credentials;
use crate::ssh::transfer::TransferSpec;
use crate::store::{SessionName, SessionSpec};

/// Answer to `ssh_connect` and `ssh_reconnect`.
pub(crate) type ConnectReply = RpcReplyPort<Result<ConnectReport, SessionError>>;

/// Answer to an `ssh_exec`.
pub(crate) type ExecReply = RpcReplyPort<Result<CommandReport, SessionError>>;

/// Answer to `ssh_upload` and `ssh_download`.
pub(crate) type TransferReply = RpcReplyPort<Result<TransferReport, SessionError>>;

/// A call of `ssh_connect`.
#[derive(Debug, Clone)]
pub struct ConnectRequest {
    /// Name of the session.
    pub name: SessionName,
    /// Target and parameters as given.
    pub spec: SessionSpec,
    /// Secrets.
    pub credentials: Credentials,
    /// Becomes the default session.
    pub make_default: bool,
    /// Limit of the whole dial.
    pub connect_timeout: Option<Duration>,
}

/// A call of `ssh_exec`.
#[derive(Debug, Clone)]
pub struct ExecRequest {
    /// Command line for the login shell.
    pub command: String,
    /// Directory to run in.
    pub cwd: Option<String>,
    /// Variables for the command.
    pub env: BTreeMap<String, String>,
    /// Text for its stdin.
    pub stdin: Option<String>,
    /// Stdin stays open after that.
    pub interactive: bool,
    /// Runs on a terminal.
    pub pty: bool,
    /// How long the call waits.
    pub wait: Duration,
    /// When the command is ended.
    pub timeout: Option<Duration>,
    /// Output beyond this many bytes is kept for later reading.
    pub shown_bytes: usize,
    /// Fires when the caller gives up.
    pub cancel: CancellationToken,
    /// Where the output can be watched while the command runs.
    pub watch: OutputWatch,
}

/// A call of `ssh_upload` or `ssh_download`.
#[derive(Debug, Clone)]
pub struct TransferRequest {
    /// What is to be copied where.
    pub spec: TransferSpec,
    /// How long the call waits.
    pub wait: Duration,
    /// Fires when the caller gives up.
    pub cancel: CancellationToken,
    /// Where the progress can be watched once the transfer has begun.
    pub watch: TransferWatch,
}

/// The progress of a transfer that may not have begun yet.
#[derive(Debug, Clone, Default)]
pub struct TransferWatch(Arc<OnceLock<Arc<TransferJob>>>);

impl TransferWatch {
    /// The transfer, once there is one.
    pub fn get(&self) -> Option<&Arc<TransferJob>> {
        self.0.get()
    }

    /// Makes a transfer watchable.
    pub fn set(&self, transfer: Arc<TransferJob>) {
        // One that is begun again over another link shows the progress of its first try, which stays at its start.
        let _ = self.0.set(transfer);
    }
}

/// Where a command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunIn {
    /// On a channel of its own.
    Channel,
    /// In the session's shell.
    Shell,
}

/// An `ssh_exec` or `ssh_shell` on its way to becoming a job.
#[derive(Debug)]
pub(crate) struct QueuedExec {
    /// What to run.
    pub(crate) request: ExecRequest,
    /// Where to run it.
    pub(crate) run_in: RunIn,
    /// Taken by the job.
    pub(crate) reply: Option<ExecReply>,
    /// Set when the session has taken the call in: until then it is certain that nothing was sent.
    pub(crate) taken: Arc<AtomicBool>,
    /// The session's epoch when it took the call in.
    pub(crate) epoch: u64,
    /// When the call came in: its wait counts from here.
    pub(crate) received: Instant,
    /// When waiting for a connection or a channel is over.
    pub(crate) deadline: Instant,
    /// It was given to a link once that died before sending it.
    pub(crate) sent_before: bool,
    /// The session had to connect for it.
    pub(crate) reconnected: bool,
}

impl QueuedExec {
    /// Until when the call waits for its turn on a session that is up.
    pub(crate) fn turn(&self) -> Instant {
        self.received + self.request.wait
    }
}

/// An `ssh_upload` or `ssh_download` on its way to becoming a job.
#[derive(Debug)]
pub(crate) struct QueuedTransfer {
    /// What to copy.
    pub(crate) request: TransferRequest,
    /// Taken by the job.
    pub(crate) reply: Option<TransferReply>,
    /// Set when the session has taken the call in: until then it is certain that nothing was done.
    pub(crate) taken: Arc<AtomicBool>,
    /// When the call came in: its wait counts from here.
    pub(crate) received: Instant,
    /// When waiting for a connection or a channel is over.
    pub(crate) deadline: Instant,
    /// The session had to connect for it.
    pub(crate) reconnected: bool,
}
