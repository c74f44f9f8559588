//! Requests of the tools, free of actors.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::job::transfer::TransferJob;
use super::output::OutputWatch;
use crate::ssh::credentials::Credentials;
use crate::ssh::transfer::TransferSpec;
use crate::store::{SessionName, SessionSpec};

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
    /// Text for stdin.
    pub stdin: Option<String>,
    /// Stdin stays open after that text.
    pub interactive: bool,
    /// The command runs on a terminal.
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
    /// Fires when the caller has seen enough: the command becomes a job before the wait is over.
    pub hand_over: CancellationToken,
}

/// A call of `ssh_upload` or `ssh_download`.
#[derive(Debug, Clone)]
pub struct TransferRequest {
    /// Source, target and options.
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
        // A transfer that goes back to the queue keeps its progress, so the first value is right for every try.
        let _ = self.0.set(transfer);
    }
}
