//! Each kind of character in a table, and properties of any bytes.

use proptest::prelude::*;

use super::unicode::is_rewritten;
use super::*;

/// Text and bytes with many characters that are rewritten, and the ones beside them.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        any::<char>().prop_map(|c| c.to_string().into_bytes()),
        prop::char::range('\0', '\u{a0}').prop_map(|c| c.to_string().into_bytes()),
        prop::char::range('\u{2000}', '\u{2070}').prop_map(|c| c.to_string().into_bytes()),
        prop::char::range('\u{fdf0}', '\u{fffd}').prop_map(|c| c.to_string().into_bytes()),
        prop::char::range('\u{dff00}', '\u{e1100}').prop_map(|c| c.to_string().into_bytes()),
        Just("⚠\u{fe0f}".as_bytes().to_vec()),
        Just("\u{fe0f}".as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..5),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn text_of(bytes: impl AsRef<[u8]>) -> String {
    visible(bytes.as_ref()).text
}

#[test]
fn each_kind_is_written_as_agreed() {
    let cases: [(&[u8], &str, u64); 19] = [
        (b"a\tb\nc\r\n", "a\tb\nc\r\n", 0),
        (b"\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m", 2),
        (b"\x1b]52;c;aGk=\x07", "\\x1b]52;c;aGk=\\x07", 2),
        (b"rm -rf /\rls\x08\x08", "rm -rf /\rls\\x08\\x08", 2),
        (b"\0\x7f", "\\x00\\x7f", 2),
        ("\u{9b}31m\u{85}".as_bytes(), "\\u{9b}31m\\u{85}", 2),
        ("\u{202e}txt.exe".as_bytes(), "\\u{202e}txt.exe", 1),
        ("\u{2066}\u{2069}".as_bytes(), "\\u{2066}\\u{2069}", 2),
        ("a\u{200b}b\u{feff}".as_bytes(), "a\\u{200b}b\\u{feff}", 2),
        ("\u{e0041}\u{e007f}".as_bytes(), "\\u{e0041}\\u{e007f}", 2),
        ("\u{2028}\u{2029}".as_bytes(), "\\u{2028}\\u{2029}", 2),
        ("pass\u{ad}word".as_bytes(), "pass\\u{ad}word", 1),
        (
            "\u{fff9}a\u{fffa}b\u{fffb}".as_bytes(),
            "\\u{fff9}a\\u{fffa}b\\u{fffb}",
            3,
        ),
        (b"\x9b31m\xff", "\\x9b31m\\xff", 2),
        (b"caf\xc3", "caf\\xc3", 1),
        (b"\xed\xa0\x80", "\\xed\\xa0\\x80", 3), // a surrogate
        (b"\xc0\xaf", "\\xc0\\xaf", 2),          // an overlong slash
        (b"\\x1b \\u{202e}", "\\x1b \\u{202e}", 0),
        (
            "grün 漢字 שלום e\u{301}\u{a0}\u{fffd}".as_bytes(),
            "grün 漢字 שלום e\u{301}\u{a0}\u{fffd}",
            0,
        ),
    ];
    for (bytes, text, escaped) in cases {
        let expected = Visible {
            text: text.to_owned(),
            escaped,
        };
        assert_eq!(visible(bytes), expected);
    }
}

#[test]
fn every_character_named_in_the_contract_is_written_out() {
    let ranges = [
        ('\0', '\x08'),
        ('\x0b', '\x0c'),
        ('\x0e', '\x1f'),
        ('\x7f', '\u{9f}'),
        ('\u{61c}', '\u{61c}'),
        ('\u{180e}', '\u{180e}'),
        ('\u{200b}', '\u{200f}'),
        ('\u{2028}', '\u{202e}'),
        ('\u{2060}', '\u{206f}'),
        ('\u{feff}', '\u{feff}'),
        ('\u{e0000}', '\u{e01ef}'),
    ];
    for c in ranges.into_iter().flat_map(|(first, last)| first..=last) {
        let text = text_of(format!("a{c}b"));
        assert!(
            text.starts_with("a\\") && text.ends_with('b') && text.is_ascii(),
            "{c:?}: {text}"
        );
    }
}

