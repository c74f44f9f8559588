//! Temporary files on a host, and their removal.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::{Instant, timeout};

use crate::limits;
use crate::ssh::sftp::Sftp;
use crate::ssh::sftp::error::status;
use crate::ssh::sftp::pool::SftpPool;

/// Temporary files on a host that were not removed because the connection was lost. A session keeps the list and
/// removes the files over its next connection.
#[derive(Debug, Clone, Default)]
pub struct Leftovers(Arc<Mutex<Vec<String>>>);

impl Leftovers {
    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the list is empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Adds paths on the host.
    pub(super) fn add(&self, paths: Vec<String>) {
        self.lock().extend(paths);
    }

    /// Removes the files over a new connection. Files that cannot be removed stay in the list.
    pub(crate) async fn sweep(&self, pool: &SftpPool) {
        let paths = std::mem::take(&mut *self.lock());
        let deadline = Instant::now() + limits::TRANSFER_CLEANUP_TIMEOUT;
        let left = match pool.take(deadline).await {
            Ok(sftp) => remove_all(&sftp, paths).await,
            Err(_) => paths,
        };
        self.add(left);
    }
}

/// The temporary and partial files of a running transfer.
#[derive(Debug, Default)]
pub(super) struct TempFiles {
    /// Files on the host that are removed when the transfer fails.
    temporary: Mutex<Vec<String>>,
    /// The partial file that stays for a later call with `resume`.
    partial: Mutex<Option<String>>,
}

impl TempFiles {
    fn lock_temporary(&self) -> MutexGuard<'_, Vec<String>> {
        let locked = self.temporary.lock();
        locked.unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_partial(&self) -> MutexGuard<'_, Option<String>> {
        self.partial.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks a file on the host for removal on failure.
    pub(super) fn register(&self, path: &str) {
        self.lock_temporary().push(path.to_owned());
    }

    /// Drops the mark: the file is at its target, or gone.
    pub(super) fn unregister(&self, path: &str) {
        self.lock_temporary().retain(|other| other != path);
    }

    /// Names the partial file that stays on failure.
    pub(super) fn set_partial(&self, path: String) {
        *self.lock_partial() = Some(path);
    }

    /// The partial file, which the caller takes over.
    pub(super) fn take_partial(&self) -> Option<String> {
        self.lock_partial().take()
    }

    /// All files marked for removal, which the caller takes over.
    pub(super) fn take_temporary(&self) -> Vec<String> {
        std::mem::take(&mut *self.lock_temporary())
    }
}

/// Removes files on the host; gives the paths whose removal is uncertain.
pub(super) async fn remove_all(sftp: &Sftp, paths: Vec<String>) -> Vec<String> {
    let deadline = Instant::now() + limits::TRANSFER_CLEANUP_TIMEOUT;
    let mut left = Vec::new();
    for path in paths {
        let removing = async { sftp.remove(&path).await?.done().await };
        let remaining = deadline.saturating_duration_since(Instant::now());
        match timeout(remaining, removing).await {
            Ok(Ok(())) => {}
            // The file was never made, or was removed before.
            Ok(Err(error)) if error.code() == Some(status::NO_SUCH_FILE) => {}
            _ => left.push(path),
        }
    }
    left
}
