//! Waiting for a line of output that matches a regular expression: `until`, and a `grep` that waits.

use std::time::Duration;

use regex::bytes::Regex;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

use super::render::terminal_text;
use crate::actors::output::{OutputWatch, SharedOutput};
use crate::output::{Piece, Stream};
use crate::text::visible;

/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;
/// Bytes of a line that are examined together.
const LINE_MAX_BYTES: usize = 64 * 1024;
/// Bytes of an overlong line that are examined again with the bytes behind them.
const OVERLAP_BYTES: usize = 4 * 1024;
/// Silence after which a line without an end counts as shown: a prompt has no newline.
const QUIET: Duration = Duration::from_millis(50);
/// The same for a line that grows all the time, such as a row of dots.
const GROWING: Duration = Duration::from_millis(500);

/// The place up to which an output was examined.
pub(super) struct LineWatch<'a> {
    pattern: &'a Regex,
    /// The stream that is examined, or both.
    stream: Option<Stream>,
    /// Whether the output is that of a terminal.
    pty: bool,
    /// Offset of the next byte, counted in the stream or in both.
    cursor: u64,
    /// The lines of both streams that have not ended.
    lines: [Line; 2],
}

/// A line as far as it has arrived.
#[derive(Default)]
struct Line {
    bytes: Vec<u8>,
    /// Where stretches of the line stand: position in the line and offset in the output.
    stretches: Vec<(usize, u64)>,
}

impl<'a> LineWatch<'a> {
    /// Examines the output from `start` on.
    pub(super) fn new(pattern: &'a Regex, stream: Option<Stream>, start: u64, pty: bool) -> Self {
        Self {
            pattern,
            stream,
            pty,
            cursor: start,
            lines: Default::default(),
        }
    }

    /// Waits for a match; returns the offset of the match.
    pub(super) async fn wait(&mut self, output: &SharedOutput) -> u64 {
        let mut arrived = output.subscribe();
        let mut looked_at_rest = Instant::now();
        loop {
            arrived.mark_unchanged();
            if let Some(at) = self.whole_lines(output).await {
                return at;
            }
            let is_quiet = tokio::select! {
                // The sender lives as long as the output.
                _ = arrived.changed() => false,
                () = sleep(QUIET) => true,
            };
            if is_quiet || looked_at_rest.elapsed() >= GROWING {
                looked_at_rest = Instant::now();
                if let Some(at) = self.unfinished_lines() {
                    return at;
                }
            }
            if is_quiet {
                let _ = arrived.changed().await;
            }
        }
    }

    /// Examines all that is there; returns the offset of a match.
    pub(super) async fn look(&mut self, output: &SharedOutput) -> Option<u64> {
        match self.whole_lines(output).await {
            Some(at) => Some(at),
            None => self.unfinished_lines(),
        }
    }

    async fn whole_lines(&mut self, output: &SharedOutput) -> Option<u64> {
        loop {
            let page = output.lock().read(self.stream, self.cursor, READ_BYTES);
            if page.next_offset == self.cursor {
                return None;
            }
            let mut found = None;
            for piece in &page.pieces {
                match piece {
                    Piece::Run { stream, bytes } => {
                        found = found.or_else(|| self.take(*stream, bytes));
                    }
                    Piece::Gap { bytes, .. } => {
                        self.cursor += bytes;
                        self.lines = Default::default();
                    }
                }
            }
            self.cursor = page.next_offset;
            if found.is_some() {
                return found;
            }
            // A flood must not keep a thread of the runtime.
            yield_now().await;
        }
    }

    fn take(&mut self, stream: Stream, bytes: &[u8]) -> Option<u64> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let line = &mut self.lines[stream as usize];
            line.stretches.push((line.bytes.len(), self.cursor));
            line.bytes.extend_from_slice(part);
            self.cursor += part.len() as u64;
            let is_whole = part.ends_with(b"\n");
            if !is_whole && line.bytes.len() <= LINE_MAX_BYTES {
                continue;
            }
            let found = line.find(self.pattern, self.pty);
            if is_whole {
                *line = Line::default();
            } else {
                line.keep_end();
            }
            if found.is_some() {
                return found;
            }
        }
        None
    }

    fn unfinished_lines(&self) -> Option<u64> {
        let lines = self.lines.iter().filter(|line| !line.bytes.is_empty());
        lines
            .filter_map(|line| line.find(self.pattern, self.pty))
            .min()
    }
}

impl Line {
    /// The offset of a match in the line as it would be shown.
    fn find(&self, pattern: &Regex, pty: bool) -> Option<u64> {
        let line = self.bytes.strip_suffix(b"\n").unwrap_or(&self.bytes);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let is_plain = line.iter().all(|byte| *byte >= b' ' || *byte == b'\t');
        if pty && !is_plain {
            let shown = terminal_text(line).text;
            let is_match = shown.lines().any(|line| pattern.is_match(line.as_bytes()));
            // What a terminal shows has no place in the bytes.
            return is_match.then(|| self.offset(0));
        }
        let shown = visible(line).text;
        let found = pattern.find(shown.as_bytes())?;
        Some(self.offset(position(line, found.start())))
    }

