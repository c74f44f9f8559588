//! The spool: writing, limits and the fallback when the temporary file fails.

#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::File;
use std::io;

use super::medium::{Layout, Medium};
use super::segment::{Order, OrderView, Segment};
use super::stream::Stream;
use crate::limits;

/// Bytes of a segment: the unit that stores the order of the streams.
const GRAIN_BYTES: u64 = 64 * 1024;

/// Limits of an output in memory and in all.
#[derive(Debug, Clone, Copy)]
pub struct OutputLimits {
    /// Bytes held in memory before all of them move to a temporary file.
    pub memory_bytes: u64,
    /// Bytes kept at all; rounded up to an even number of grains.
    pub kept_bytes: u64,
    /// Bytes of a segment; tests choose a small segment to reach the edges cheaply.
    pub grain_bytes: u64,
}

impl Default for OutputLimits {
    fn default() -> Self {
        Self {
            memory_bytes: limits::OUTPUT_MEMORY_BYTES,
            kept_bytes: limits::OUTPUT_KEPT_BYTES,
            grain_bytes: GRAIN_BYTES,
        }
    }
}

/// Counters of a stream.
#[derive(Debug, Clone, Copy, Default)]
struct Totals {
    /// Bytes written.
    bytes: u64,
    /// Newlines among them.
    newlines: u64,
}

/// The output of one command.
pub struct Output {
    /// Bytes held in memory at most.
    memory_limit: u64,
    /// Maps offsets to positions in the medium.
    pub(super) layout: Layout,
    /// The bytes.
    pub(super) medium: Medium,
    /// The kept stretches, by offset. Bytes outside every segment are a gap.
    pub(super) segments: Vec<Segment>,
    /// Bytes of the ring before this offset are overwritten.
    dropped_to: u64,
    /// Counters of stdout and of stderr.
    totals: [Totals; 2],
    /// Creates the temporary file; tests replace this with a function that fails.
    open: fn() -> io::Result<File>,
    /// Why the temporary file is not used; set when only little is kept.
    degraded: Option<String>,
}

impl fmt::Debug for Output {
    /// Shows counters only: a command's output has no place in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("stdout", &self.len(Some(Stream::Stdout)))
            .field("stderr", &self.len(Some(Stream::Stderr)))
            .field("dropped", &self.dropped(None))
            .field("memory", &self.memory_bytes())
            .field("degraded", &self.degraded)
            .finish_non_exhaustive()
    }
}

impl Default for Output {
    fn default() -> Self {
        Self::new(OutputLimits::default())
    }
}

impl Output {
    /// An empty output. The first byte allocates; no file exists before memory is full.
    pub fn new(limits: OutputLimits) -> Self {
        let memory = Layout::new(limits.memory_bytes, limits.grain_bytes);
        let kept = limits.kept_bytes.max(memory.kept());
        Self {
            memory_limit: memory.kept(),
            layout: Layout::new(kept, limits.grain_bytes),
            medium: Medium::memory(memory.kept()),
            segments: Vec::new(),
            dropped_to: 0,
            totals: [Totals::default(); 2],
            open: tempfile::tempfile,
            degraded: None,
        }
    }

    /// Bytes written so far to `stream`, or to both, kept or not.
    pub fn len(&self, stream: Option<Stream>) -> u64 {
        match stream {
            Some(stream) => self.totals[stream as usize].bytes,
            None => self.totals.iter().map(|totals| totals.bytes).sum(),
        }
    }

    /// Whether nothing was written so far.
    pub fn is_empty(&self) -> bool {
        self.len(None) == 0
    }

    /// Newlines written so far to `stream`, kept or not.
    pub fn newlines(&self, stream: Stream) -> u64 {
        self.totals[stream as usize].newlines
    }

    /// Bytes of `stream`, or of both, that were dropped.
    pub fn dropped(&self, stream: Option<Stream>) -> u64 {
        let kept = |segment| match self.kept_from(segment, stream) {
            Ok(from) => segment.end_in(stream) - from,
            Err(_) => 0,
        };
        self.len(stream) - self.segments.iter().map(kept).sum::<u64>()
    }

    /// Why the temporary file could not be used; then memory keeps only the first and the last bytes.
    pub fn degraded(&self) -> Option<&str> {
        self.degraded.as_deref()
    }

    /// Bytes of memory that this output takes, without its file.
    pub fn memory_bytes(&self) -> usize {
        let order = |segment: &Segment| match &segment.order {
            Order::Mixed(bits) => bits.capacity(),
            Order::One(_) | Order::Stored => 0,
        };
        self.medium.memory_bytes()
            + self.segments.capacity() * size_of::<Segment>()
            + self.segments.iter().map(order).sum::<usize>()
    }
}

