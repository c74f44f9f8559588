//! A page of a job's output: forward from an offset, cut between characters.

use std::collections::VecDeque;

use super::block::{Block, Show};
use super::terminal::{ESCAPE_MAX_BYTES, incomplete_escape, terminal_text};
use super::utf8::{LOOK_BYTES, character_boundary, incomplete_tail};
use crate::output::{Output, Piece, Stream};
use crate::text::visible;

/// A part of an output, forward from an offset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageView {
    /// The text in order of arrival, and the parts that are no longer kept.
    pub blocks: Vec<Block>,
    /// Characters and bytes that were rewritten.
    pub escaped: u64,
    /// Offset of the next page, counted like the offset of this page.
    pub next_offset: u64,
    /// Bytes behind this page.
    pub remaining: u64,
    /// The part before this page that was passed over to show the end.
    pub skipped: Option<Skipped>,
}

/// A part of an output that stands before a page and was not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skipped {
    /// Size of the part.
    pub bytes: u64,
    /// Offset of the first byte of the part that is kept, if any is.
    pub readable_from: Option<u64>,
}

/// Reads a page of at most `max_bytes` from `offset` on. While more output may come, an incomplete character at the end
/// is left for the next page, and on a terminal (`pty`) an incomplete escape sequence too.
pub fn page(
    output: &Output,
    stream: Option<Stream>,
    offset: u64,
    max_bytes: usize,
    ended: bool,
    pty: bool,
) -> PageView {
    let show: Show = if pty { terminal_text } else { visible };
    let raw = output.read(stream, offset, max_bytes.saturating_add(LOOK_BYTES));
    let at_end = raw.remaining == 0;
    let mut pieces = VecDeque::from(raw.pieces);
    let mut view = PageView {
        next_offset: offset.min(output.len(stream)),
        ..PageView::default()
    };
    let mut left = max_bytes;
    while let Some(piece) = pieces.pop_front() {
        match piece {
            Piece::Gap { bytes, .. } => view.push_gap(stream, bytes),
            Piece::Run {
                stream: from,
                bytes,
            } => {
                let last = at_end && pieces.is_empty() && !ended;
                let taken = cut(&bytes, left, last, pty);
                view.push_run(from, &bytes[..taken], show);
                left -= taken;
                if taken < bytes.len() {
                    break;
                }
            }
        }
    }
    view.remaining = output.len(stream) - view.next_offset;
    view
}

/// Reads the last `max_bytes` of the part from `offset` on, from a line end on where one is near.
pub fn tail(
    output: &Output,
    stream: Option<Stream>,
    offset: u64,
    max_bytes: usize,
    ended: bool,
    pty: bool,
) -> PageView {
    let earliest = output.len(stream).saturating_sub(max_bytes as u64);
    let start = if earliest > offset {
        tail_start(output, stream, earliest, max_bytes)
    } else {
        offset
    };
    let mut view = page(output, stream, start, max_bytes, ended, pty);
    // A page of both streams that alternate may end early.
    while view.remaining > 0 {
        let next = page(output, stream, view.next_offset, max_bytes, ended, pty);
        if next.next_offset == view.next_offset {
            break;
        }
        view.blocks.extend(next.blocks);
        view.escaped += next.escaped;
        view.next_offset = next.next_offset;
        view.remaining = next.remaining;
    }
    if start > offset {
        let readable_from = match output.read(stream, offset, 1).pieces.first() {
            Some(Piece::Gap { offset, bytes }) => offset + bytes,
            _ => offset,
        };
        view.skipped = Some(Skipped {
            bytes: start - offset,
            readable_from: Some(readable_from).filter(|from| *from < start),
        });
    }
    view
}

/// Where a tail that may start at `from` starts: behind the first newline of its first quarter, or else between two
/// characters.
fn tail_start(output: &Output, stream: Option<Stream>, from: u64, max_bytes: usize) -> u64 {
    // A newline right before `from` counts too: the tail starts with a line then.
    let before = from.saturating_sub(1);
    let page = output.read(stream, before, max_bytes / 4 + LOOK_BYTES);
    let Some(Piece::Run { bytes, .. }) = page.pieces.first() else {
        return from;
    };
    if let Some(at) = bytes.iter().position(|byte| *byte == b'\n') {
        return before + at as u64 + 1;
    }
    let skipped = (from - before) as usize;
    let inside = bytes.iter().skip(skipped).take(LOOK_BYTES);
    from + inside.take_while(|byte| **byte & 0xc0 == 0x80).count() as u64
}

/// The number of bytes of a run that fit: whole characters and, on a terminal, whole escape sequences, unless nothing
/// would remain.
fn cut(bytes: &[u8], left: usize, may_continue: bool, pty: bool) -> usize {
    let whole_escapes = |at: usize| {
        at - if pty {
            incomplete_escape(&bytes[..at])
        } else {
            0
        }
    };
    if bytes.len() > left {
        let at = whole_escapes(character_boundary(bytes, left));
        // A page that is too small for a single character or sequence is cut inside.
        return if at == 0 { left } else { at };
    }
    if may_continue {
        whole_escapes(bytes.len() - incomplete_tail(bytes))
    } else {
        bytes.len()
    }
}

