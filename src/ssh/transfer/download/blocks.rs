//! The blocks of a file on their way from the host, over one channel or several.

use std::sync::Arc;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc;

use super::part_file::Part;
use super::target::{Target, changed};
use super::writer::{Arrived, write_blocks};
use crate::limits;
use crate::ssh::sftp::read_block::read_full_block;
use crate::ssh::sftp::{Handle, Sftp};
use crate::ssh::transfer::context::{Context, lock};
use crate::ssh::transfer::error::TransferError;
use crate::ssh::transfer::window::Window;
use crate::ssh::transfer::{extra_channels, striping};

/// Fetches all blocks: over the first channel at once, over others as soon as they are open.
pub(super) async fn copy(
    context: &Context,
    path: &str,
    target: &Target,
    handle: &Handle,
    size: u64,
    part: &Part,
) -> Result<(), TransferError> {
    let block = context.sftp.read_block();
    let window = Arc::new(Window::new(
        part.start,
        size,
        block,
        limits::TRANSFER_SPAN_BYTES,
    ));
    let (sender, arrived) = mpsc::channel(limits::SFTP_REQUESTS_MAX);
    let writing = tokio::task::spawn_blocking({
        let (file, window) = (Arc::clone(&part.file), Arc::clone(&window));
        let progress = Arc::clone(&context.progress);
        move || write_blocks(&file, arrived, &window, &progress)
    });
    let fetched = fetch_all(context, path, handle, &window, sender).await;
    // The writer ends with its queue, and knows best why nobody takes blocks any more.
    let written = writing
        .await
        .map_err(|error| TransferError::Internal(error.to_string()))?;
    written.map_err(|error| target.failed(&error))?;
    fetched?;
    if window.is_done() {
        Ok(())
    } else {
        Err(TransferError::Internal("blocks are missing".to_owned()))
    }
}

async fn fetch_all(
    context: &Context,
    path: &str,
    handle: &Handle,
    window: &Window,
    sender: mpsc::Sender<Arrived>,
) -> Result<(), TransferError> {
    let writer = sender.clone();
    let mut others = FuturesUnordered::new();
    let extra = lock(&context.ahead).len();
    let depth = striping::depth(context, 1 + extra, context.sftp.read_block());
    for _ in 0..extra {
        let sender = sender.clone();
        others.push(async move {
            let Some(extra_channels::Beside { sftp, .. }) =
                extra_channels::another_channel(context).await
            else {
                return Ok(());
            };
            let opened = async { sftp.open_read(path).await?.handle().await };
            let Ok(handle) = opened.await else {
                return Ok(());
            };
            let lane = Lane {
                sftp: &sftp,
                handle: &handle,
                depth,
                may_leave: true,
            };
            fetch(context, lane, path, window, sender).await?;
            // Nothing depends on the answer.
            if sftp.close(&handle).await.is_ok() {
                context.pool.put_back(sftp);
            }
            Ok(())
        });
    }
    let lane = Lane {
        sftp: &context.sftp,
        handle,
        depth,
        may_leave: false,
    };
    let first = fetch(context, lane, path, window, sender);
    tokio::pin!(first);
    let mut first_done = false;
    loop {
        tokio::select! {
            // Channels that are still being opened are not waited for.
            () = window.done() => return Ok(()),
            // All channels may be waiting for it to make room.
            () = writer.closed() => return Err(ended()),
            result = &mut first, if !first_done => {
                result?;
                first_done = true;
            }
            Some(result) = others.next(), if !others.is_empty() => {
                let result: Result<(), TransferError> = result;
                result?;
            }
        }
        if first_done && others.is_empty() {
            return Ok(());
        }
    }
}

/// Whoever waits for the writer learns the cause from it.
fn ended() -> TransferError {
    TransferError::Internal("the writer ended".to_owned())
}

/// One channel of several, with the file open on it.
struct Lane<'a> {
    sftp: &'a Sftp,
    handle: &'a Handle,
    /// Blocks under way at once.
    depth: usize,
    /// It is given up when calls wait for a channel.
    may_leave: bool,
}

/// Fetches blocks over one channel until there are no more.
async fn fetch(
    context: &Context,
    lane: Lane<'_>,
    path: &str,
    window: &Window,
    sender: mpsc::Sender<Arrived>,
) -> Result<(), TransferError> {
    let Lane {
        sftp,
        handle,
        depth,
        may_leave,
    } = lane;
    let failed = |error| TransferError::sftp(path, error);
    // One more is being taken, and one waits for its place.
    let (asked, mut answers) = mpsc::channel(depth.saturating_sub(2).max(1));
    let asking = async move {
        loop {
            let next = tokio::select! {
                biased;
                () = context.pool.channels().contended(), if may_leave => None,
                next = window.next() => next,
            };
            let Some(block) = next else { break };
            let pending = sftp.read(handle, block.offset, block.length).await;
            if asked.send((block, pending.map_err(failed)?)).await.is_err() {
                break;
            }
        }
        Ok(())
    };
    let taking = async {
        while let Some((block, pending)) = answers.recv().await {
            let pieces = read_full_block(sftp, handle, block.offset, block.length, pending)
                .await
                .map_err(failed)?;
            let Some(pieces) = pieces else {
                return Err(changed(path, "it became shorter".to_owned()));
            };
            if sender.send((block, pieces)).await.is_err() {
                return Err(ended());
            }
        }
        Ok(())
    };
    tokio::try_join!(asking, taking).map(|_| ())
}
