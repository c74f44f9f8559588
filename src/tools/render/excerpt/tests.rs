//! The excerpt against the whole output.

use crate::text::visible;
use proptest::prelude::*;

use super::*;
use crate::output::OutputLimits;

/// Writes to one or the other stream: lines, long characters, and bytes that are no text.
fn writes() -> impl Strategy<Value = Vec<(Stream, Vec<u8>)>> {
    let stream = prop_oneof![Just(Stream::Stdout), Just(Stream::Stderr)];
    let bytes = prop_oneof![
        4 => "[a-z ]{0,9}".prop_map(String::into_bytes),
        3 => "[äß漢字🦀🏳]{0,6}".prop_map(String::into_bytes),
        2 => Just(b"\n".to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec((stream, bytes), 0..60)
}

fn output(limits: OutputLimits, writes: &[(Stream, Vec<u8>)]) -> Output {
    let mut output = Output::new(limits);
    for (stream, bytes) in writes {
        output.append(*stream, bytes);
    }
    output
}

fn whole(writes: &[(Stream, Vec<u8>)], stream: Stream) -> Vec<u8> {
    let of_stream = writes.iter().filter(|(of, _)| *of == stream);
    of_stream.flat_map(|(_, bytes)| bytes.clone()).collect()
}

fn cuts(output: &Output, max: u64) -> [Cut; 2] {
    let lens = Stream::ALL.map(|stream| output.len(Some(stream)));
    let [first, second] = shares(lens, max);
    [
        Cut::new(output, Stream::Stdout, lens[0], first),
        Cut::new(output, Stream::Stderr, lens[1], second),
    ]
}

/// Places in `bytes` that are inside a valid character, found by decoding from the start.
fn inside_characters(bytes: &[u8]) -> Vec<usize> {
    let mut inside = Vec::new();
    let mut at = 0;
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            inside.extend(at + 1..at + c.len_utf8());
            at += c.len_utf8();
        }
        at += chunk.invalid().len();
    }
    inside
}

proptest! {
    #[test]
    fn head_omitted_and_tail_tile_the_stream(writes in writes(), max in 0..400_u64) {
        let output = output(OutputLimits::default(), &writes);
        let mut shown = 0;
        for (stream, cut) in Stream::ALL.into_iter().zip(cuts(&output, max)) {
            let whole = whole(&writes, stream);
            shown += cut.head.len() + cut.tail.len();
            prop_assert_eq!(cut.head.len() + cut.omitted as usize + cut.tail.len(), whole.len());
            prop_assert!(whole.starts_with(&cut.head) && whole.ends_with(&cut.tail));
            let inside = inside_characters(&whole);
            prop_assert!(!inside.contains(&cut.head.len()));
            prop_assert!(!inside.contains(&(whole.len() - cut.tail.len())));
        }
        prop_assert!(shown as u64 <= max);
        prop_assert!(shown as u64 == output.len(None) || output.len(None) > max);
    }

    #[test]
    fn blocks_say_what_they_leave_out(writes in writes(), max in 0..400_usize) {
        let output = output(OutputLimits::default(), &writes);
        let shown = excerpt(&output, max, None, visible);
        let mut omitted_bytes = 0;
        let mut escaped = 0;
        let mut expected = Vec::new();
        for (stream, cut) in Stream::ALL.into_iter().zip(cuts(&output, max as u64)) {
            let whole = whole(&writes, stream);
            let missing = &whole[cut.head.len()..whole.len() - cut.tail.len()];
            let text = |bytes| Block::Text { stream, text: visible(bytes).text };
            expected.extend((!cut.head.is_empty()).then(|| text(&cut.head)));
            expected.extend((cut.omitted > 0).then(|| Block::Omitted {
                stream,
                offset_bytes: cut.head.len() as u64,
                bytes: missing.len() as u64,
                lines: missing.iter().filter(|byte| **byte == b'\n').count() as u64,
                dropped_bytes: 0,
                readable_from: Some(cut.head.len() as u64),
            }));
            expected.extend((!cut.tail.is_empty()).then(|| text(&cut.tail)));
            omitted_bytes += cut.omitted;
            escaped += visible(&cut.head).escaped + visible(&cut.tail).escaped;
        }
        prop_assert_eq!(shown, Excerpt { blocks: expected, escaped, omitted_bytes });
    }

    #[test]
    fn a_gap_is_always_left_out(writes in writes(), max in 0..400_u64) {
        let limits = OutputLimits { memory_bytes: 16, kept_bytes: 64, grain_bytes: 8 };
        let output = output(limits, &writes);
        for (stream, cut) in Stream::ALL.into_iter().zip(cuts(&output, max)) {
            let whole = whole(&writes, stream);
            prop_assert_eq!(cut.head.len() + cut.omitted as usize + cut.tail.len(), whole.len());
            prop_assert!(whole.starts_with(&cut.head) && whole.ends_with(&cut.tail));
            prop_assert!(cut.omitted >= output.dropped(Some(stream)));
            // Within the limit, what is left out is what is not there.
            prop_assert!(output.len(None) > max || cut.omitted == output.dropped(Some(stream)));
        }
    }

    #[test]
    fn an_offset_that_is_offered_can_be_read(writes in writes(), max in 0..400_usize) {
        let limits = OutputLimits { memory_bytes: 16, kept_bytes: 64, grain_bytes: 8 };
        let output = output(limits, &writes);
        for block in excerpt(&output, max, None, visible).blocks {
            let Block::Omitted { stream, offset_bytes, bytes, dropped_bytes, readable_from, .. } = block else {
                continue;
            };
            prop_assert_eq!(readable_from.is_none(), dropped_bytes == bytes);
            if let Some(offset) = readable_from {
                prop_assert!((offset_bytes..offset_bytes + bytes).contains(&offset));
                let page = output.read(Some(stream), offset, 1);
                prop_assert!(matches!(page.pieces[0], Piece::Run { .. }), "{page:?}");
            }
        }
    }

    #[test]
    fn shares_use_the_room_and_no_more(first in 0..1000_u64, second in 0..1000_u64, max in 0..1000_u64) {
        let [a, b] = shares([first, second], max);
        prop_assert!(a <= first && b <= second);
        prop_assert_eq!(a + b, max.min(first + second));
        // Who gets less than half needed no more.
        prop_assert!((a == first || a >= max / 2) && (b == second || b >= max / 2));
    }
}

