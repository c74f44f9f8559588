//! The excerpt of a command's output: the whole, or the head and the tail of each stream.

use std::ops::Range;

use crate::output::{Output, Piece, Stream};

use super::block::{Block, Show};
use super::utf8::{LOOK_BYTES, character_around, character_boundary};

/// The part of an output that a result shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Excerpt {
    /// The blocks of stdout, then those of stderr.
    pub blocks: Vec<Block>,
    /// Characters and bytes that were rewritten in the blocks.
    pub escaped: u64,
    /// Bytes that were left out of both streams.
    pub omitted_bytes: u64,
}

/// A stream after the cut: `head`, then `omitted`, then `tail` are the whole stream.
#[derive(Debug, PartialEq, Eq)]
struct Cut {
    /// The first bytes.
    head: Vec<u8>,
    /// Number of bytes that are left out.
    omitted: u64,
    /// The last bytes.
    tail: Vec<u8>,
}

/// Cuts `output` down to at most `max_bytes` bytes, counted before they are made visible.
///
/// An output that fits is shown whole. Otherwise the streams share the room: a stream that needs less than half
/// leaves the rest to the other. A stream that does not fit in its share is reduced to its head and its tail, of
/// about the same size, cut between characters and at a line end when there is one in the outer quarter. Bytes that
/// are `held` back at the end of a stream count as not yet received.
pub fn excerpt(
    output: &Output,
    max_bytes: usize,
    held: Option<(Stream, u64)>,
    show: Show,
) -> Excerpt {
    let lens = Stream::ALL.map(|stream| match held {
        Some((of, bytes)) if of == stream => output.len(Some(stream)) - bytes,
        _ => output.len(Some(stream)),
    });
    let shares = shares(lens, max_bytes as u64);
    let mut excerpt = Excerpt::default();
    for ((stream, len), share) in Stream::ALL.into_iter().zip(lens).zip(shares) {
        excerpt.push(output, stream, &Cut::new(output, stream, len, share), show);
    }
    excerpt
}

/// Divides `max` between two streams of these lengths. No share is larger than its stream.
fn shares([first, second]: [u64; 2], max: u64) -> [u64; 2] {
    let half = max / 2;
    if first.saturating_add(second) <= max {
        [first, second]
    } else if first <= half {
        [first, max - first]
    } else if second <= half {
        [max - second, second]
    } else {
        [max - half, half]
    }
}

impl Excerpt {
    /// Adds the blocks of a stream.
    fn push(&mut self, output: &Output, stream: Stream, cut: &Cut, show: Show) {
        self.push_text(stream, &cut.head, show);
        if cut.omitted > 0 {
            self.omitted_bytes += cut.omitted;
            let offset = cut.head.len() as u64;
            let shown = newlines(&cut.head) + newlines(&cut.tail);
            self.blocks.push(Block::Omitted {
                stream,
                offset_bytes: offset,
                bytes: cut.omitted,
                lines: output.newlines(stream) - shown,
                dropped_bytes: output.dropped(Some(stream)),
                readable_from: first_kept(output, stream, offset..offset + cut.omitted),
            });
        }
        self.push_text(stream, &cut.tail, show);
    }

    /// Adds a block of text, if there is any.
    fn push_text(&mut self, stream: Stream, bytes: &[u8], show: Show) {
        if bytes.is_empty() {
            return;
        }
        let shown = show(bytes);
        self.escaped += shown.escaped;
        self.blocks.push(Block::Text {
            stream,
            text: shown.text,
        });
    }
}

impl Cut {
    /// Cuts the first `len` bytes of `stream` to `share` bytes, which is at most `len`. Around a gap the result may be
    /// smaller, because dropped bytes cannot be shown.
    fn new(output: &Output, stream: Stream, len: u64, share: u64) -> Self {
        let whole = share == len;
        let budget = if whole { len } else { share - share / 2 };
        let head = head(output, stream, len, budget);
        // The tail gets the room that the head left unused.
        let tail = tail(output, stream, len, share - head.len() as u64);
        Self {
            omitted: len - (head.len() + tail.len()) as u64,
            head,
            tail,
        }
    }
}

/// The first offset of a part whose byte is kept.
fn first_kept(output: &Output, stream: Stream, part: Range<u64>) -> Option<u64> {
    let page = output.read(Some(stream), part.start, 1);
    let kept = match page.pieces.first()? {
        Piece::Run { .. } => part.start,
        Piece::Gap { offset, bytes } => offset + bytes,
    };
    part.contains(&kept).then_some(kept)
}

/// At most the first `budget` of the `len` bytes of `stream`, and no bytes from behind a gap.
fn head(output: &Output, stream: Stream, len: u64, budget: u64) -> Vec<u8> {
    let look = (budget + LOOK_BYTES as u64).min(len);
    let budget = budget as usize;
    let page = output.read(Some(stream), 0, look as usize);
    let mut bytes = bytes_of(page.pieces.into_iter().next());
    if bytes.len() > budget {
        bytes.truncate(head_end(&bytes, budget));
    }
    bytes
}

/// At most the last `budget` of the `len` bytes of `stream`, and no bytes from before a gap.
fn tail(output: &Output, stream: Stream, len: u64, budget: u64) -> Vec<u8> {
    let start = len - budget;
    let offset = start.saturating_sub(LOOK_BYTES as u64);
    let page = output.read(Some(stream), offset, (len - offset) as usize);
    let mut bytes = bytes_of(page.pieces.into_iter().last());
    let bytes_start = len - bytes.len() as u64;
    if bytes_start < start {
        bytes.drain(..tail_start(&bytes, (start - bytes_start) as usize));
    }
    bytes
}

/// The bytes of a piece, none for a gap.
fn bytes_of(piece: Option<Piece>) -> Vec<u8> {
    match piece {
        Some(Piece::Run { bytes, .. }) => bytes,
        Some(Piece::Gap { .. }) | None => Vec::new(),
    }
}

/// Where a head of at most `budget` bytes ends: behind the last newline of its last quarter, or else between
/// two characters.
fn head_end(bytes: &[u8], budget: usize) -> usize {
    let quarter = budget - budget / 4;
    let newline = bytes[quarter..budget]
        .iter()
        .rposition(|byte| *byte == b'\n');
    match newline {
        Some(at) => quarter + at + 1,
        None => character_boundary(bytes, budget),
    }
}

/// Where a tail that may start at `from` starts: behind the first newline of its first quarter, or else between
/// two characters.
fn tail_start(bytes: &[u8], from: usize) -> usize {
    let quarter = from + (bytes.len() - from) / 4;
    // A newline right before `from` counts too: the tail starts with a line then.
    let before = from.saturating_sub(1);
    let newline = bytes[before..quarter]
        .iter()
        .position(|byte| *byte == b'\n');
    match newline {
        Some(at) => before + at + 1,
        None => character_around(bytes, from).map_or(from, |(_, end)| end),
    }
}

/// Newlines in `bytes`.
fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests;