/// Writing.
impl Output {
    /// Adds `bytes` that arrived on `stream`.
    ///
    /// Never fails: when the temporary file cannot be written, the first and the last bytes are kept in memory
    /// and [`Output::degraded`] says why.
    pub fn append(&mut self, stream: Stream, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = self.layout.grain - self.len(None) % self.layout.grain;
            let (chunk, later) = rest.split_at(rest.len().min(room as usize));
            self.append_chunk(stream, chunk);
            rest = later;
        }
    }

    /// Adds bytes that fit into one segment.
    fn append_chunk(&mut self, stream: Stream, chunk: &[u8]) {
        if let Err(error) = self.store(chunk) {
            self.degrade(&error);
            // Into memory this time, which cannot fail.
            let _ = self.store(chunk);
        }
        self.enter(stream, chunk.len() as u64);
        let totals = &mut self.totals[stream as usize];
        totals.bytes += chunk.len() as u64;
        totals.newlines += newlines(chunk);
        if let Err(error) = self.store_orders() {
            self.degrade(&error);
        }
    }

    /// Writes the bytes of a chunk, and gives up the bytes that the chunk overwrites.
    fn store(&mut self, chunk: &[u8]) -> io::Result<()> {
        let start = self.len(None);
        let end = start + chunk.len() as u64;
        if end > self.memory_limit && self.degraded.is_none() {
            self.move_to_file()?;
        }
        // Given up before the write: a write that fails half-way must leave no false bytes.
        self.give_up(self.layout.dropped_to(end));
        self.medium.write(self.layout.position(start), chunk)
    }

    /// Gives up the bytes of the ring before `offset`.
    fn give_up(&mut self, offset: u64) {
        self.dropped_to = self.dropped_to.max(offset);
        let in_head = |segment: &Segment| segment.start < self.layout.half;
        let ring = self.segments.partition_point(in_head);
        let given_up = |segment: &Segment| segment.end() <= self.dropped_to;
        while self.segments.get(ring).is_some_and(given_up) {
            self.segments.remove(ring);
        }
    }

    /// Moves the bytes from memory to a temporary file, unless a file holds them already.
    fn move_to_file(&mut self) -> io::Result<()> {
        let Medium::Memory(memory) = &self.medium else {
            return Ok(());
        };
        let mut file = Medium::File((self.open)()?);
        // Memory is moved before the ring wraps, so positions in memory equal positions in the file.
        file.write(0, memory.bytes())?;
        self.medium = file;
        Ok(())
    }

    /// Moves the orders to the file, if a file exists and all segments are full.
    fn store_orders(&mut self) -> io::Result<()> {
        let all_full = self.len(None).is_multiple_of(self.layout.grain);
        if matches!(self.medium, Medium::Memory(_)) || !all_full {
            return Ok(());
        }
        for segment in &mut self.segments {
            if let Order::Mixed(bits) = &segment.order {
                let position = self.layout.order_position(segment.start);
                self.medium.write(position, bits)?;
                segment.order = Order::Stored;
            }
        }
        Ok(())
    }

    /// Notes the stream of `count` bytes that were written at the end.
    fn enter(&mut self, stream: Stream, count: u64) {
        let start = self.len(None);
        let edge = start.is_multiple_of(self.layout.grain);
        let goes_on = |last: &Segment| !edge && last.end() == start;
        if !self.segments.last().is_some_and(goes_on) {
            let before = self.len(Some(Stream::Stdout));
            self.segments.push(Segment::new(start, before, stream));
        }
        if let Some(last) = self.segments.last_mut() {
            last.extend(stream, count);
        }
    }

    /// Gives up the temporary file, which frees its disk space, and keeps in memory as much as fits.
    fn degrade(&mut self, error: &io::Error) {
        let layout = Layout::new(self.memory_limit, self.layout.grain);
        let dropped_to = self.dropped_to.max(layout.dropped_to(self.len(None)));
        let mut memory = Medium::memory(self.memory_limit);
        for mut segment in std::mem::take(&mut self.segments) {
            if segment.start >= layout.half && segment.end() <= dropped_to {
                continue;
            }
            // An unreadable segment is left out and shows as a gap.
            let position = self.layout.position(segment.start);
            let bytes = self.medium.read(position, segment.len);
            let (Ok(bytes), Ok(order)) = (bytes, self.order(&segment)) else {
                continue;
            };
            let order = order.into_order();
            // From old to new: where the ring wraps, newer bytes overwrite older bytes. Memory cannot fail.
            let _ = memory.write(layout.position(segment.start), &bytes);
            segment.order = order;
            self.segments.push(segment);
        }
        self.medium = memory;
        self.layout = layout;
        self.dropped_to = dropped_to;
        self.degraded = Some(format!(
            "the temporary file for the output cannot be used ({error}): only the first and the last {} bytes are kept",
            layout.half
        ));
    }
}

/// Looking into segments.
impl Output {
    /// The first byte of `segment` that is not overwritten, in the sequence of both streams.
    pub(super) fn kept_start(&self, segment: &Segment) -> u64 {
        if segment.start < self.layout.half {
            segment.start
        } else {
            segment.start.max(self.dropped_to)
        }
    }

    /// The same, counted in `stream`.
    pub(super) fn kept_from(&self, segment: &Segment, stream: Option<Stream>) -> io::Result<u64> {
        let overwritten = self.kept_start(segment) - segment.start;
        if overwritten == 0 {
            return Ok(segment.start_in(stream));
        }
        Ok(segment.start_in(stream) + self.order(segment)?.count(stream, overwritten))
    }

    /// The order of the streams in `segment`.
    pub(super) fn order<'a>(&'a self, segment: &'a Segment) -> io::Result<OrderView<'a>> {
        Ok(match &segment.order {
            Order::One(stream) => OrderView::One(*stream),
            Order::Mixed(bits) => OrderView::Mixed(bits.into()),
            Order::Stored => {
                let position = self.layout.order_position(segment.start);
                OrderView::Mixed(self.medium.read(position, segment.len.div_ceil(8))?)
            }
        })
    }
}

/// Newlines in `bytes`.
fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}
