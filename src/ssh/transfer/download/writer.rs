//! The blocks of a file on their way to the disk.

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

/// Blocks that are written together when they follow one another: the larger the write, the larger and the fewer
/// the pages that the system handles.
const TOGETHER_MAX: usize = 8;
/// Pieces that the system takes at once (IOV_MAX).
const PIECES_MAX: usize = 1024;

/// Bytes on their way to the disk.
pub(super) type Arrived = (Block, Vec<Bytes>);

/// Writes what arrives, until nothing more can arrive.
pub(super) fn write_blocks(
    file: &Arc<File>,
    mut arrived: mpsc::Receiver<Arrived>,
    window: &Window,
    progress: &Progress,
) -> io::Result<()> {
    let mut unsynced = 0;
    let mut syncing = None;
    let mut blocks = Vec::with_capacity(TOGETHER_MAX);
    while arrived.blocking_recv_many(&mut blocks, TOGETHER_MAX) > 0 {
        // Several channels bring neighbours in any order.
        blocks.sort_unstable_by_key(|(block, _)| block.offset);
        for run in blocks.chunk_by(|(one, _), (next, _)| one.end() == next.offset) {
            let pieces = run.iter().flat_map(|(_, pieces)| pieces);
            write_pieces(file, pieces, run[0].0.offset)?;
        }
        for (block, _) in blocks.drain(..) {
            unsynced += block.length;
            progress.add_bytes(block.length);
            window.arrived(block);
        }
        if unsynced >= limits::TRANSFER_SYNC_BYTES
            && syncing.as_ref().is_none_or(JoinHandle::is_finished)
        {
            finish(syncing.take())?;
            unsynced = 0;
            let file = Arc::clone(file);
            // The disk works while the rest is still on its way, and little is left for the sync at the end.
            syncing = Some(tokio::task::spawn_blocking(move || file.sync_data()));
        }
    }
    finish(syncing)
}

/// Takes the result of a sync: what could not be written is told once for an open file, so the sync at the end might
/// know nothing of it.
fn finish(syncing: Option<JoinHandle<io::Result<()>>>) -> io::Result<()> {
    match syncing {
        Some(syncing) => Handle::current()
            .block_on(syncing)
            .map_err(io::Error::other)?,
        None => Ok(()),
    }
}

/// Writes all pieces, one behind the other.
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
    fn more_pieces_than_the_system_takes_at_once_stand_one_behind_the_other() {
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
