//! Temporary files on a host that outlive their transfer for a while.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::{Instant, timeout};

use crate::limits;
use crate::ssh::sftp::Sftp;
use crate::ssh::sftp::error::status;
use crate::ssh::sftp::pool::SftpPool;

/// Temporary files on a host that could not be removed because the link was gone. A session keeps them and
/// removes them over its next link.
#[derive(Debug, Clone, Default)]
pub struct Leftovers(Arc<Mutex<Vec<String>>>);

impl Leftovers {
    pub(super) fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is nothing to remove.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Removes all of it over a new link; what cannot be removed is kept for the one after.
    pub(crate) async fn sweep(&self, pool: &SftpPool) {
        let paths = std::mem::take(&mut *self.lock());
        let deadline = Instant::now() + limits::TRANSFER_CLEANUP_TIMEOUT;
        let left = match pool.take(deadline).await {
            Ok(sftp) => remove_all(&sftp, paths).await,
            Err(_) => paths,
        };
        self.lock().extend(left);
    }
}

/// Removes files on the host; gives those of which that is not certain.
pub(super) async fn remove_all(sftp: &Sftp, paths: Vec<String>) -> Vec<String> {
    let deadline = Instant::now() + limits::TRANSFER_CLEANUP_TIMEOUT;
    let mut left = Vec::new();
    for path in paths {
        let removing = async { sftp.remove(&path).await?.done().await };
        let remaining = deadline.saturating_duration_since(Instant::now());
        match timeout(remaining, removing).await {
            Ok(Ok(())) => {}
            // It is not there, or it was never made.
            Ok(Err(error)) if error.code() == Some(status::NO_SUCH_FILE) => {}
            _ => left.push(path),
        }
    }
    left
}
