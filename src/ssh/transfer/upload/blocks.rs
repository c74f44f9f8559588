//! The blocks of a file on their way to the host, over one channel or several.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use rustix::buffer::spare_capacity;
use rustix::io::{pread, retry_on_intr};
use tokio::sync::{Mutex, mpsc};

use super::file::Draft;
use super::source::Source;
use crate::limits;
use crate::ssh::sftp::{Handle, Sftp, SftpError};
use crate::ssh::transfer::context::{Context, lock};
use crate::ssh::transfer::error::TransferError;
use crate::ssh::transfer::extra_channels;
use crate::ssh::transfer::window::{Block, Window};

/// Blocks read ahead of the channels.
const READ_AHEAD: usize = 4;
static ZEROS: [u8; limits::SFTP_BLOCK_MAX_BYTES as usize] =
    [0; limits::SFTP_BLOCK_MAX_BYTES as usize];

/// The blocks of a source on their way into the channels.
pub(super) struct Blocks {
    pub(super) window: Window,
    reader: Mutex<mpsc::Receiver<Result<Bytes, TransferError>>>,
}

impl Blocks {
    /// Starts the thread that reads ahead; it ends when nobody takes its blocks any more.
    pub(super) fn read(context: &Context, source: &Source, start: u64) -> Self {
        let (size, block) = (source.size(), context.sftp.write_block());
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

    /// The next block and its bytes; both come in the same order.
    async fn next(&self) -> Result<Option<(Block, Bytes)>, TransferError> {
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
    // Read into memory that nobody has filled with zeros before.
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
pub(super) enum Failed {
    Sftp(SftpError),
    Other(TransferError),
}

/// What a channel, or all of them, did with the blocks of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carried {
    /// It had none.
    Nothing,
    /// They are acknowledged, and may not be on the disk.
    Written,
    /// They are on the disk of the host, which sees a file of this size.
    Synced(u64),
}

impl Carried {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, carried) | (carried, Self::Nothing) => carried,
            (Self::Synced(a), Self::Synced(b)) => Self::Synced(a.max(b)),
            (Self::Written, _) | (_, Self::Written) => Self::Written,
        }
    }
}

/// Sends all blocks: over the first channel at once, over others as soon as they are open.
pub(super) async fn copy(
    context: &Context,
    blocks: &Blocks,
    draft: &Draft,
) -> Result<Carried, Failed> {
    let extra = lock(&context.ahead).len();
    // Where it was there already, nobody has told those who open it on the other channels.
    context.draft.send_replace(Some(draft.path.clone()));
    // Those that have had a block: their ends are waited for.
    let busy = AtomicUsize::new(0);
    let mut others: FuturesUnordered<_> = (0..extra)
        .map(|_| send_beside(context, blocks, &draft.path, &busy))
        .collect();
    let first = send(context, &context.sftp, &draft.handle, blocks, None);
    tokio::pin!(first);
    let syncing = sync_beside(context, blocks, &draft.path, extra);
    tokio::pin!(syncing);
    let mut carried = Carried::Nothing;
    let mut first_done = false;
    loop {
        tokio::select! {
            // It only saves time at the end: all that it can tell is a failure.
            failed = &mut syncing => {
                let Err(failed) = failed;
                return Err(failed);
            }
            done = &mut first, if !first_done => {
                carried = carried.and(done?);
                first_done = true;
            }
            Some(done) = others.next(), if !others.is_empty() => {
                carried = carried.and(done?);
            }
        }
        // Channels that are still being opened, or came too late, are not waited for.
        if first_done && blocks.window.is_done() && busy.load(Ordering::Relaxed) == 0 {
            return Ok(carried);
        }
        if first_done && others.is_empty() {
            return Err(Failed::Other(TransferError::Internal(
                "blocks are missing".to_owned(),
            )));
        }
    }
}

/// Has the host write to its disk what it has got so far, again and again, over a channel that carries nothing else:
/// a server process that waits for its disk does nothing else. The sync at the end, which is the one that counts,
/// then finds little to do.
async fn sync_beside(
    context: &Context,
    blocks: &Blocks,
    path: &str,
    extra: usize,
) -> Result<Infallible, Failed> {
    // A channel that is not used for the blocks, and a file that is long enough to be worth it.
    let is_spare = extra + 1 < limits::SFTP_CHANNELS_MAX && context.sftp.can_sync();
    if is_spare
        && blocks.window.left() >= 2 * limits::TRANSFER_SYNC_BYTES
        && let Some(sftp) = extra_channels::channel(&context.pool).await
    {
        tokio::select! {
            () = context.pool.channels().contended() => {}
            synced = sync_often(&sftp, blocks, path) => synced?,
        }
    }
    std::future::pending().await
}

