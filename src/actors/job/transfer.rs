//! Paths, progress and end of a transfer, shared between its task and the calls that report progress.

use std::sync::{Arc, OnceLock};

use crate::ssh::transfer::{Direction, Progress, Summary, TransferFailure, TransferSpec};

/// Paths, progress and end of a transfer.
#[derive(Debug)]
pub struct TransferJob {
    /// To the host or from the host.
    pub direction: Direction,
    /// Path on this machine, as given.
    pub local: String,
    /// Path on the host, as given.
    pub remote: String,
    /// How far the copy is.
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

    /// Paths and direction in a single line, for lists of jobs.
    pub(crate) fn summary_line(&self) -> String {
        let (from, to) = match self.direction {
            Direction::Upload => (&self.local, &self.remote),
            Direction::Download => (&self.remote, &self.local),
        };
        format!("{} {from} to {to}", self.direction.as_str())
    }

    /// The end, once there is one.
    pub fn result(&self) -> Option<&Result<Summary, TransferFailure>> {
        self.result.get()
    }

    pub(crate) fn set_result(&self, result: Result<Summary, TransferFailure>) {
        // A transfer ends once.
        let _ = self.result.set(result);
    }
}
