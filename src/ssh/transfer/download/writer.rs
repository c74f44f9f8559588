//! Writes the blocks of a download to the disk.

use std::fs::File;
use std::io::{self, IoSlice};
use std::sync::Arc;

use bytes::Bytes;
use rustix::io::{pwritev, retry_on_intr};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::limits;
use crate::ssh::transfer::progress::Progress;
use crate::ssh::transfer::window::{Block, Window};

/// Adjacent blocks that go into a single write: for larger writes, the system handles fewer and larger pages.
const BLOCKS_PER_WRITE: usize = 8;
/// Pieces that a system call accepts (IOV_MAX).
const PIECES_MAX: usize = 1024;

/// A block from the host, with its content in pieces.
pub(super) type ArrivedBlock = (Block, Vec<Bytes>);

/// Writes arriving blocks until all senders are gone. Blocks the thread.
pub(super) fn write_blocks(
    file: &Arc<File>,
    mut arrived: mpsc::Receiver<ArrivedBlock>,
    window: &Window,
    progress: &Progress,
) -> io::Result<()> {
    let mut unsynced = 0;
    let mut syncing = None;
    let mut blocks = Vec::with_capacity(BLOCKS_PER_WRITE);
    while arrived.blocking_recv_many(&mut blocks, BLOCKS_PER_WRITE) > 0 {
        // Several channels deliver adjacent blocks in any order.
        blocks.sort_unstable_by_key(|(block, _)| block.offset);
        for run in blocks.chunk_by(|(block, _), (next, _)| block.end() == next.offset) {
            let pieces = run.iter().flat_map(|(_, pieces)| pieces);
            write_pieces(file, pieces, run[0].0.offset)?;
        }
        for (block, _) in blocks.drain(..) {
            unsynced += block.length;
            progress.add_bytes(block.length);
            window.mark_arrived(block);
        }
        if unsynced >= limits::TRANSFER_SYNC_BYTES
            && syncing.as_ref().is_none_or(JoinHandle::is_finished)
        {
            wait_for_sync(syncing.take())?;
            unsynced = 0;
            let file = Arc::clone(file);
            // An early sync: the disk works while blocks arrive, and the sync at the end has little left to do.
            syncing = Some(tokio::task::spawn_blocking(move || file.sync_data()));
        }
    }
    wait_for_sync(syncing)
}

/// Waits for a sync. The system reports a write error only once for an open file, so the sync at the end might
/// succeed after the error.
fn wait_for_sync(syncing: Option<JoinHandle<io::Result<()>>>) -> io::Result<()> {
    match syncing {
        Some(syncing) => Handle::current()
            .block_on(syncing)
            .map_err(io::Error::other)?,
        None => Ok(()),
    }
}

/// Writes all pieces consecutively from `offset` on.
pub(super) fn write_pieces<'a>(
    file: &File,
    pieces: impl Iterator<Item = &'a Bytes>,
    mut offset: u64,
) -> io::Result<()> {
    let pieces = pieces.filter(|piece| !piece.is_empty());
    let mut slices: Vec<_> = pieces.map(|piece| IoSlice::new(piece)).collect();
    let mut left = slices.as_mut_slice();
    while !left.is_empty() {
        let some = &left[..left.len().min(PIECES_MAX)];
        let written = retry_on_intr(|| pwritev(file, some, offset))?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        offset += written as u64;
        IoSlice::advance_slices(&mut left, written);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_beyond_the_limit_of_a_system_call_are_written_consecutively() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let file = File::create(&path).unwrap();
        let pieces: Vec<_> = (0..3 * PIECES_MAX)
            .map(|n| Bytes::from(vec![n as u8; n % 7]))
            .collect();
        write_pieces(&file, pieces.iter(), 5).unwrap();
        let written = std::fs::read(&path).unwrap();
        assert_eq!(written[..5], [0; 5]);
        assert_eq!(written[5..], pieces.concat());
    }

    #[test]
    fn a_file_that_cannot_be_written_is_an_error() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let piece = Bytes::from_static(b"x");
        let error = write_pieces(&full, [&piece].into_iter(), 0).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
