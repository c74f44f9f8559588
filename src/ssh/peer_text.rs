//! Text of others (hosts, servers, parameters, configuration) made fit to stand in messages of this program.

use crate::limits::{QUOTED_TEXT_MAX_CHARS, QUOTED_VALUE_MAX_CHARS};
use crate::text::visible_line;

/// A peer's text on one line: control and invisible characters written out, cut to a bounded length.
pub(crate) fn one_line(text: &str) -> String {
    visible_line(text, QUOTED_TEXT_MAX_CHARS)
}

/// A value in double quotes, on one line: control and invisible characters written out, cut to a bounded length.
pub(crate) fn in_quotes(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", visible_line(&escaped, QUOTED_VALUE_MAX_CHARS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_written_out() {
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
            assert_eq!(in_quotes(text), expected);
        }
    }

    #[test]
    fn a_long_value_is_cut() {
        let shown = in_quotes(&"x".repeat(65_536));
        assert_eq!(shown.chars().count(), QUOTED_VALUE_MAX_CHARS + 2);
        assert!(shown.ends_with("…\""));
    }
}
