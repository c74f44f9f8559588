//! The places in a job's output that match a regular expression.

use std::ops::Range;

use regex::bytes::Regex;

use super::quantity::count;
use super::utf8::character_boundary;
use crate::output::{Page, Piece};
use crate::text::visible;

/// Bytes read at once while searching.
const SEARCH_BYTES: usize = 256 * 1024;
/// Bytes of a line that is shown whole; of a longer line, the surroundings of each match are shown.
const WHOLE_LINE_MAX_BYTES: usize = 2048;
/// Bytes shown on each side of a match in a long line.
const SURROUNDINGS_BYTES: usize = 200;
/// Bytes shown of a match in a long line.
const MATCH_SHOWN_BYTES: usize = 512;
/// Bytes of an excerpt that joins neighbouring matches.
const JOINED_MAX_BYTES: usize = 1024;
/// Bytes that all searches in one long line may look at in the worst case, in which each search reads to the end.
const LINE_WORK_BYTES: usize = 4 * 1024 * 1024 * 1024;

/// The result of a search.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matches {
    /// A line for each match, made visible: `number:line`; in a long line `number, byte offset: …surroundings…`. Behind a
    /// part that is not kept, `byte offset` stands for the number.
    pub text: String,
    /// Matches in the text: matching lines, or excerpts of long lines.
    pub shown: u64,
    /// Matches, shown or not.
    pub found: u64,
    /// There may be more matches than were counted, because a very long line was not searched to its end.
    pub uncounted: bool,
    /// Offset of the first match that is not shown.
    pub next_match: Option<u64>,
    /// Characters and bytes that were rewritten.
    pub escaped: u64,
    /// Bytes that are not kept, and were not searched.
    pub not_kept: u64,
    /// A long line is shown in excerpts.
    pub in_part: bool,
}

/// Finds every match from `offset` on in the part of the output that is kept, and returns up to `max_bytes` of them. Lines
/// are counted from `offset` on. A part that is not kept ends a line, and the bytes behind the part start another line.
pub fn find_matches(
    mut read: impl FnMut(u64, usize) -> Page,
    offset: u64,
    pattern: &Regex,
    max_bytes: usize,
) -> Matches {
    let mut search = Search {
        pattern,
        max_bytes,
        number: Some(1),
        line: Vec::new(),
        line_start: offset,
        matches: Matches::default(),
    };
    let mut offset = offset;
    loop {
        let page = read(offset, SEARCH_BYTES);
        for piece in &page.pieces {
            match piece {
                Piece::Run { bytes, .. } => search.take(bytes),
                Piece::Gap { offset, bytes } => search.skip(*offset, *bytes),
            }
        }
        if page.remaining == 0 || page.next_offset == offset {
            break;
        }
        offset = page.next_offset;
    }
    search.end_line();
    search.matches
}

impl Matches {
    /// The result in words.
    pub fn remark(&self) -> String {
        let noun = match (self.in_part, self.found) {
            (true, 1) => "match",
            (true, _) => "matches",
            (false, 1) => "matching line",
            (false, _) => "matching lines",
        };
        let at_least = if self.uncounted { "at least " } else { "" };
        let mut remark = match (self.found, self.shown) {
            (0, _) if self.not_kept == 0 => "no line matches".to_owned(),
            (0, _) => "no line matches in the part that is kept".to_owned(),
            (found, shown) if found == shown => format!("{at_least}{found} {noun}"),
            (found, shown) => {
                format!("{shown} of {at_least}{found} {noun}; raise maxOutputBytes or narrow grep")
            }
        };
        if let Some(offset) = self.next_match {
            remark.push_str(&format!(", or go on with offsetBytes: {offset}"));
        }
        if self.not_kept > 0 {
            remark.push_str(&format!(
                "; {} of the output are not kept and were not searched",
                count(self.not_kept, "byte")
            ));
        }
        remark
    }
}

struct Search<'a> {
    pattern: &'a Regex,
    max_bytes: usize,
    /// Number of the present line; unknown behind a part that is not kept.
    number: Option<u64>,
    /// The present line as far as it was read.
    line: Vec<u8>,
    /// Offset of the line.
    line_start: u64,
    matches: Matches,
}

