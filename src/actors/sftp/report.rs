//! What the tools ask of a transfer and get back: free of actors and of SFTP.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::actors::error::SessionError;
use crate::actors::job::record::JobRecord;
use crate::ssh::transfer::{Direction, Progress, Summary, TransferFailure, TransferSpec};
use crate::store::SessionName;

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

/// What a job knows of its transfer.
#[derive(Debug)]
pub struct TransferJob {
    /// Which way.
    pub direction: Direction,
    /// Path on this machine, as given.
    pub local: String,
    /// Path on the host, as given.
    pub remote: String,
    /// How far it is.
    pub progress: Arc<Progress>,
    result: OnceLock<Result<Summary, TransferFailure>>,
}

impl TransferJob {
    pub(crate) fn new(spec: &TransferSpec) -> Self {
        Self {
            direction: spec.direction,
            local: spec.local.clone(),
            remote: spec.remote.clone(),
            progress: Arc::new(Progress::new(spec.direction)),
            result: OnceLock::new(),
        }
    }

    /// What it does, in one line.
    pub fn words(&self) -> String {
        let (from, to) = match self.direction {
            Direction::Upload => (&self.local, &self.remote),
            Direction::Download => (&self.remote, &self.local),
        };
        format!("{} {from} to {to}", self.direction.as_str())
    }

    /// Its end, once there is one.
    pub fn result(&self) -> Option<&Result<Summary, TransferFailure>> {
        self.result.get()
    }

    pub(crate) fn set_result(&self, result: Result<Summary, TransferFailure>) {
        // It ends once.
        let _ = self.result.set(result);
    }
}

/// How a transfer stands.
#[derive(Debug, Clone)]
pub struct TransferReport {
    /// Name of the session.
    pub session: SessionName,
    /// Name of the job, if it can be asked for.
    pub job: Option<String>,
    /// What it does and how far it is.
    pub transfer: Arc<TransferJob>,
    /// What it did, once it is done.
    pub summary: Option<Summary>,
    /// From its start to its end, or until now.
    pub elapsed: Duration,
    /// The session had to connect first.
    pub reconnected: bool,
}

/// A transfer as it stands now, or why it failed.
pub(crate) fn of(
    record: &JobRecord,
    handed_over: bool,
    reconnected: bool,
) -> Result<TransferReport, SessionError> {
    let crashed = || SessionError::Crashed {
        name: record.session.clone(),
        fate: crate::error::Fate::Unknown,
    };
    let transfer = record.transfer.clone().ok_or_else(crashed)?;
    let ended = record.ended();
    let elapsed = match &ended {
        Some(ended) => ended.elapsed,
        None => record.running_for(),
    };
    let summary = match ended {
        None => None,
        Some(ended) => {
            ended.outcome?;
            let result = transfer.result().ok_or_else(crashed)?;
            result.as_ref().ok().cloned()
        }
    };
    Ok(TransferReport {
        session: record.session.clone(),
        job: handed_over.then(|| record.name.clone()),
        transfer,
        summary,
        elapsed,
        reconnected,
    })
}
