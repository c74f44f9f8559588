//! Storage of a spool's bytes: memory, or an unlinked temporary file.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Maps offsets of the sequence to positions in the medium.
///
/// The first half of the room holds the first bytes for good; the second half is a ring of the newest bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// Bytes of the first part, and of the ring.
    pub(super) half: u64,
    /// Bytes of a segment; divides `half`, so that no segment is split by the ring's end.
    pub(super) grain: u64,
}

impl Layout {
    /// A layout that keeps at least `kept_bytes`, rounded up to whole grains.
    pub(super) fn new(kept_bytes: u64, grain_bytes: u64) -> Self {
        // A whole byte of order bits, at least.
        let grain = grain_bytes.max(8).next_multiple_of(8);
        let half = kept_bytes.div_ceil(2).max(1).next_multiple_of(grain);
        Self { half, grain }
    }

    /// Bytes that are kept.
    pub(super) fn kept(self) -> u64 {
        2 * self.half
    }

    /// Position of the byte at `offset` of the sequence.
    pub(super) fn position(self, offset: u64) -> u64 {
        if offset < self.half {
            offset
        } else {
            self.half + (offset - self.half) % self.half
        }
    }

    /// Position of the order bits of the segment at `start`: in a separate area behind the bytes.
    pub(super) fn order_position(self, start: u64) -> u64 {
        self.kept() + self.position(start) / 8
    }

    /// The offset up to which the ring is overwritten when the sequence has `len` bytes.
    pub(super) fn dropped_to(self, len: u64) -> u64 {
        if len > self.kept() {
            len - self.half
        } else {
            0
        }
    }
}

/// The bytes, by position.
pub(super) enum Medium {
    /// In memory.
    Memory(Memory),
    /// In a temporary file without a name, which disappears with its descriptor, also after a crash.
    File(File),
}

/// Bytes in memory, never more than their limit.
pub(super) struct Memory {
    /// The bytes.
    bytes: Vec<u8>,
    /// Maximum of the capacity, in bytes.
    limit: usize,
}

impl Medium {
    /// An empty memory for at most `limit` bytes.
    pub(super) fn memory(limit: u64) -> Self {
        Self::Memory(Memory {
            bytes: Vec::new(),
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
        })
    }

    /// Writes `bytes` at `position`. In memory this always succeeds.
    pub(super) fn write(&mut self, position: u64, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Memory(memory) => {
                memory.write(position as usize, bytes);
                Ok(())
            }
            Self::File(file) => file.write_all_at(bytes, position),
        }
    }

    /// The `len` bytes at `position`, which have been written before.
    pub(super) fn read(&self, position: u64, len: u64) -> io::Result<Cow<'_, [u8]>> {
        match self {
            Self::Memory(memory) => {
                let range = position as usize..(position + len) as usize;
                let bytes = memory.bytes.get(range);
                bytes
                    .map(Cow::Borrowed)
                    .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
            }
            Self::File(file) => {
                let mut bytes = vec![0; len as usize];
                file.read_exact_at(&mut bytes, position)?;
                Ok(Cow::Owned(bytes))
            }
        }
    }

    /// Bytes of memory that are taken.
    pub(super) fn memory_bytes(&self) -> usize {
        match self {
            Self::Memory(memory) => memory.bytes.capacity(),
            Self::File(_) => 0,
        }
    }
}

impl Memory {
    /// All bytes that were written.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Writes `bytes` at `position`.
    fn write(&mut self, position: usize, bytes: &[u8]) {
        let end = position + bytes.len();
        if end > self.bytes.len() {
            self.reserve(end);
            self.bytes.resize(end, 0);
        }
        self.bytes[position..end].copy_from_slice(bytes);
    }

    /// Doubles the capacity as a vector does, but not beyond the limit.
    fn reserve(&mut self, end: usize) {
        if end > self.bytes.capacity() {
            let wanted = (2 * end).min(self.limit).max(end);
            self.bytes.reserve_exact(wanted - self.bytes.len());
        }
    }
}
