//! The lines of a job's output that match a regular expression.

use regex::bytes::Regex;

use crate::output::{Page, Piece};
use crate::text::visible;

/// Bytes read at once while searching.
const SEARCH_BYTES: usize = 256 * 1024;

/// The result of a search.
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

/// Finds the lines that match, with their numbers, and returns up to `max_bytes` of them. Lines are counted from `offset`
/// on; a part that is no longer kept counts as no line. In a very long line, only the beginning is searched.
pub fn matching_lines(
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
        for bytes in page.pieces.iter().filter_map(bytes_of) {
            for part in bytes.split_inclusive(|byte| *byte == b'\n') {
                let room = SEARCH_BYTES.saturating_sub(line.len());
                line.extend_from_slice(&part[..part.len().min(room)]);
                if part.ends_with(b"\n") {
                    search.visit_line(&line);
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
        search.visit_line(&line);
    }
    search.matches
}

fn bytes_of(piece: &Piece) -> Option<&[u8]> {
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
    fn visit_line(&mut self, line: &[u8]) {
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
    use crate::output::{Output, OutputLimits, Stream};

    #[test]
    fn matching_lines_come_with_their_numbers() {
        let mut output = Output::new(OutputLimits::default());
        output.append(Stream::Stdout, b"one\ntwo\r\nthree\nt\x1bwo");
        let pattern = Regex::new("^t.*o$").unwrap();
        let read = |offset, bytes| output.read(None, offset, bytes);
        let matches = matching_lines(read, 0, &pattern, 100);
        assert_eq!(matches.text, "2:two\n4:t\\x1bwo\n");
        assert_eq!((matches.shown, matches.found, matches.escaped), (2, 2, 1));
        assert_eq!(matching_lines(read, 0, &pattern, 4).shown, 1);
    }
}