#[test]
fn a_presentation_selector_stays_once_and_where_it_means_something() {
    assert_eq!(
        text_of("⚠\u{fe0f} 1\u{fe0f}\u{20e3} ✔\u{fe0e}"),
        "⚠\u{fe0f} 1\u{fe0f}\u{20e3} ✔\u{fe0e}"
    );
    assert_eq!(
        text_of("⚠\u{fe0f}\u{fe0e}\u{fe0f}"),
        "⚠\u{fe0f}\\u{fe0e}\\u{fe0f}"
    );
    for start in ["", "a", " ", "\n", "\u{200b}", "\u{3000}", "\u{e0041}"] {
        let text = text_of(format!("{start}\u{fe0f}"));
        assert!(text.ends_with("\\u{fe0f}"), "{start:?}: {text}");
    }
    assert_eq!(text_of(b"\xff\xef\xb8\x8f"), "\\xff\\u{fe0f}");
    assert_eq!(text_of("漢\u{fe00}"), "漢\\u{fe00}");
}

#[test]
fn a_line_stays_a_line_and_within_its_length() {
    let cases = [
        ("plain", 5, "plain"),
        ("plain", 4, "pla…"),
        ("a\nb\tc\r", 20, "a\\nb\\tc\\r"),
        ("\u{1b}[1m", 7, "\\x1b[1m"),
        ("ab\u{1b}cd", 6, "ab…"), // no half of an escape
        ("ab\u{1b}", 6, "ab\\x1b"),
        ("äöü", 3, "äöü"),
        ("äöü", 2, "ä…"),
        ("\u{202e}", 1, "…"),
        ("a", 0, ""),
        ("", 0, ""),
    ];
    for (text, max_chars, line) in cases {
        assert_eq!(
            visible_line(text, max_chars),
            line,
            "{text:?} in {max_chars}"
        );
    }
}

proptest! {
    #[test]
    fn nothing_dangerous_is_left(bytes in hostile()) {
        let shown = visible(&bytes);
        let mut before = None;
        for c in shown.text.chars() {
            prop_assert!(!is_rewritten(c, before), "{c:?} in {:?}", shown.text);
            before = Some(c);
        }
        // Linear also in size.
        prop_assert!(shown.text.len() <= 4 * bytes.len());
        prop_assert_eq!(shown.escaped == 0, shown.text.as_bytes() == bytes);
    }

    #[test]
    fn a_second_pass_changes_nothing(bytes in hostile(), max_chars in 0..60_usize) {
        let once = text_of(&bytes);
        let twice = Visible { text: once.clone(), escaped: 0 };
        prop_assert_eq!(visible(once.as_bytes()), twice);
        let line = visible_line(&once, max_chars);
        prop_assert_eq!(visible_line(&line, max_chars), line);
    }

    #[test]
    fn what_stays_stays_in_place(mut bytes in hostile()) {
        // Written back, the escapes give the bytes again, when the input held no backslash.
        bytes.retain(|byte| *byte != b'\\');
        prop_assert_eq!(written_back(&text_of(&bytes)), bytes);
    }

    #[test]
    fn a_line_is_cut_at_its_length(bytes in hostile(), max_chars in 0..60_usize) {
        let text = String::from_utf8_lossy(&bytes);
        let line = visible_line(&text, max_chars);
        prop_assert!(line.chars().count() <= max_chars);
        let breaks = ['\n', '\r', '\t', '\u{2028}', '\u{85}', '\u{1b}'];
        prop_assert!(!line.contains(breaks));
        let whole = visible_line(&text, usize::MAX);
        match line.strip_suffix('…') {
            Some(start) if line != whole => prop_assert!(whole.starts_with(start)),
            _ => prop_assert!(line == whole || max_chars == 0),
        }
    }
}

/// Undoes the escapes.
fn written_back(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at + 1..];
        let end = if let Some(hex) = rest.strip_prefix('x') {
            bytes.push(u8::from_str_radix(&hex[..2], 16).unwrap());
            3
        } else {
            let end = rest.find('}').unwrap();
            let code = u32::from_str_radix(&rest[2..end], 16).unwrap();
            bytes.extend(char::from_u32(code).unwrap().to_string().bytes());
            end + 1
        };
        rest = &rest[end..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}
