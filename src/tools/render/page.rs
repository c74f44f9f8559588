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
