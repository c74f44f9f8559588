//! Text of others (parameters, configuration, ssh's messages) made fit to stand in an error.

use crate::limits::QUOTED_VALUE_MAX_CHARS;
use crate::text::visible_line;

pub(crate) use crate::text::is_unseen as is_invisible;

/// `text` in double quotes, cut to what an error can carry, with nothing in it that acts on a terminal.
pub(crate) fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", visible(&escaped, QUOTED_VALUE_MAX_CHARS))
}

/// `text` with control and invisible characters written out, cut after `max_chars` characters.
pub(crate) fn visible(text: &str, max_chars: usize) -> String {
    visible_line(text, max_chars)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_reader_is_written_out() {
        let cases = [
            ("web", r#""web""#),
            ("a\x1b[2Jb", r#""a\x1b[2Jb""#),
            ("a\nb\r\0", r#""a\nb\r\x00""#),
            ("a\u{9b}b", r#""a\u{9b}b""#),
            ("a\u{202e}b\u{200b}", r#""a\u{202e}b\u{200b}""#),
            ("say \"hi\"\\", r#""say \"hi\"\\""#),
            ("büro", r#""büro""#),
        ];
        for (text, expected) in cases {
            assert_eq!(quoted(text), expected);
        }
    }

    #[test]
    fn a_long_value_is_cut() {
        let shown = quoted(&"x".repeat(65_536));
        assert_eq!(shown.chars().count(), QUOTED_VALUE_MAX_CHARS + 2);
        assert!(shown.ends_with("…\""));
    }
}
