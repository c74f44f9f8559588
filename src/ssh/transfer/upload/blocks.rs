//! The content of an upload: blocks of a file on their way to the host, over one or several channels.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use rustix::buffer::spare_capacity;
use rustix::io::{pread, retry_on_intr};
use tokio::sync::{Mutex, mpsc};

use super::source::Source;
use super::temp_file::TempFile;
use crate::limits;
use crate::ssh::sftp::{Handle, Pending, Sftp, SftpError};
use crate::ssh::transfer::context::Context;
use crate::ssh::transfer::error::TransferError;
use crate::ssh::transfer::extra_channels::{ExtraChannels, open_existing, open_extra};
use crate::ssh::transfer::host::Host;
use crate::ssh::transfer::progress::Progress;
use crate::ssh::transfer::window::{Block, Window};

/// Blocks that are read before a channel asks for them.
const READ_AHEAD: usize = 4;
static ZEROS: [u8; limits::SFTP_BLOCK_MAX_BYTES as usize] =
    [0; limits::SFTP_BLOCK_MAX_BYTES as usize];

/// The blocks of a local file, in order, for any number of channels.
pub(super) struct Blocks {
    pub(super) window: Window,
    reader: Mutex<mpsc::Receiver<Result<Bytes, TransferError>>>,
}

impl Blocks {
    /// Starts a thread that reads the file from `start` on, in blocks of `block` bytes. The thread ends when the
    /// value is dropped.
    pub(super) fn start_reading(source: &Source, start: u64, block: u64) -> Self {
        let size = source.size();
        let (sender, reader) = mpsc::channel(READ_AHEAD);
        let source = source.clone();
        tokio::task::spawn_blocking(move || {
            let mut offset = start;
            while offset < size {
                let length = block.min(size - offset);
                let read = read_block(&source, offset, length);
                let failed = read.is_err();
                if sender.blocking_send(read).is_err() || failed {
                    return;
                }
                offset += length;
            }
        });
        Self {
            window: Window::new(start, size, block, limits::TRANSFER_SPAN_BYTES),
            reader: Mutex::new(reader),
        }
    }

    /// Waits for the next block and its bytes; `None` at the end of the file.
    async fn next(&self) -> Result<Option<(Block, Bytes)>, TransferError> {
        // The lock keeps the window and the reader in step.
        let mut reader = self.reader.lock().await;
        let Some(block) = self.window.next().await else {
            return Ok(None);
        };
        match reader.recv().await {
            Some(bytes) => Ok(Some((block, bytes?))),
            None => Err(TransferError::Internal("the reader ended".to_owned())),
        }
    }
}

fn read_block(source: &Source, offset: u64, length: u64) -> Result<Bytes, TransferError> {
    // The spare capacity of a vector is filled without zeroing the memory first.
    let mut block = Vec::with_capacity(length as usize);
    while block.len() < length as usize {
        let at = offset + block.len() as u64;
        let read = retry_on_intr(|| pread(&source.file, spare_capacity(&mut block), at));
        match read {
            Ok(0) => return Err(source.changed("it became shorter".to_owned())),
            Ok(_) => {}
            Err(error) => return Err(TransferError::io(&source.shown, &error.into())),
        }
    }
    block.truncate(length as usize);
    Ok(block.into())
}

/// Why blocks did not arrive.
pub(super) enum SendError {
    /// The host refused, or the channel failed; the caller looks for the reason.
    Sftp(SftpError),
    Other(TransferError),
}

/// The state of the blocks that a channel, or all channels, carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    /// The channel carried no blocks.
    Nothing,
    /// The host acknowledged the blocks, which may not be on its disk.
    Written,
    /// The blocks are on the disk of the host, and the file has this size in bytes.
    Synced(u64),
}

impl Delivery {
    /// The state of the blocks of two channels together.
    fn combine(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, delivery) | (delivery, Self::Nothing) => delivery,
            (Self::Synced(a), Self::Synced(b)) => Self::Synced(a.max(b)),
            (Self::Written, _) | (_, Self::Written) => Self::Written,
        }
    }
}

/// The blocks that went into the queue of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Queued {
    Nothing,
    /// The channel gave way to calls before the end of the file.
    Some,
    /// The channel served the file to its end.
    All,
}

