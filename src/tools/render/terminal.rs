//! Output of a terminal as text: carriage returns, cursor movements and erasures applied, colours left out.

use std::num::NonZeroU16;

use crate::limits;
use crate::text::{Visible, visible};

/// Rows that a piece of output may scroll over; an excerpt has fewer lines than that.
const ROWS_MAX: usize = 20_000;

/// What a terminal would have shown while it printed these bytes, from top to bottom.
///
/// The bytes are played on a screen that is high enough to hold all of their lines, so nothing scrolls away.
pub fn terminal_text(bytes: &[u8]) -> Visible {
    let columns = limits::PTY_COLUMNS as usize;
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
    let rows = (lines + bytes.len() / columns + limits::PTY_ROWS as usize).min(ROWS_MAX);
    let mut terminal = vt100::Parser::new(cells(rows), cells(columns), 0);
    terminal.process(bytes);
    let mut text = terminal.screen().contents();
    if bytes.ends_with(b"\n") {
        text.push('\n');
    }
    visible(text.as_bytes())
}

fn cells(count: usize) -> NonZeroU16 {
    u16::try_from(count)
        .ok()
        .and_then(NonZeroU16::new)
        .unwrap_or(NonZeroU16::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_s_tricks_are_played_out() {
        let rows: [(&[u8], &str); 6] = [
            (b"one\r\ntwo\r\n", "one\ntwo\n"),
            (b"\x1b[31mred\x1b[0m text", "red text"),
            (b"10%\r50%\r100%\r\n", "100%\n"),
            (b"abc\x08\x08X", "aXc"),
            (b"gone\x1b[2K\rnew", "new"),
            (b"\x1b]0;title\x07shown", "shown"),
        ];
        for (bytes, expected) in rows {
            assert_eq!(
                terminal_text(bytes).text,
                expected,
                "{}",
                String::from_utf8_lossy(bytes)
            );
        }
    }

    #[test]
    fn many_lines_are_all_there() {
        let bytes: String = (0..3000).map(|line| format!("{line}\r\n")).collect();
        let text = terminal_text(bytes.as_bytes()).text;
        assert!(text.starts_with("0\n1\n") && text.ends_with("2999\n"));
    }
}
