//! Reading a spool: pages of one stream, or of both in order of arrival.

use std::io;
use std::ops::Range;

use super::segment::{OrderView, Segment};
use super::spool::Output;
use super::stream::Stream;
use crate::limits;

/// A part of an output, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The bytes and gaps; two neighbours are never of the same kind.
    pub pieces: Vec<Piece>,
    /// Offset at which the next page starts.
    pub next_offset: u64,
    /// Bytes written behind this page so far, kept or not.
    pub remaining: u64,
}

impl Page {
    /// The bytes of all runs, concatenated.
    pub fn bytes(&self) -> Vec<u8> {
        let runs = self.pieces.iter().filter_map(|piece| match piece {
            Piece::Run { bytes, .. } => Some(bytes.as_slice()),
            Piece::Gap { .. } => None,
        });
        runs.collect::<Vec<_>>().concat()
    }
}

/// A stretch of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Consecutive bytes of one stream.
    Run {
        /// The stream that they were written to.
        stream: Stream,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Bytes that were dropped to keep the limits, or that cannot be read back from the temporary file.
    Gap {
        /// Offset of the first missing byte, counted like the offset of the read.
        offset: u64,
        /// How many.
        bytes: u64,
    },
}

/// A page while it is filled.
struct Reader {
    /// The stream that is read, or both.
    stream: Option<Stream>,
    /// How far the page reaches, counted in that stream.
    cursor: u64,
    /// Bytes that the page may still take.
    left: u64,
    /// Content of the page so far.
    pieces: Vec<Piece>,
}

/// The stretch of a segment from the first to the last byte that a page takes of it.
struct Window {
    /// The first byte, counted from the start of the segment.
    start: u64,
    /// Behind the last byte, counted likewise.
    end: u64,
    /// The first byte, counted in the stream that is read.
    offset: u64,
}

impl Output {
    /// Up to `max_bytes` bytes from `offset` on, counted in `stream` or, without a stream, in both in order of
    /// arrival.
    ///
    /// A gap stands between its neighbours and counts nothing against `max_bytes`. A page of both streams may end
    /// early, at [`limits::OUTPUT_PAGE_PIECES_MAX`] pieces. An offset behind the end means the end. With
    /// `max_bytes` above zero, every page advances by a byte at least, until the end.
    ///
    /// A page may end inside a character: code that shows a page as text cuts the page with
    /// `tools::render::character_boundary`.
    pub fn read(&self, stream: Option<Stream>, offset: u64, max_bytes: usize) -> Page {
        let len = self.len(stream);
        let mut reader = Reader {
            stream,
            cursor: offset.min(len),
            left: max_bytes as u64,
            pieces: Vec::new(),
        };
        let behind = |segment: &Segment| segment.end_in(stream) <= reader.cursor;
        let first = self.segments.partition_point(behind);
        for segment in &self.segments[first..] {
            if reader.is_full() {
                break;
            }
            // An unreadable segment becomes part of the gap before the next segment, or at the end.
            let _ = self.read_segment(segment, &mut reader);
        }
        reader.skip_to(len);
        Page {
            pieces: reader.pieces,
            next_offset: reader.cursor,
            remaining: len - reader.cursor,
        }
    }

    /// Takes the bytes of a segment that the page still needs.
    fn read_segment(&self, segment: &Segment, reader: &mut Reader) -> io::Result<()> {
        let offset = self.kept_from(segment, reader.stream)?;
        if offset == segment.end_in(reader.stream) {
            return Ok(());
        }
        let order = self.order(segment)?;
        let kept = self.kept_start(segment) - segment.start..segment.len;
        let Some(window) = reader.window(&order, kept, offset) else {
            return Ok(());
        };
        let position = self.layout.position(segment.start + window.start);
        let bytes = self.medium.read(position, window.end - window.start)?;
        reader.skip_to(window.offset);
        let mut at = window.start;
        while at < window.end && !reader.is_full() {
            let (stream, run_end) = order.run(at, window.end);
            if reader.wants(stream) {
                let run = (at - window.start) as usize..(run_end - window.start) as usize;
                reader.take(stream, &bytes[run]);
            }
            at = run_end;
        }
        Ok(())
    }
}

impl Reader {
    /// Whether nothing more may be put in.
    fn is_full(&self) -> bool {
        self.left == 0 || self.pieces.len() >= limits::OUTPUT_PAGE_PIECES_MAX
    }

    /// Moves on to `offset`; what lies between is a gap.
    fn skip_to(&mut self, offset: u64) {
        if self.is_full() || offset <= self.cursor {
            return;
        }
        self.pieces.push(Piece::Gap {
            offset: self.cursor,
            bytes: offset - self.cursor,
        });
        self.cursor = offset;
    }

    /// Finds what is wanted of a segment whose kept bytes are `kept`, the first of which is at `offset` of the
    /// stream that is read.
    fn window(&self, order: &OrderView<'_>, kept: Range<u64>, mut offset: u64) -> Option<Window> {
        let mut window: Option<Window> = None;
        let mut left = self.left;
        let mut at = kept.start;
        while at < kept.end && left > 0 {
            let (stream, run_end) = order.run(at, kept.end);
            if self.wants(stream) {
                let run = run_end - at;
                let read_before = self.cursor.saturating_sub(offset).min(run);
                let wanted = (run - read_before).min(left);
                if wanted > 0 {
                    let start = at + read_before;
                    let first = Window {
                        start,
                        end: start,
                        offset: offset + read_before,
                    };
                    window.get_or_insert(first).end = start + wanted;
                }
                left -= wanted;
                offset += run;
            }
            at = run_end;
        }
        window
    }

    /// Whether bytes of `stream` are read.
    fn wants(&self, stream: Stream) -> bool {
        self.stream.is_none_or(|wanted| wanted == stream)
    }

    /// Takes `run`, the next bytes of the stream that is read.
    fn take(&mut self, of: Stream, run: &[u8]) {
        match self.pieces.last_mut() {
            Some(Piece::Run { stream, bytes }) if *stream == of => bytes.extend_from_slice(run),
            _ => self.pieces.push(Piece::Run {
                stream: of,
                bytes: run.to_vec(),
            }),
        }
        self.cursor += run.len() as u64;
        self.left -= run.len() as u64;
    }
}