/// Sends all blocks to a temporary file: over the first channel at once, over extra channels as soon as they open.
pub(super) async fn send_blocks(
    context: &Context,
    blocks: &Blocks,
    temp_file: &TempFile,
) -> Result<Delivery, SendError> {
    let extra = context.extra.count();
    // A partial file of an earlier call was not announced yet.
    context.extra.announce(&temp_file.path);
    let sender = BlockSender {
        host: &context.host,
        progress: &context.report.progress,
        blocks,
        // A partial file may hold other bytes than zeros.
        skips_zeros: !context.spec.resume,
        busy: AtomicUsize::new(0),
    };
    sender.send_over_all(&context.extra, extra, temp_file).await
}

/// Sends the blocks of one file.
struct BlockSender<'a> {
    host: &'a Host,
    progress: &'a Progress,
    blocks: &'a Blocks,
    /// Blocks of zeros may be left out, if the server allows.
    skips_zeros: bool,
    /// Extra channels that have carried a block and have not finished.
    busy: AtomicUsize,
}

impl BlockSender<'_> {
    async fn send_over_all(
        &self,
        channels: &ExtraChannels,
        extra: usize,
        temp_file: &TempFile,
    ) -> Result<Delivery, SendError> {
        let path = &temp_file.path;
        let mut others: FuturesUnordered<_> = (0..extra)
            .map(|_| self.send_over_extra(channels, path))
            .collect();
        let first = self.send(&self.host.sftp, &temp_file.handle, false);
        tokio::pin!(first);
        let syncing = self.sync_meanwhile(path, extra);
        tokio::pin!(syncing);
        let mut delivery = Delivery::Nothing;
        let mut first_done = false;
        loop {
            tokio::select! {
                // The early sync never completes; only its failure matters here.
                failed = &mut syncing => {
                    let Err(failed) = failed;
                    return Err(failed);
                }
                done = &mut first, if !first_done => {
                    delivery = delivery.combine(done?);
                    first_done = true;
                }
                Some(done) = others.next(), if !others.is_empty() => {
                    delivery = delivery.combine(done?);
                }
            }
            // Channels that are still opening, or carried no block, are not waited for.
            let all_arrived = first_done && self.blocks.window.is_done();
            if all_arrived && self.busy.load(Ordering::Relaxed) == 0 {
                return Ok(delivery);
            }
            if first_done && others.is_empty() {
                return Err(SendError::Other(TransferError::Internal(
                    "blocks are missing".to_owned(),
                )));
            }
        }
    }

    /// Has the host write the received part of the file to its disk, again and again, so that the sync at the end is
    /// quick. The requests go over a channel without blocks: a server process that waits for its disk does nothing
    /// else.
    async fn sync_meanwhile(&self, path: &str, extra: usize) -> Result<Infallible, SendError> {
        let has_spare_channel = extra + 1 < limits::SFTP_CHANNELS_MAX && self.host.sftp.can_sync();
        if has_spare_channel
            && self.blocks.window.left() >= 2 * limits::TRANSFER_SYNC_BYTES
            && let Some(sftp) = open_extra(&self.host.pool).await
        {
            tokio::select! {
                () = self.host.contended() => {}
                synced = self.sync_repeatedly(&sftp, path) => synced?,
            }
        }
        std::future::pending().await
    }

    async fn sync_repeatedly(&self, sftp: &Sftp, path: &str) -> Result<(), SendError> {
        let Some(handle) = open_existing(sftp, path).await else {
            return Ok(());
        };
        let window = &self.blocks.window;
        loop {
            let next = window.low() + limits::TRANSFER_SYNC_BYTES;
            window.reached(next).await;
            let Ok(Some(syncing)) = sftp.sync(&handle).await else {
                return Ok(());
            };
            match syncing.done().await {
                Ok(()) => {}
                // The host may report a write error only once, to this request.
                Err(error @ SftpError::Status(_)) => return Err(SendError::Sftp(error)),
                // This channel ended; the transfer continues without early syncs.
                Err(_) => return Ok(()),
            }
        }
    }

    /// Sends blocks over an extra channel, if one opens; returns the channel to the pool afterwards.
    async fn send_over_extra(
        &self,
        channels: &ExtraChannels,
        path: &str,
    ) -> Result<Delivery, SendError> {
        let Some(mut channel) = channels.next().await else {
            return Ok(Delivery::Nothing);
        };
        let Some(handle) = channel.open_for_writing(path).await else {
            return Ok(Delivery::Nothing);
        };
        let sftp = channel.sftp;
        let delivery = self.send(&sftp, &handle, true).await?;
        let closed = match sftp.close(&handle).await {
            // Some servers report a write error only here.
            Ok(closing) if delivery == Delivery::Written => closing.done().await,
            closing => closing.map(drop),
        };
        match (delivery, closed) {
            (Delivery::Written, Err(error)) => return Err(SendError::Sftp(error)),
            (_, Err(_)) => {}
            (_, Ok(())) => self.host.pool.put_back(sftp),
        }
        if delivery != Delivery::Nothing {
            self.busy.fetch_sub(1, Ordering::Relaxed);
        }
        Ok(delivery)
    }

    /// Sends blocks over a channel until none are left, and then has the host write the file to its disk, if
    /// possible. An extra channel counts as busy from its first block on, and stops when calls wait for a channel.
    async fn send(
        &self,
        sftp: &Sftp,
        handle: &Handle,
        is_extra: bool,
    ) -> Result<Delivery, SendError> {
        let (sender, mut sent) = mpsc::channel(limits::SFTP_REQUESTS_MAX);
        let sending = async move {
            let queued = self.queue_blocks(sftp, handle, is_extra, sender).await?;
            if queued != Queued::All {
                return Ok((queued, None));
            }
            // Right behind the last block: the disk works while the other channels finish.
            let Some(synced) = sftp.sync(handle).await.map_err(SendError::Sftp)? else {
                return Ok((queued, None));
            };
            let stat = sftp.stat_handle(handle).await.map_err(SendError::Sftp)?;
            Ok((queued, Some((synced, stat))))
        };
        let acknowledging = async {
            while let Some((block, pending)) = sent.recv().await {
                pending.done().await.map_err(SendError::Sftp)?;
                self.mark_arrived(block);
            }
            Ok(())
        };
        let ((queued, ends), ()) = tokio::try_join!(sending, acknowledging)?;
        let Some((synced, stat)) = ends else {
            return Ok(match queued {
                Queued::Nothing => Delivery::Nothing,
                Queued::Some | Queued::All => Delivery::Written,
            });
        };
        synced.done().await.map_err(SendError::Sftp)?;
        let attributes = stat.attributes().await.map_err(SendError::Sftp)?;
        Ok(attributes.size.map_or(Delivery::Written, Delivery::Synced))
    }

    /// Queues blocks in a channel until none are left, or until calls wait for the extra channel. The requests go to
    /// `sent`.
    async fn queue_blocks(
        &self,
        sftp: &Sftp,
        handle: &Handle,
        is_extra: bool,
        sent: mpsc::Sender<(Block, Pending)>,
    ) -> Result<Queued, SendError> {
        // Only OpenSSH is known to fill gaps in a new file with zeros.
        let skips_zeros = self.skips_zeros && sftp.can_replace();
        let mut wrote = false;
        loop {
            let slot = tokio::select! {
                biased;
                () = self.host.contended(), if is_extra => {
                    return Ok(if wrote { Queued::Some } else { Queued::Nothing });
                }
                slot = sftp.reserve_slot() => slot.map_err(SendError::Sftp)?,
            };
            let Some((block, bytes)) = self.blocks.next().await.map_err(SendError::Other)? else {
                break;
            };
            if skips_zeros && bytes[..] == ZEROS[..bytes.len()] {
                self.mark_arrived(block);
                continue;
            }
            if !std::mem::replace(&mut wrote, true) && is_extra {
                self.busy.fetch_add(1, Ordering::Relaxed);
            }
            let over = self.host.over.clone();
            let pending = sftp.write(slot, handle, block.offset, bytes, over).await;
            let pending = pending.map_err(SendError::Sftp)?;
            if sent.send((block, pending)).await.is_err() {
                break;
            }
        }
        Ok(if wrote { Queued::All } else { Queued::Nothing })
    }

    fn mark_arrived(&self, block: Block) {
        self.blocks.window.mark_arrived(block);
        self.progress.add_bytes(block.length);
    }
}