#[test]
fn a_cut_prefers_line_ends_nearby() {
    let lines: String = (0..100).map(|at| format!("line {at:03}\n")).collect();
    let output = output(
        OutputLimits::default(),
        &[(Stream::Stdout, lines.into_bytes())],
    );
    let shown = excerpt(&output, 100, None, visible);
    let head: String = (0..5).map(|at| format!("line {at:03}\n")).collect();
    let tail: String = (94..100).map(|at| format!("line {at:03}\n")).collect();
    let omitted = Block::Omitted {
        stream: Stream::Stdout,
        offset_bytes: 45,
        bytes: 801,
        lines: 89,
        dropped_bytes: 0,
        readable_from: Some(45),
    };
    let text = |text| Block::Text {
        stream: Stream::Stdout,
        text,
    };
    assert_eq!(shown.blocks, [text(head), omitted, text(tail)]);
    assert_eq!(shown.omitted_bytes, 801);
    // A cut that is at a line end already stays where it is.
    assert_eq!(excerpt(&output, 90, None, visible).omitted_bytes, 810);
}

#[test]
fn a_line_end_far_away_does_not_count() {
    let mut bytes = b"start\n".to_vec();
    bytes.resize(1000, b'x');
    bytes[994] = b'\n';
    let output = output(OutputLimits::default(), &[(Stream::Stderr, bytes)]);
    let [_, cut] = cuts(&output, 100);
    assert_eq!((cut.head.len(), cut.tail.len()), (50, 50));
}

#[test]
fn stderr_survives_a_flood_of_stdout() {
    let writes = [
        (Stream::Stdout, vec![b'o'; 100_000]),
        (Stream::Stderr, b"it failed\n".to_vec()),
    ];
    let shown = excerpt(
        &output(OutputLimits::default(), &writes),
        8192,
        None,
        visible,
    );
    let last = Block::Text {
        stream: Stream::Stderr,
        text: "it failed\n".to_owned(),
    };
    assert_eq!(shown.blocks.len(), 4);
    assert_eq!(shown.blocks.last(), Some(&last));
    assert_eq!(shown.omitted_bytes, 100_000 - (8192 - 10));
}

#[test]
fn bytes_dropped_for_good_are_told() {
    let limits = OutputLimits {
        memory_bytes: 64,
        kept_bytes: 256,
        grain_bytes: 8,
    };
    let writes = [(Stream::Stdout, vec![b'o'; 1000])];
    let shown = excerpt(&output(limits, &writes), 100, None, visible);
    let omitted = Block::Omitted {
        stream: Stream::Stdout,
        offset_bytes: 50,
        bytes: 900,
        lines: 0,
        dropped_bytes: 744,
        readable_from: Some(50),
    };
    assert_eq!(shown.blocks[1], omitted);
}