    /// The offset in the output of a position in the line.
    fn offset(&self, position: usize) -> u64 {
        let behind = self
            .stretches
            .partition_point(|(start, _)| *start <= position);
        let stretch = self.stretches.get(behind.saturating_sub(1));
        stretch.map_or(0, |(start, offset)| offset + (position - start) as u64)
    }

    /// Drops the beginning of an overlong line.
    fn keep_end(&mut self) {
        let dropped = self.bytes.len() - OVERLAP_BYTES;
        let offset = self.offset(dropped);
        self.bytes.drain(..dropped);
        self.stretches.retain(|(start, _)| *start > dropped);
        for (start, _) in &mut self.stretches {
            *start -= dropped;
        }
        self.stretches.insert(0, (0, offset));
    }
}

/// The position in `line` of the character that stands at `shown` in the visible text of the line.
fn position(line: &[u8], shown: usize) -> usize {
    let (mut low, mut high) = (0, line.len());
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        // A character that is cut has a longer text than the whole character.
        let middle_end = super::render::character_boundary(line, middle);
        if middle_end <= low {
            break;
        }
        if visible(&line[..middle_end]).text.len() <= shown {
            low = middle_end;
        } else {
            high = middle_end - 1;
        }
    }
    low
}

/// Waits for a match in the output of a command that may not have started yet.
pub(super) async fn wait_for_match(pattern: &Regex, pty: bool, outputs: &OutputWatch) -> u64 {
    let mut outputs = outputs.subscribe();
    loop {
        let output = outputs.borrow_and_update().clone();
        let mut lines = LineWatch::new(pattern, None, 0, pty);
        let found = async {
            match &output {
                Some(output) => lines.wait(output).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            at = found => return at,
            // A command that was sent again has another output. The caller holds the sender.
            _ = outputs.changed() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(chunks: &[(Stream, &str)]) -> SharedOutput {
        let output = SharedOutput::default();
        for (stream, text) in chunks {
            output.append(*stream, text.as_bytes());
        }
        output
    }

    async fn look(pattern: &str, start: u64, pty: bool, chunks: &[(Stream, &str)]) -> Option<u64> {
        let pattern = Regex::new(pattern).unwrap();
        let output = output(chunks);
        LineWatch::new(&pattern, None, start, pty)
            .look(&output)
            .await
    }

    #[tokio::test]
    async fn the_offset_is_that_of_the_match() {
        use Stream::{Stderr, Stdout};
        let two = [(Stdout, "one\ntwo ready\n")];
        assert_eq!(look("ready", 0, false, &two).await, Some(8));
        assert_eq!(look("^two", 0, false, &two).await, Some(4));
        assert_eq!(look("one", 4, false, &two).await, None, "was shown before");
        assert_eq!(look("one.two", 0, false, &two).await, None, "line by line");
        let mixed = [(Stdout, "rea"), (Stderr, "xx\n"), (Stdout, "dy\n")];
        assert_eq!(look("^ready$", 0, false, &mixed).await, Some(0));
        assert_eq!(look("dy", 0, false, &mixed).await, Some(6));
        let prompt = [(Stdout, "a\nlogin: ")];
        assert_eq!(look("login: $", 0, false, &prompt).await, Some(2));
    }

    #[tokio::test]
    async fn the_text_is_examined_as_it_would_be_shown() {
        let bell = [(Stream::Stdout, "ä\x07 done\r\n")];
        assert_eq!(look(r"\\x07", 0, false, &bell).await, Some(2));
        assert_eq!(look("done$", 0, false, &bell).await, Some(4));
        let bold = [(Stream::Stdout, "x\n\x1b[1mready\x1b[0m>\r\n")];
        assert_eq!(look("^ready>$", 0, true, &bold).await, Some(2));
        assert_eq!(look("^ready>$", 0, false, &bold).await, None);
    }

    #[tokio::test]
    async fn a_match_deep_in_a_long_line_is_found() {
        let line = format!("{}NEEDLE{}", "x".repeat(300_000), "y".repeat(100));
        let chunks = [(Stream::Stdout, line.as_str())];
        assert_eq!(look("NEEDLE", 0, false, &chunks).await, Some(300_000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_that_grows_waits_for_its_end_or_for_silence() {
        let pattern = Regex::new("^go$").unwrap();
        let output = output(&[(Stream::Stdout, "go")]);
        let mut lines = LineWatch::new(&pattern, None, 0, false);
        let growing = async {
            sleep(QUIET / 2).await;
            output.append(Stream::Stdout, b"ing\ngo");
        };
        let (at, ()) = tokio::join!(lines.wait(&output), growing);
        assert_eq!(at, 6);
    }
}