impl Search<'_> {
    fn take(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                self.end_line();
            }
        }
    }

    fn skip(&mut self, offset: u64, bytes: u64) {
        self.end_line();
        self.line_start = offset + bytes;
        self.number = None;
        self.matches.not_kept += bytes;
    }

    fn end_line(&mut self) {
        if self.line.is_empty() {
            return;
        }
        let line = std::mem::take(&mut self.line);
        self.visit(&line);
        self.line_start += line.len() as u64;
        if let Some(number) = &mut self.number {
            *number += 1;
        }
        // The room of a usual line is used again, that of a huge line is freed.
        if line.capacity() <= SEARCH_BYTES {
            self.line = line;
            self.line.clear();
        }
    }

    fn visit(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > WHOLE_LINE_MAX_BYTES.min(self.max_bytes) {
            self.visit_long(line);
        } else if self.pattern.is_match(line) {
            let place = match self.number {
                Some(number) => number.to_string(),
                None => format!("byte {}", self.line_start),
            };
            self.push(self.line_start, &place, line, 0..line.len());
        }
    }

    /// Shows the surroundings of each match; matches close to each other share an excerpt.
    fn visit_long(&mut self, line: &[u8]) {
        // One excerpt fits into the result.
        let surroundings = SURROUNDINGS_BYTES.min(self.max_bytes / 4);
        let match_shown = MATCH_SHOWN_BYTES.min(self.max_bytes / 2);
        let joined_max = JOINED_MAX_BYTES.min(self.max_bytes);
        let searches_max = (LINE_WORK_BYTES / line.len()).clamp(16, 10_000);
        let mut excerpt: Option<(usize, Range<usize>)> = None;
        let mut from = 0;
        for search in 0.. {
            let found = (from <= line.len())
                .then(|| self.pattern.find_at(line, from))
                .flatten();
            let Some(found) = found else { break };
            if search == searches_max {
                self.matches.uncounted = true;
                break;
            }
            from = found.end().max(found.start() + 1);
            let shown_end = found.end().min(found.start() + match_shown);
            let end = (shown_end + surroundings).min(line.len());
            match &mut excerpt {
                Some((_, range))
                    if found.start() <= range.end && end - range.start <= joined_max =>
                {
                    range.end = range.end.max(end);
                }
                _ => {
                    let earliest = excerpt.as_ref().map_or(0, |(_, range)| range.end);
                    let start = found.start().saturating_sub(surroundings);
                    let start = start.max(earliest).min(found.start());
                    if let Some((at, range)) = excerpt.replace((found.start(), start..end)) {
                        self.push_excerpt(line, at, range);
                    }
                }
            }
        }
        if let Some((at, range)) = excerpt {
            self.push_excerpt(line, at, range);
        }
    }

    fn push_excerpt(&mut self, line: &[u8], at: usize, range: Range<usize>) {
        self.matches.in_part = true;
        let offset = self.line_start + at as u64;
        let place = match self.number {
            Some(number) => format!("{number}, byte {offset}"),
            None => format!("byte {offset}"),
        };
        let start = character_boundary(line, range.start);
        let end = character_boundary(line, range.end);
        self.push(offset, &place, line, start..end.max(start));
    }

    /// Adds a match, unless a match before did not fit: what is shown has no holes.
    fn push(&mut self, offset: u64, place: &str, line: &[u8], range: Range<usize>) {
        let matches = &mut self.matches;
        matches.found += 1;
        let is_full = matches.text.len() + range.len() > self.max_bytes;
        if is_full || matches.next_match.is_some() {
            matches.next_match.get_or_insert(offset);
            return;
        }
        let shown = visible(&line[range.clone()]);
        let before = if range.start > 0 { "…" } else { "" };
        let behind = if range.end < line.len() { "…" } else { "" };
        matches.shown += 1;
        matches.escaped += shown.escaped;
        matches
            .text
            .push_str(&format!("{place}:{before}{}{behind}\n", shown.text));
    }
}

#[cfg(test)]
mod tests;
