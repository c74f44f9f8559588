//! Copies files and trees between this machine and a host, over SFTP.
//!
//! A file is written under a temporary name in the directory of its target, and moved over the target when
//! complete: readers of the target see the old content or the new, never a mix. [`upload`] and [`download`] each copy
//! a file or a tree. Both use [`striping`] (one file over several channels, the [`extra_channels`]), [`window`] (the
//! next block), [`tree`] (listings, bounds), [`hash`] (SHA-256 on both sides), [`names`] (names from a host are
//! untrusted), and [`local`] (local files through open directories). [`crate::policy`] decides which local paths
//! are out of reach.
//!
//! A transfer runs in a single task, apart from the threads that read and write local files. Cancelling a transfer
//! drops that task; [`perform`] then removes the temporary files, or hands them to [`Leftovers`].

mod blocking;
mod context;
mod download;
mod error;
mod extra_channels;
mod hash;
mod host;
mod leftovers;
mod local;
mod names;
mod progress;
mod remote;
mod report;
mod spec;
mod striping;
mod tree;
mod upload;
mod window;

use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::context::Context;
pub use self::error::{Side, TransferError, TransferFailure};
use self::extra_channels::ExtraChannels;
use self::host::Host;
pub use self::leftovers::Leftovers;
use self::leftovers::{TempFiles, remove_all};
pub use self::progress::Progress;
use self::report::Report;
pub use self::spec::{Summary, TransferSpec, Verify};
use super::sftp::pool::SftpPool;
use crate::limits;
pub use crate::metrics::Direction;

/// Performs a transfer. `deadline` bounds the wait for a channel; `stop` cancels the transfer.
///
/// In all cases the target is complete or unchanged, and temporary files are removed: at once, or over the next
/// connection by way of `leftovers`.
pub(crate) async fn perform(
    spec: TransferSpec,
    pool: Arc<SftpPool>,
    progress: Arc<Progress>,
    deadline: Instant,
    stop: CancellationToken,
    leftovers: &Leftovers,
) -> Result<Summary, TransferFailure> {
    let opening = async {
        let opened = pool.take(deadline).await;
        opened.map_err(|error| TransferError::sftp(&spec.remote, error))
    };
    let sftp = tokio::select! {
        biased;
        () = stop.cancelled() => Err(TransferError::Cancelled),
        sftp = opening => sftp,
    };
    let sftp = sftp.map_err(|error| TransferFailure {
        unstarted: matches!(error, TransferError::Lost(_)),
        ..TransferFailure::from(error)
    })?;
    progress.begin();
    let over = CancellationToken::new();
    let context = Context {
        spec,
        extra: ExtraChannels::new(Arc::clone(&pool)),
        host: Host {
            sftp,
            pool,
            over: over.clone(),
        },
        report: Report::new(progress),
        temp_files: TempFiles::default(),
    };
    let _over = over.clone().drop_guard();
    let result = tokio::select! {
        biased;
        () = stop.cancelled() => Err(TransferError::Cancelled),
        result = copy(&context) => result,
    };
    over.cancel();
    match result {
        Ok(summary) => {
            leftovers.add(context.temp_files.take_temporary());
            let Host { sftp, pool, .. } = context.host;
            pool.put_back(sftp);
            Ok(summary)
        }
        Err(error) => Err(clean_up(&context, error, leftovers).await),
    }
}

async fn copy(context: &Context) -> Result<Summary, TransferError> {
    match context.spec.direction {
        Direction::Upload => upload::upload(context).await,
        Direction::Download => download::download(context).await,
    }
}

/// Removes the temporary files of a failed transfer, as far as the connection still works.
async fn clean_up(
    context: &Context,
    error: TransferError,
    leftovers: &Leftovers,
) -> TransferFailure {
    let Host { sftp, pool, .. } = &context.host;
    let paths = context.temp_files.take_temporary();
    let left = if paths.is_empty() || pool.channels().connection().is_closed() {
        paths
    } else if sftp.is_closed() {
        // The channel ended, the connection did not: another channel can remove the files.
        let deadline = Instant::now() + limits::TRANSFER_CLEANUP_TIMEOUT;
        match pool.take(deadline).await {
            Ok(sftp) => remove_all(&sftp, paths).await,
            Err(_) => paths,
        }
    } else {
        remove_all(sftp, paths).await
    };
    let failure = TransferFailure {
        error,
        kept: context.temp_files.take_partial(),
        left: left.first().cloned(),
        unstarted: false,
        ended_by: None,
    };
    leftovers.add(left);
    failure
}
