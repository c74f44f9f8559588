//! What to show of a command's output: all of it, or the head and the tail of each stream.

use crate::output::{Output, Piece, Stream};

use super::Show;

/// Longest UTF-8 character, less one: how far a cut may have to move, and how far one has to look to see it.
const LOOK_BYTES: usize = 3;

/// A block of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// Text of a stream, made visible.
    Text {
        /// The stream.
        stream: Stream,
        /// The text; never empty.
        text: String,
    },
    /// What is left out of a stream between two blocks of it.
    Omitted {
        /// The stream.
        stream: Stream,
        /// Where it starts in the stream.
        offset_bytes: u64,
        /// How much it is.
        bytes: u64,
        /// Newlines in it.
        lines: u64,
        /// Bytes of it that are not kept any more, and that no later call can read.
        dropped_bytes: u64,
    },
}

/// What is shown of an output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Excerpt {
    /// The blocks of stdout, then those of stderr.
    pub blocks: Vec<Block>,
    /// Characters and bytes that were rewritten in them.
    pub escaped: u64,
    /// Bytes that were left out of both streams.
    pub omitted_bytes: u64,
}

/// One stream, cut: `head`, then `omitted`, then `tail` are the whole of it.
#[derive(Debug, PartialEq, Eq)]
struct Cut {
    /// The first bytes.
    head: Vec<u8>,
    /// How many bytes are left out.
    omitted: u64,
    /// The last bytes.
    tail: Vec<u8>,
}

/// Decides what is shown of `output` in at most `max_bytes` bytes, counted before they are made visible.
///
/// An output that fits is shown whole. Otherwise the streams share the room: one that needs less than half
/// leaves the rest to the other. Of a stream that does not fit in its share the head and the tail are shown, about
/// as much of each, cut between characters and at a line end when there is one in the outer quarter. What is
/// `held` back at the end of a stream counts as not there yet.
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
    /// Adds the blocks of one stream.
    fn push(&mut self, output: &Output, stream: Stream, cut: &Cut, show: Show) {
        self.push_text(stream, &cut.head, show);
        if cut.omitted > 0 {
            self.omitted_bytes += cut.omitted;
            let shown = newlines(&cut.head) + newlines(&cut.tail);
            self.blocks.push(Block::Omitted {
                stream,
                offset_bytes: cut.head.len() as u64,
                bytes: cut.omitted,
                lines: output.newlines(stream) - shown,
                dropped_bytes: output.dropped(Some(stream)),
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
    /// Cuts the first `len` bytes of `stream` to `share` bytes, which is at most `len`. Around a gap it may be
    /// less: what is not kept cannot be shown.
    fn new(output: &Output, stream: Stream, len: u64, share: u64) -> Self {
        let whole = share == len;
        let budget = if whole { len } else { share - share / 2 };
        let head = head(output, stream, len, budget);
        // What the head left of its part is good for the tail.
        let tail = tail(output, stream, len, share - head.len() as u64);
        Self {
            omitted: len - (head.len() + tail.len()) as u64,
            head,
            tail,
        }
    }
}

/// At most the first `budget` of the `len` bytes of `stream`, and none from behind a gap.
fn head(output: &Output, stream: Stream, len: u64, budget: u64) -> Vec<u8> {
    let look = (budget + LOOK_BYTES as u64).min(len);
    let budget = budget as usize;
    let page = output.read(Some(stream), 0, look as usize);
    let mut bytes = run(page.pieces.into_iter().next());
    if bytes.len() > budget {
        bytes.truncate(head_end(&bytes, budget));
    }
    bytes
}

/// At most the last `budget` of the `len` bytes of `stream`, and none from before a gap.
fn tail(output: &Output, stream: Stream, len: u64, budget: u64) -> Vec<u8> {
    let start = len - budget;
    let offset = start.saturating_sub(LOOK_BYTES as u64);
    let page = output.read(Some(stream), offset, (len - offset) as usize);
    let mut bytes = run(page.pieces.into_iter().last());
    let bytes_start = len - bytes.len() as u64;
    if bytes_start < start {
        bytes.drain(..tail_start(&bytes, (start - bytes_start) as usize));
    }
    bytes
}

/// The bytes of a piece, none for a gap.
fn run(piece: Option<Piece>) -> Vec<u8> {
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

/// The last place at or before `at` that is not inside a valid UTF-8 character.
///
/// To cut text at `at`, `bytes` has to hold the three bytes behind `at` as well, where there are any.
pub fn character_boundary(bytes: &[u8], at: usize) -> usize {
    character_around(bytes, at).map_or(at, |(start, _)| start)
}

/// Start and end of the valid character that `at` lies inside of.
fn character_around(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let earliest = at.saturating_sub(LOOK_BYTES);
    // A character starts at the last byte before `at` that does not continue one.
    let start = (earliest..at.min(bytes.len()))
        .rev()
        .find(|start| bytes[*start] & 0xc0 != 0x80)?;
    let end = start + bytes[start].leading_ones() as usize;
    let character = bytes.get(start..end)?;
    (end > at && std::str::from_utf8(character).is_ok()).then_some((start, end))
}

/// Newlines in `bytes`.
fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests;
