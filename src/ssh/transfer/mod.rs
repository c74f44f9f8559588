//! Files and trees between this machine and a host, over SFTP.
//!
//! A file is written to a temporary name beside its target and moved over it when it is whole: whoever looks sees
//! the old bytes or the new ones. [`upload`] and [`download`] carry one file, [`striping`] decides over how many channels;
//! [`tree`] walks and carries many; [`window`] decides which block comes next. [`crate::policy`] says which local
//! paths are out of reach, [`names`] what a host may call its files, [`local`] writes through open directories.
//!
//! All of a transfer runs in one task (only file reads and writes have threads of their own), so that giving up is
//! one drop; then what is left of it is removed ([`run`]).

mod context;
mod download;
mod error;
mod extra_channels;
mod hash;
mod leftovers;
mod local;
mod names;
mod progress;
mod remote;
mod spec;
mod striping;
mod tree;
mod upload;
mod window;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::context::{Context, lock};
pub use self::error::{Side, TransferError, TransferFailure};
pub use self::leftovers::Leftovers;
use self::leftovers::remove_all;
pub use self::progress::Progress;
pub use self::spec::{Summary, TransferSpec, Verify};
use super::sftp::pool::SftpPool;
use crate::limits;
pub use crate::metrics::Direction;

/// Carries a transfer to its end. `deadline` bounds the wait for a channel; `stop` ends it at any time.
///
/// Whatever happens, the target is whole or as it was, and what is temporary is removed: at once, or over the next
/// link by way of `leftovers`.
pub(crate) async fn run(
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
    let context = Context {
        spec,
        sftp,
        pool: Arc::clone(&pool),
        progress,
        over: CancellationToken::new(),
        temporary: Mutex::default(),
        kept: Mutex::default(),
        resumed: AtomicU64::new(0),
        notes: Mutex::default(),
        ahead: Mutex::default(),
        draft: watch::Sender::default(),
    };
    let _over = context.over.clone().drop_guard();
    let result = tokio::select! {
        biased;
        () = stop.cancelled() => Err(TransferError::Cancelled),
        result = carry(&context) => result,
    };
    context.over.cancel();
    match result {
        Ok(summary) => {
            let left = std::mem::take(&mut *lock(&context.temporary));
            leftovers.lock().extend(left);
            pool.put_back(context.sftp.clone());
            Ok(summary)
        }
        Err(error) => Err(clean_up(context, error, leftovers).await),
    }
}

async fn carry(context: &Context) -> Result<Summary, TransferError> {
    match context.spec.direction {
        Direction::Upload => upload::upload(context).await,
        Direction::Download => download::download(context).await,
    }
}

async fn clean_up(
    context: Context,
    error: TransferError,
    leftovers: &Leftovers,
) -> TransferFailure {
    let paths = std::mem::take(&mut *lock(&context.temporary));
    let left = if paths.is_empty() || context.pool.channels().connection().is_closed() {
        paths
    } else if context.sftp.is_closed() {
        // Only the channel is gone: another one can do this.
        let deadline = Instant::now() + limits::TRANSFER_CLEANUP_TIMEOUT;
        match context.pool.take(deadline).await {
            Ok(sftp) => remove_all(&sftp, paths).await,
            Err(_) => paths,
        }
    } else {
        remove_all(&context.sftp, paths).await
    };
    let failure = TransferFailure {
        error,
        kept: lock(&context.kept).take(),
        left: left.first().cloned(),
        unstarted: false,
    };
    leftovers.lock().extend(left);
    failure
}
