//! The content of a download: blocks of a file on their way from the host, over one or several channels.

use std::sync::Arc;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc;

use super::part_file::PartFile;
use super::target::Target;
use super::version::source_changed;
use super::writer::{ArrivedBlock, write_blocks};
use crate::limits;
use crate::ssh::sftp::read_block::read_full_block;
use crate::ssh::sftp::{Handle, Sftp};
use crate::ssh::transfer::context::Context;
use crate::ssh::transfer::error::TransferError;
use crate::ssh::transfer::extra_channels::ExtraChannels;
use crate::ssh::transfer::host::Host;
use crate::ssh::transfer::window::Window;

/// Fetches the blocks of an open file from `part.start` to `size`: over the first channel at once, over extra
/// channels as soon as they open.
pub(super) async fn fetch_blocks(
    context: &Context,
    path: &str,
    target: &Target,
    handle: &Handle,
    size: u64,
    part: &PartFile,
) -> Result<(), TransferError> {
    let host = &context.host;
    let block = host.sftp.read_block();
    let window = Window::new(part.start, size, block, limits::TRANSFER_SPAN_BYTES);
    let window = Arc::new(window);
    let (to_writer, arrived) = mpsc::channel(limits::SFTP_REQUESTS_MAX);
    let writing = tokio::task::spawn_blocking({
        let (file, window) = (Arc::clone(&part.file), Arc::clone(&window));
        let progress = Arc::clone(&context.report.progress);
        move || write_blocks(&file, arrived, &window, &progress)
    });
    let extra = context.extra.count();
    let fetcher = BlockFetcher {
        host,
        path,
        window: &window,
        to_writer,
        depth: host.link_kind().depth(1 + extra, block),
    };
    let fetched = fetcher.fetch_over_all(&context.extra, extra, handle).await;
    // The writer ends with its queue.
    drop(fetcher);
    let written = writing
        .await
        .map_err(|error| TransferError::Internal(error.to_string()))?;
    // An error of the writer is the cause of an error of the channels.
    written.map_err(|error| target.failed(&error))?;
    fetched?;
    if window.is_done() {
        Ok(())
    } else {
        Err(TransferError::Internal("blocks are missing".to_owned()))
    }
}

/// The error of channels after the end of the writer, whose own error has the cause.
fn writer_ended() -> TransferError {
    TransferError::Internal("the writer ended".to_owned())
}

/// Fetches the blocks of one file.
struct BlockFetcher<'a> {
    host: &'a Host,
    path: &'a str,
    window: &'a Window,
    to_writer: mpsc::Sender<ArrivedBlock>,
    /// Blocks in flight on each channel.
    depth: usize,
}

impl BlockFetcher<'_> {
    async fn fetch_over_all(
        &self,
        channels: &ExtraChannels,
        extra: usize,
        handle: &Handle,
    ) -> Result<(), TransferError> {
        let mut others: FuturesUnordered<_> = (0..extra)
            .map(|_| self.fetch_over_extra(channels))
            .collect();
        let first = self.fetch(&self.host.sftp, handle, false);
        tokio::pin!(first);
        let mut first_done = false;
        loop {
            tokio::select! {
                // Channels that are still opening are not waited for.
                () = self.window.done() => return Ok(()),
                // All channels may be waiting for room in the queue of the writer.
                () = self.to_writer.closed() => return Err(writer_ended()),
                result = &mut first, if !first_done => {
                    result?;
                    first_done = true;
                }
                Some(result) = others.next(), if !others.is_empty() => result?,
            }
            if first_done && others.is_empty() {
                return Ok(());
            }
        }
    }

    /// Fetches blocks over an extra channel, if one opens; returns the channel to the pool afterwards.
    async fn fetch_over_extra(&self, channels: &ExtraChannels) -> Result<(), TransferError> {
        let Some(channel) = channels.next().await else {
            return Ok(());
        };
        let sftp = channel.sftp;
        let opened = async { sftp.open_read(self.path).await?.handle().await };
        let Ok(handle) = opened.await else {
            return Ok(());
        };
        self.fetch(&sftp, &handle, true).await?;
        // The file was only read, so the answer does not matter.
        if sftp.close(&handle).await.is_ok() {
            self.host.pool.put_back(sftp);
        }
        Ok(())
    }

    /// Fetches blocks over a channel until none are left. An extra channel stops when calls wait for a channel.
    async fn fetch(
        &self,
        sftp: &Sftp,
        handle: &Handle,
        is_extra: bool,
    ) -> Result<(), TransferError> {
        let failed = |error| TransferError::sftp(self.path, error);
        // Two more blocks are in flight: the block that is being received, and the block that waits for the queue.
        let (requested, mut answers) = mpsc::channel(self.depth.saturating_sub(2).max(1));
        let requesting = async move {
            loop {
                let next = tokio::select! {
                    biased;
                    () = self.host.contended(), if is_extra => None,
                    next = self.window.next() => next,
                };
                let Some(block) = next else { break };
                let pending = sftp.read(handle, block.offset, block.length).await;
                let pending = pending.map_err(failed)?;
                if requested.send((block, pending)).await.is_err() {
                    break;
                }
            }
            Ok(())
        };
        let receiving = async {
            while let Some((block, pending)) = answers.recv().await {
                let read = read_full_block(sftp, handle, block.offset, block.length, pending);
                let Some(pieces) = read.await.map_err(failed)? else {
                    let difference = "it became shorter".to_owned();
                    return Err(source_changed(self.path, difference));
                };
                if self.to_writer.send((block, pieces)).await.is_err() {
                    return Err(writer_ended());
                }
            }
            Ok(())
        };
        tokio::try_join!(requesting, receiving).map(|_| ())
    }
}
