//! A page of a job's output: forward from an offset, cut between characters.

use std::collections::VecDeque;

use regex::bytes::Regex;

use crate::output::{Output, Page, Piece, Stream};
use crate::text::visible;

use super::terminal::{ESCAPE_MAX_BYTES, incomplete_escape};
use super::{Block, Show, character_boundary, terminal_text};

/// Bytes that one has to look behind a cut to see whether it splits a character.
const LOOK_BYTES: usize = 3;
/// Bytes read at once while searching.
const SEARCH_BYTES: usize = 256 * 1024;

/// What is shown of an output from an offset on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageView {
    /// The text, in order of arrival, and what is not kept any more.
    pub blocks: Vec<Block>,
    /// Characters and bytes that were rewritten.
    pub escaped: u64,
    /// Where the next page starts, counted like the offset.
    pub next_offset: u64,
    /// Bytes behind this page.
    pub remaining: u64,
}

/// A page of at most `max_bytes` from `offset` on. While more may come, an incomplete character at the end is
/// left for the next page; of a terminal (`pty`), an incomplete escape sequence too.
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

/// How much of a run fits: whole characters and, of a terminal, whole escape sequences, unless nothing would
/// remain.
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
        // A page that cannot hold even one of them is cut where it ends.
        return if at == 0 { left } else { at };
    }
    if may_continue {
        whole_escapes(bytes.len() - incomplete_tail(bytes))
    } else {
        bytes.len()
    }
}

/// The bytes at the end of an output to which more may come, that begin a character and do not finish it, or on
/// a terminal an escape sequence; and their stream. Shown now, they would be shown as bytes.
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

/// Bytes at the end that begin a character and do not finish it.
fn incomplete_tail(bytes: &[u8]) -> usize {
    let tail = bytes.len().saturating_sub(LOOK_BYTES);
    match std::str::from_utf8(&bytes[tail..]) {
        Err(error) if error.error_len().is_none() => bytes.len() - tail - error.valid_up_to(),
        // The window may start inside a character; then its end tells.
        Err(_) => {
            let ends = (1..=LOOK_BYTES.min(bytes.len())).find(|length| {
                let lead = bytes[bytes.len() - length];
                lead >= 0xc0 && lead.leading_ones() as usize > *length
            });
            ends.unwrap_or(0)
        }
        Ok(_) => 0,
    }
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
        });
        self.next_offset += bytes;
    }
}

/// What a search has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matches {
    /// `number:line` for each matching line, made visible.
    pub text: String,
    /// Matching lines in the text.
    pub shown: u64,
    /// Matching lines, shown or not.
    pub found: u64,
    /// Characters and bytes that were rewritten.
    pub escaped: u64,
}

/// Lines that match, with their numbers, up to `max_bytes` of them. Lines are counted from the start of what
/// is searched; a part that is not kept any more counts as no line. Of a very long line only the beginning is
/// looked at.
pub fn grep(
    mut read: impl FnMut(u64, usize) -> Page,
    offset: u64,
    pattern: &Regex,
    max_bytes: usize,
) -> Matches {
    let mut search = Search {
        pattern,
        max_bytes,
        number: 0,
        matches: Matches::default(),
    };
    let mut line = Vec::new();
    let mut offset = offset;
    loop {
        let page = read(offset, SEARCH_BYTES);
        for bytes in page.pieces.iter().filter_map(run) {
            for part in bytes.split_inclusive(|byte| *byte == b'\n') {
                let room = SEARCH_BYTES.saturating_sub(line.len());
                line.extend_from_slice(&part[..part.len().min(room)]);
                if part.ends_with(b"\n") {
                    search.line(&line);
                    line.clear();
                }
            }
        }
        if page.remaining == 0 || page.next_offset == offset {
            break;
        }
        offset = page.next_offset;
    }
    if !line.is_empty() {
        search.line(&line);
    }
    search.matches
}

fn run(piece: &Piece) -> Option<&[u8]> {
    match piece {
        Piece::Run { bytes, .. } => Some(bytes),
        Piece::Gap { .. } => None,
    }
}

struct Search<'a> {
    pattern: &'a Regex,
    max_bytes: usize,
    number: u64,
    matches: Matches,
}

impl Search<'_> {
    fn line(&mut self, line: &[u8]) {
        self.number += 1;
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !self.pattern.is_match(line) {
            return;
        }
        self.matches.found += 1;
        if self.matches.text.len() + line.len() > self.max_bytes {
            return;
        }
        let shown = visible(line);
        self.matches.shown += 1;
        self.matches.escaped += shown.escaped;
        self.matches
            .text
            .push_str(&format!("{}:{}\n", self.number, shown.text));
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
            // What came behind it has been told apart from it for good.
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

    #[test]
    fn matching_lines_come_with_their_numbers() {
        let output = output(&[(Stream::Stdout, b"one\ntwo\r\nthree\nt\x1bwo".to_vec())]);
        let pattern = Regex::new("^t.*o$").unwrap();
        let read = |offset, bytes| output.read(None, offset, bytes);
        let matches = grep(read, 0, &pattern, 100);
        assert_eq!(matches.text, "2:two\n4:t\\x1bwo\n");
        assert_eq!((matches.shown, matches.found, matches.escaped), (2, 2, 1));
        assert_eq!(grep(read, 0, &pattern, 4).shown, 1);
    }
}
