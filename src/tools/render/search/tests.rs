//! Searches against a search of the kept bytes by hand.

use proptest::prelude::*;

use super::*;
use crate::output::{Output, OutputLimits, Stream};

const LARGE: usize = 256 * 1024 * 1024;

fn output(chunks: &[&[u8]], limits: OutputLimits) -> Output {
    let mut output = Output::new(limits);
    for chunk in chunks {
        output.append(Stream::Stdout, chunk);
    }
    output
}

fn search(output: &Output, offset: u64, pattern: &str, max: usize) -> Matches {
    let read = |offset, bytes| output.read(None, offset, bytes);
    find_matches(read, offset, &Regex::new(pattern).unwrap(), max)
}

#[test]
fn matching_lines_come_with_their_numbers() {
    let output = output(&[b"one\ntwo\r\nthree\nt\x1bwo"], OutputLimits::default());
    let matches = search(&output, 0, "^t.*o$", 100);
    assert_eq!(matches.text, "2:two\n4:t\\x1bwo\n");
    assert_eq!((matches.shown, matches.found, matches.escaped), (2, 2, 1));
    assert_eq!(matches.remark(), "2 matching lines");
    let first = search(&output, 0, "^t.*o$", 4);
    assert_eq!((first.shown, first.next_match), (1, Some(15)));
    assert!(
        first.remark().ends_with("offsetBytes: 15"),
        "{}",
        first.remark()
    );
    let next = search(&output, 15, "^t.*o$", 100);
    assert_eq!(next.text, "1:t\\x1bwo\n");
    assert_eq!(search(&output, 0, "none", 100).remark(), "no line matches");
}

#[test]
fn a_match_deep_in_a_long_line_is_shown_with_its_surroundings_and_offset() {
    let mut line = b"first\n".to_vec();
    line.resize(7 * 1024 * 1024, b'.');
    let at = line.len();
    line.extend_from_slice("ERROR: ä broken".as_bytes());
    line.resize(8 * 1024 * 1024, b'.');
    line.push(b'\n');
    let output = output(&[&line], OutputLimits::default());
    let matches = search(&output, 0, "ERROR: . broken", 8192);
    assert_eq!((matches.shown, matches.found), (1, 1));
    let wanted = format!(
        "2, byte {at}:…{}ERROR: ä broken{}…\n",
        ".".repeat(SURROUNDINGS_BYTES),
        ".".repeat(SURROUNDINGS_BYTES)
    );
    assert_eq!(matches.text, wanted);
    assert_eq!(matches.remark(), "1 match");
    // A match as long as the line is shown by its beginning.
    let whole = search(&output, 0, r"\..*", 8192);
    assert_eq!((whole.shown, whole.found), (1, 1));
    assert!(whole.text.len() < 1000, "{}", whole.text.len());
}

#[test]
fn bytes_that_are_not_kept_are_named_and_join_no_lines() {
    let small = OutputLimits {
        memory_bytes: 64,
        kept_bytes: 192,
        grain_bytes: 8,
    };
    let lines: Vec<String> = (0..100).map(|line| format!("line {line:03}\n")).collect();
    let output = output(&[lines.concat().as_bytes()], small);
    let dropped = output.dropped(None);
    assert!(dropped > 0);
    let none = search(&output, 0, "line 050", LARGE);
    assert_eq!((none.found, none.not_kept), (0, dropped));
    let said = format!(
        "no line matches in the part that is kept; {dropped} bytes of the output are not kept and were not searched"
    );
    assert_eq!(none.remark(), said);
    let last = search(&output, 0, "line 099", LARGE);
    assert_eq!(last.text, "byte 891:line 099\n", "the number is not known");
    let page = output.read(None, 891, 8);
    assert_eq!(page.bytes(), b"line 099");
    // The last line before the part and the first behind are not one line.
    assert_eq!(search(&output, 0, "line...+line", LARGE).found, 0);
}

/// Lines of any length with the needle here and there.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => Just("needle".to_owned()),
        2 => Just("\n".to_owned()),
        2 => "[a-zä€]{0,20}",
        2 => (0..5000_usize).prop_map(|count| "x".repeat(count)),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn every_match_is_shown(text in text(), split in any::<prop::sample::Index>()) {
        let (first, second) = text.as_bytes().split_at(split.index(text.len() + 1));
        let output = output(&[first, second], OutputLimits::default());
        let matches = search(&output, 0, "needle", LARGE);
        prop_assert_eq!(matches.shown, matches.found);
        prop_assert_eq!(
            matches.text.matches("needle").count(),
            text.matches("needle").count()
        );
        prop_assert_eq!(matches.not_kept, 0);
    }

    #[test]
    fn an_offset_that_is_offered_leads_to_the_rest(text in text(), max in 100..3000_usize) {
        let output = output(&[text.as_bytes()], OutputLimits::default());
        let (mut shown, mut offset) = (0, 0);
        loop {
            let matches = search(&output, offset, "needle", max);
            shown += matches.text.matches("needle").count();
            match matches.next_match {
                Some(next) => {
                    prop_assert!(next > offset || matches.shown > 0);
                    prop_assert!(text.as_bytes()[next as usize..].windows(6).any(|six| six == b"needle"));
                    offset = next;
                }
                None => break,
            }
        }
        prop_assert!(shown >= text.matches("needle").count());
    }

    #[test]
    fn a_search_looks_at_all_that_is_kept(text in text(), kept in 64..4096_u64) {
        let limits = OutputLimits { memory_bytes: 64, kept_bytes: kept, grain_bytes: 8 };
        let output = output(&[text.as_bytes()], limits);
        let page = output.read(None, 0, usize::MAX / 2);
        let expected: usize = page.pieces.iter().map(|piece| match piece {
            Piece::Run { bytes, .. } => String::from_utf8_lossy(bytes).matches("needle").count(),
            Piece::Gap { .. } => 0,
        }).sum();
        let matches = search(&output, 0, "needle", LARGE);
        prop_assert_eq!(matches.text.matches("needle").count(), expected);
        prop_assert_eq!(matches.not_kept, output.dropped(None));
    }
}