/// The number of bytes at the end of a growing output that begin a character, or on a terminal an escape sequence,
/// without finishing; and their stream. Shown too early, the bytes would be written as `\xe2`.
pub fn held_back(output: &Output, pty: bool) -> Option<(Stream, u64)> {
    let look = if pty { ESCAPE_MAX_BYTES } else { LOOK_BYTES };
    let offset = output.len(None).saturating_sub(look as u64);
    let page = output.read(None, offset, look);
    let Some(Piece::Run { stream, bytes }) = page.pieces.last() else {
        return None;
    };
    let held = bytes.len() - cut(bytes, bytes.len(), true, pty);
    (held > 0).then_some((*stream, held as u64))
}

impl PageView {
    fn push_run(&mut self, stream: Stream, bytes: &[u8], show: Show) {
        if bytes.is_empty() {
            return;
        }
        let shown = show(bytes);
        self.escaped += shown.escaped;
        self.next_offset += bytes.len() as u64;
        self.blocks.push(Block::Text {
            stream,
            text: shown.text,
        });
    }

    fn push_gap(&mut self, stream: Option<Stream>, bytes: u64) {
        self.blocks.push(Block::Omitted {
            stream: stream.unwrap_or(Stream::Stdout),
            offset_bytes: self.next_offset,
            bytes,
            lines: 0,
            dropped_bytes: bytes,
            readable_from: None,
        });
        self.next_offset += bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::OutputLimits;
    use proptest::prelude::*;

    fn output(chunks: &[(Stream, Vec<u8>)]) -> Output {
        let mut output = Output::new(OutputLimits::default());
        for (stream, bytes) in chunks {
            output.append(*stream, bytes);
        }
        output
    }

    fn pages(output: &Output, stream: Option<Stream>, max: usize, ended: bool) -> (String, u64) {
        let (mut text, mut offset) = (String::new(), 0);
        loop {
            let view = page(output, stream, offset, max, ended, false);
            for block in &view.blocks {
                if let Block::Text { text: part, .. } = block {
                    text.push_str(part);
                }
            }
            if view.remaining == 0 || view.next_offset == offset {
                return (text, view.next_offset);
            }
            offset = view.next_offset;
        }
    }

    proptest! {
        #[test]
        fn a_tail_ends_at_the_end_and_names_what_stands_before(
            text in "[ -~äß€漢\n]{0,300}",
            offset in 0..100_u64,
            max in 4..200_usize,
        ) {
            let output = output(&[(Stream::Stdout, text.clone().into_bytes())]);
            let offset = offset.min(text.len() as u64);
            let view = tail(&output, None, offset, max, true, false);
            prop_assert_eq!((view.next_offset, view.remaining), (text.len() as u64, 0));
            let shown: String = view.blocks.iter().map(|block| match block {
                Block::Text { text, .. } => text.as_str(),
                Block::Omitted { .. } => "",
            }).collect();
            let start = offset + view.skipped.map_or(0, |skipped| skipped.bytes);
            let rest = &text.as_bytes()[start as usize..];
            prop_assert!(rest.len() <= max);
            prop_assert_eq!(shown, visible(rest).text);
            if let Some(skipped) = view.skipped {
                prop_assert_eq!(skipped.readable_from, Some(offset));
            }
        }

        #[test]
        fn pages_put_together_are_the_output(text in "[ -~äß€漢🩠\n\t]{0,200}", max in 1usize..40) {
            let output = output(&[(Stream::Stdout, text.clone().into_bytes())]);
            let (shown, end) = pages(&output, None, max.max(4), true);
            prop_assert_eq!(end, text.len() as u64);
            prop_assert_eq!(shown, visible(text.as_bytes()).text);
        }

        #[test]
        fn offsets_are_exact_for_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300), max in 1usize..50) {
            let output = output(&[(Stream::Stdout, bytes.clone())]);
            let (_, end) = pages(&output, Some(Stream::Stdout), max, true);
            prop_assert_eq!(end, bytes.len() as u64);
        }
    }

    #[test]
    fn a_character_that_is_still_arriving_waits_for_its_rest() {
        let partial = output(&[(Stream::Stdout, b"ab\xe2\x82".to_vec())]);
        assert_eq!(page(&partial, None, 0, 100, false, false).next_offset, 2);
        assert_eq!(page(&partial, None, 2, 100, false, false).next_offset, 2);
        assert_eq!(page(&partial, None, 0, 100, true, false).next_offset, 4);
        let whole = output(&[(Stream::Stdout, "ab€".as_bytes().to_vec())]);
        assert_eq!(page(&whole, None, 0, 100, false, false).next_offset, 5);
    }

    #[test]
    fn only_the_last_bytes_of_all_are_held_back() {
        use Stream::{Stderr, Stdout};
        let rows = [
            (vec![], false, None),
            (vec![(Stdout, &b"abc"[..])], false, None),
            (vec![(Stdout, b"ab\xe2\x82")], false, Some((Stdout, 2))),
            // Output of the other stream behind the bytes has separated them from their rest for good.
            (vec![(Stdout, b"ab\xe2"), (Stderr, b"x")], false, None),
            (
                vec![(Stdout, b"x"), (Stderr, b"\xf0\x9f\xa9")],
                false,
                Some((Stderr, 3)),
            ),
            (vec![(Stdout, b"ab\x1b[1;")], true, Some((Stdout, 4))),
        ];
        for (chunks, pty, expected) in rows {
            let chunks: Vec<_> = chunks
                .iter()
                .map(|(stream, bytes)| (*stream, bytes.to_vec()))
                .collect();
            assert_eq!(held_back(&output(&chunks), pty), expected, "{chunks:?}");
        }
    }
}
