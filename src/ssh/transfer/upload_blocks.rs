//! The blocks of a file on their way to the host, over one channel or several.

use std::io::{Read, Seek, SeekFrom};

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{Mutex, mpsc};

use super::error::TransferError;
use super::upload::Source;
use super::window::{Block, Window};
use super::{Context, lock, tree};
use crate::limits;
use crate::ssh::sftp::{Handle, Sftp, SftpError};

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
    let mut block = Vec::with_capacity(length as usize);
    let mut file = &*source.file;
    file.seek(SeekFrom::Start(offset))
        .and_then(|_| file.take(length).read_to_end(&mut block))
        .map_err(|error| TransferError::io(&source.shown, &error))?;
    if block.len() as u64 != length {
        return Err(source.changed("it became shorter".to_owned()));
    }
    Ok(block.into())
}

/// Why blocks did not arrive.
pub(super) enum Failed {
    Sftp(SftpError),
    Other(TransferError),
}

/// Sends all blocks: over the first channel at once, over others as soon as they are open.
pub(super) async fn copy(
    context: &Context,
    blocks: &Blocks,
    handle: &Handle,
    path: &str,
) -> Result<(), Failed> {
    let extra = lock(&context.ahead).len();
    let depth = tree::in_flight(1 + extra);
    let mut others = FuturesUnordered::new();
    for _ in 0..extra {
        others.push(async {
            let Some(sftp) = tree::another_channel(context).await else {
                return Ok(());
            };
            let opened = async { sftp.open_write(path).await?.handle().await };
            let Ok(handle) = opened.await else {
                return Ok(());
            };
            tracing::debug!(remaining = blocks.window.remaining(), "another channel");
            send(context, &sftp, &handle, blocks, depth, true).await?;
            // What was written is acknowledged; the first channel looks at the whole.
            if let Ok(closing) = sftp.close(&handle).await {
                let _ = closing.done().await;
            }
            Ok(())
        });
    }
    let first = send(context, &context.sftp, handle, blocks, depth, false);
    tokio::pin!(first);
    let mut first_done = false;
    loop {
        tokio::select! {
            result = &mut first, if !first_done => {
                result?;
                first_done = true;
            }
            Some(result) = others.next(), if !others.is_empty() => {
                let result: Result<(), Failed> = result;
                result?;
            }
        }
        // Channels that are still being opened are not waited for.
        if first_done && blocks.window.is_done() {
            return Ok(());
        }
        if first_done && others.is_empty() {
            return Err(Failed::Other(TransferError::Internal(
                "blocks are missing".to_owned(),
            )));
        }
    }
}

/// Sends blocks over one channel until there are no more. A channel beside the first one is given up when calls
/// wait for it.
async fn send(
    context: &Context,
    sftp: &Sftp,
    handle: &Handle,
    blocks: &Blocks,
    depth: usize,
    may_leave: bool,
) -> Result<(), Failed> {
    let (sender, mut sent) = mpsc::channel(depth);
    // A new file of OpenSSH reads as zeros where nothing was written.
    let skips_zeros = sftp.replaces() && !context.spec.resume;
    let sending = async move {
        while !(may_leave && context.pool.channels().is_contended()) {
            let Some((block, bytes)) = blocks.next().await.map_err(Failed::Other)? else {
                break;
            };
            if skips_zeros && bytes[..] == ZEROS[..bytes.len()] {
                blocks.window.arrived(block);
                context.progress.add_bytes(block.length);
                continue;
            }
            let pending = sftp
                .write(handle, block.offset, bytes, context.over.clone())
                .await
                .map_err(Failed::Sftp)?;
            if sender.send((block, pending)).await.is_err() {
                break;
            }
        }
        Ok(())
    };
    let acknowledging = async {
        while let Some((block, pending)) = sent.recv().await {
            pending.done().await.map_err(Failed::Sftp)?;
            blocks.window.arrived(block);
            context.progress.add_bytes(block.length);
        }
        Ok(())
    };
    tokio::try_join!(sending, acknowledging).map(|_| ())
}