async fn sync_often(sftp: &Sftp, blocks: &Blocks, path: &str) -> Result<(), Failed> {
    let Some(handle) = extra_channels::open_write(sftp, path).await else {
        return Ok(());
    };
    loop {
        let next = blocks.window.low() + limits::TRANSFER_SYNC_BYTES;
        blocks.window.reached(next).await;
        let Ok(Some(syncing)) = sftp.sync(&handle).await else {
            return Ok(());
        };
        match syncing.done().await {
            Ok(()) => {}
            // What could not be written may be told only once, and only here.
            Err(error @ SftpError::Status(_)) => return Err(Failed::Sftp(error)),
            // The channel ended; the others go on.
            Err(_) => return Ok(()),
        }
    }
}

/// Sends blocks over a further channel, once there is one; it stays warm then.
async fn send_beside(
    context: &Context,
    blocks: &Blocks,
    path: &str,
    busy: &AtomicUsize,
) -> Result<Carried, Failed> {
    let Some(mut channel) = extra_channels::another_channel(context).await else {
        return Ok(Carried::Nothing);
    };
    let Some(handle) = channel.writing(path).await else {
        return Ok(Carried::Nothing);
    };
    let sftp = channel.sftp;
    let carried = send(context, &sftp, &handle, blocks, Some(busy)).await?;
    let closed = match sftp.close(&handle).await {
        // Some servers tell only here that something could not be written.
        Ok(closing) if carried == Carried::Written => closing.done().await,
        closing => closing.map(drop),
    };
    match (carried, closed) {
        (Carried::Written, Err(error)) => return Err(Failed::Sftp(error)),
        (_, Err(_)) => {}
        (_, Ok(())) => context.pool.put_back(sftp),
    }
    if carried != Carried::Nothing {
        busy.fetch_sub(1, Ordering::Relaxed);
    }
    Ok(carried)
}

/// Sends blocks over one channel until there are no more, and has the host write them to its disk, where it can.
/// A channel beside the first one counts itself as busy from its first block on, and is given up at once when
/// calls wait for it.
async fn send(
    context: &Context,
    sftp: &Sftp,
    handle: &Handle,
    blocks: &Blocks,
    busy: Option<&AtomicUsize>,
) -> Result<Carried, Failed> {
    let (sender, mut sent) = mpsc::channel(limits::SFTP_REQUESTS_MAX);
    // A new file of OpenSSH reads as zeros where nothing was written.
    let skips_zeros = sftp.can_replace() && !context.spec.resume;
    let sending = async move {
        let mut wrote = false;
        loop {
            let slot = tokio::select! {
                biased;
                () = context.pool.channels().contended(), if busy.is_some() => {
                    return Ok((wrote, None));
                }
                slot = sftp.reserve_slot() => slot.map_err(Failed::Sftp)?,
            };
            let Some((block, bytes)) = blocks.next().await.map_err(Failed::Other)? else {
                break;
            };
            if skips_zeros && bytes[..] == ZEROS[..bytes.len()] {
                blocks.window.arrived(block);
                context.progress.add_bytes(block.length);
                continue;
            }
            if !std::mem::replace(&mut wrote, true)
                && let Some(busy) = busy
            {
                busy.fetch_add(1, Ordering::Relaxed);
            }
            let over = context.over.clone();
            let pending = sftp.write(slot, handle, block.offset, bytes, over).await;
            let pending = pending.map_err(Failed::Sftp)?;
            if sender.send((block, pending)).await.is_err() {
                break;
            }
        }
        if !wrote {
            return Ok((false, None));
        }
        // Right behind the last block: the disk works while the other channels finish.
        let Some(synced) = sftp.sync(handle).await.map_err(Failed::Sftp)? else {
            return Ok((true, None));
        };
        let seen = sftp.stat_handle(handle).await.map_err(Failed::Sftp)?;
        Ok((true, Some((synced, seen))))
    };
    let acknowledging = async {
        while let Some((block, pending)) = sent.recv().await {
            pending.done().await.map_err(Failed::Sftp)?;
            blocks.window.arrived(block);
            context.progress.add_bytes(block.length);
        }
        Ok(())
    };
    let ((wrote, ends), ()) = tokio::try_join!(sending, acknowledging)?;
    let Some((synced, seen)) = ends else {
        return Ok(if wrote {
            Carried::Written
        } else {
            Carried::Nothing
        });
    };
    synced.done().await.map_err(Failed::Sftp)?;
    let seen = seen.attributes().await.map_err(Failed::Sftp)?;
    Ok(seen.size.map_or(Carried::Written, Carried::Synced))
}
