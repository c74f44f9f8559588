//! Bytes from a host as text that can be shown.

use super::escape::{push_byte, push_escape};
use super::unicode::is_rewritten;

/// Text that can be shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Visible {
    /// The text.
    pub text: String,
    /// Characters, and bytes of invalid UTF-8, that were rewritten.
    pub escaped: u64,
}

/// Makes `bytes` from a host visible. Takes linear time, and at most four bytes of text for each byte.
pub fn visible(bytes: &[u8]) -> Visible {
    let mut visible = Visible {
        text: String::with_capacity(bytes.len()),
        escaped: 0,
    };
    for chunk in bytes.utf8_chunks() {
        visible.push_text(chunk.valid());
        for byte in chunk.invalid() {
            push_byte(&mut visible.text, *byte);
            visible.escaped += 1;
        }
    }
    visible
}

impl Visible {
    /// Adds valid text, in stretches between the characters that are rewritten.
    fn push_text(&mut self, text: &str) {
        let mut clean_from = 0;
        let mut before = None;
        for (at, c) in text.char_indices() {
            if is_rewritten(c, before) {
                self.text.push_str(&text[clean_from..at]);
                push_escape(&mut self.text, c);
                self.escaped += 1;
                clean_from = at + c.len_utf8();
            }
            before = Some(c);
        }
        self.text.push_str(&text[clean_from..]);
    }
}
