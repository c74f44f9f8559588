//! Output of a terminal as text: carriage returns, cursor movements and erasures played out, colours left out.
//!
//! The emulator is the vt100 crate. The work that a host can cause is bounded here: repeat counts are clamped before
//! the emulator sees them, and the emulator plays pieces of bounded size. Both functions take time; call them on a
//! blocking thread.

use std::num::NonZeroU16;

use crate::limits;
use crate::text::{Visible, visible};

/// Lines that are played on a screen, which is high enough for all of them.
const LINES_AT_ONCE: usize = 500;
/// Bytes that are played on a screen.
const BYTES_AT_ONCE: usize = 64 * 1024;
/// Bytes of an escape sequence that may stand at a cut; a longer sequence is split.
pub(super) const ESCAPE_MAX_BYTES: usize = 256;
/// Bytes of the longest control sequence that is meaningful.
const SEQUENCE_MAX_BYTES: usize = 64;
/// Largest count in a control sequence: more than a screen has rows or columns.
const COUNT_MAX: &[u8] = b"999";

/// The text that a terminal would have shown while printing these bytes, from top to bottom.
pub fn terminal_text(bytes: &[u8]) -> Visible {
    let bytes = clamped(bytes);
    let mut text = String::new();
    for piece in pieces(&bytes) {
        let lines = piece.iter().filter(|byte| **byte == b'\n').count();
        let wrapped = piece.len() / limits::PTY_COLUMNS as usize;
        text.push_str(&played(piece, lines + wrapped + limits::PTY_ROWS as usize));
        if piece.ends_with(b"\n") {
            text.push('\n');
        }
    }
    visible(text.as_bytes())
}

/// The terminal's screen after these bytes.
pub fn screen_text(bytes: &[u8]) -> Visible {
    visible(played(&clamped(bytes), limits::PTY_ROWS as usize).as_bytes())
}

fn played(bytes: &[u8], rows: usize) -> String {
    let mut terminal = vt100::Parser::new(cells(rows), cells(limits::PTY_COLUMNS as usize), 0);
    terminal.process(bytes);
    terminal.screen().contents()
}

/// The number of bytes at the end that begin an escape sequence (ECMA-48) without finishing the sequence.
pub(super) fn incomplete_escape(bytes: &[u8]) -> usize {
    let from = bytes.len().saturating_sub(ESCAPE_MAX_BYTES);
    let Some(at) = bytes[from..].iter().rposition(|byte| *byte == 0x1b) else {
        return 0;
    };
    let sequence = &bytes[from + at..];
    let is_final = |byte: &u8| (0x40..=0x7e).contains(byte);
    let complete = match sequence.get(1) {
        None => false,
        Some(b'[') => sequence[2..].iter().any(is_final),
        // A string ends at BEL, or at the ESC of its terminator, which is then the last ESC and was found above.
        Some(b']' | b'P' | b'X' | b'^' | b'_') => sequence.contains(&0x07),
        Some(0x20..=0x2f) => sequence[1..]
            .iter()
            .any(|byte| (0x30..=0x7e).contains(byte)),
        Some(_) => true,
    };
    if complete { 0 } else { sequence.len() }
}

fn cells(count: usize) -> NonZeroU16 {
    u16::try_from(count)
        .ok()
        .and_then(NonZeroU16::new)
        .unwrap_or(NonZeroU16::MIN)
}

/// Cuts behind line ends, so that only a line longer than a piece is split.
fn pieces(bytes: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let (mut start, mut lines) = (0, 0);
    for (at, byte) in bytes.iter().enumerate() {
        lines += usize::from(*byte == b'\n');
        if lines == LINES_AT_ONCE || at - start >= BYTES_AT_ONCE {
            pieces.push(&bytes[start..=at]);
            (start, lines) = (at + 1, 0);
        }
    }
    pieces.push(&bytes[start..]);
    pieces
}

/// Reduces counts such as that of `CSI 65535 b` (repeat) to the size of a screen. Modes and colours (`h`, `l`, `m`)
/// keep their numbers, which are names.
fn clamped(bytes: &[u8]) -> Vec<u8> {
    let mut safe = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest.windows(2).position(|pair| pair == b"\x1b[") {
        let (before, sequence) = rest.split_at(at);
        safe.extend_from_slice(before);
        let end = sequence
            .iter()
            .skip(2)
            .take(SEQUENCE_MAX_BYTES)
            .position(|byte| (0x40..=0x7e).contains(byte));
        match end {
            Some(end) => {
                let (sequence, behind) = sequence.split_at(end + 3);
                push_sequence(&mut safe, sequence);
                rest = behind;
            }
            // The sequence does not end: only the introducer is dropped.
            None => rest = &sequence[2..],
        }
    }
    safe.extend_from_slice(rest);
    safe
}

fn push_sequence(safe: &mut Vec<u8>, sequence: &[u8]) {
    if matches!(sequence.last(), Some(b'h' | b'l' | b'm')) {
        safe.extend_from_slice(sequence);
        return;
    }
    for part in sequence.chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()) {
        let large = part[0].is_ascii_digit() && part.len() > COUNT_MAX.len();
        safe.extend_from_slice(if large { COUNT_MAX } else { part });
    }
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
    fn what_is_left_of_an_escape() {
        let rows: [(&[u8], usize); 9] = [
            (b"", 0),
            (b"text", 0),
            (b"text\x1b", 1),
            (b"text\x1b[1;3", 5),
            (b"\x1b[1;3mtext", 0),
            (b"\x1b]0;title", 9),
            (b"\x1b]0;title\x07", 0),
            (b"\x1b]0;title\x1b\\", 0),
            (b"\x1b(", 2),
        ];
        for (bytes, expected) in rows {
            assert_eq!(incomplete_escape(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn many_lines_are_all_there() {
        let bytes: String = (0..3000).map(|line| format!("{line}\r\n")).collect();
        let expected: String = (0..3000).map(|line| format!("{line}\n")).collect();
        assert_eq!(terminal_text(bytes.as_bytes()).text, expected);
    }

    #[test]
    fn counts_are_clamped_and_modes_are_not() {
        let rows: [(&[u8], &[u8]); 5] = [
            (b"x\x1b[65535b", b"x\x1b[999b"),
            (b"\x1b[12;65535H", b"\x1b[12;999H"),
            (
                b"\x1b[?1049h\x1b[38;2;1000;0;0m",
                b"\x1b[?1049h\x1b[38;2;1000;0;0m",
            ),
            (b"plain 65535 text", b"plain 65535 text"),
            (b"\x1b[", b""),
        ];
        for (bytes, expected) in rows {
            assert_eq!(
                clamped(bytes),
                expected,
                "{}",
                String::from_utf8_lossy(bytes)
            );
        }
    }

    #[test]
    fn the_screen_is_that_of_the_end() {
        let text = screen_text(b"old\r\n\x1b[2J\x1b[Hnew").text;
        assert_eq!(text.trim_end(), "new");
    }
}
