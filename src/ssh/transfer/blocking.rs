//! Work on local disks, outside the runtime's threads.

use super::error::TransferError;

/// Runs work that may block on a thread of its own.
pub(super) async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, TransferError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| TransferError::Internal(error.to_string()))
}
