//! The spool against a model that keeps every byte with its stream.

use std::io::Write;
use std::os::unix::fs::FileExt;

use proptest::prelude::*;

use super::*;
use crate::output::Piece;

/// Every byte that was written, in order of arrival.
type Model = Vec<(Stream, u8)>;

/// Grain 8, so that the edges are met often: 64 bytes in memory, 192 kept.
const SMALL: OutputLimits = OutputLimits {
    memory_bytes: 64,
    kept_bytes: 192,
    grain_bytes: 8,
};

/// Both streams, and the sequence of both.
const VIEWS: [Option<Stream>; 3] = [None, Some(Stream::Stdout), Some(Stream::Stderr)];

fn stream() -> impl Strategy<Value = Stream> {
    prop_oneof![Just(Stream::Stdout), Just(Stream::Stderr)]
}

/// Writes of `sizes` bytes each.
fn writes(
    sizes: std::ops::Range<usize>,
    count: std::ops::Range<usize>,
) -> impl Strategy<Value = Vec<(Stream, Vec<u8>)>> {
    let bytes = prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], sizes);
    prop::collection::vec((stream(), bytes), count)
}

fn filled(limits: OutputLimits, writes: &[(Stream, Vec<u8>)]) -> (Output, Model) {
    let mut output = Output::new(limits);
    let mut model = Model::new();
    write_all(&mut output, &mut model, writes);
    (output, model)
}

fn write_all(output: &mut Output, model: &mut Model, writes: &[(Stream, Vec<u8>)]) {
    for (stream, bytes) in writes {
        output.append(*stream, bytes);
        model.extend(bytes.iter().map(|byte| (*stream, *byte)));
    }
}

/// What pages of `page_bytes` should add up to when the first and the last `half` bytes of `model` are kept:
/// for each offset of the view the byte, or nothing where it was dropped.
fn expected(model: &Model, view: Option<Stream>, half: u64) -> Vec<Option<(Stream, u8)>> {
    let half = half as usize;
    let kept = |at: usize| model.len() <= 2 * half || at < half || at >= model.len() - half;
    let of_view = |stream| view.is_none_or(|view| view == stream);
    model
        .iter()
        .enumerate()
        .filter(|(_, (stream, _))| of_view(*stream))
        .map(|(at, byte)| kept(at).then_some(*byte))
        .collect()
}

/// Reads pages up to the end, and checks each one's own numbers on the way.
fn read_pages(
    output: &Output,
    view: Option<Stream>,
    page_bytes: usize,
) -> Vec<Option<(Stream, u8)>> {
    let mut all = Vec::new();
    read_on(output, view, page_bytes, &mut all);
    all
}

/// Reads on from the end of `all`.
fn read_on(
    output: &Output,
    view: Option<Stream>,
    page_bytes: usize,
    all: &mut Vec<Option<(Stream, u8)>>,
) {
    loop {
        let page = output.read(view, all.len() as u64, page_bytes);
        let before = all.len();
        let mut taken = 0;
        for piece in page.pieces {
            match piece {
                Piece::Run { stream, bytes } => {
                    assert!(!bytes.is_empty());
                    taken += bytes.len();
                    all.extend(bytes.into_iter().map(|byte| Some((stream, byte))));
                }
                Piece::Gap { offset, bytes } => {
                    assert_eq!(offset, all.len() as u64);
                    assert!(bytes > 0);
                    all.resize(all.len() + bytes as usize, None);
                }
            }
        }
        assert!(taken <= page_bytes);
        assert_eq!(page.next_offset, all.len() as u64);
        assert_eq!(page.next_offset + page.remaining, output.len(view));
        if page.remaining == 0 {
            return;
        }
        assert!(all.len() > before, "a page that does not go on");
    }
}

/// Makes the next write to the file fail, while what was written can still be read.
fn fill_disk(output: &mut Output) {
    let Medium::File(file) = &output.medium else {
        panic!("still in memory");
    };
    let mut written = vec![0; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut written, 0).unwrap();
    let mut copy = tempfile::NamedTempFile::new().unwrap();
    copy.write_all(&written).unwrap();
    output.medium = Medium::File(File::open(copy.path()).unwrap());
}

proptest! {
    #[test]
    fn pages_put_together_are_the_output(
        writes in writes(0..40, 0..40),
        page_bytes in 1..100_usize,
    ) {
        let (output, model) = filled(SMALL, &writes);
        for view in VIEWS {
            let expected = expected(&model, view, 96);
            prop_assert_eq!(output.len(view), expected.len() as u64);
            let dropped = expected.iter().filter(|byte| byte.is_none()).count() as u64;
            prop_assert_eq!(output.dropped(view), dropped);
            prop_assert_eq!(read_pages(&output, view, page_bytes), expected);
        }
        for stream in Stream::ALL {
            let newlines = model.iter().filter(|byte| **byte == (stream, b'\n')).count() as u64;
            prop_assert_eq!(output.newlines(stream), newlines);
        }
        prop_assert_eq!(output.degraded(), None);
    }

    #[test]
    fn a_page_may_start_anywhere(
        writes in writes(1..20, 1..60),
        offset in 0..600_u64,
        max_bytes in 0..64_usize,
    ) {
        let (output, model) = filled(SMALL, &writes);
        for view in VIEWS {
            let expected = expected(&model, view, 96);
            let start = expected.len().min(offset as usize);
            let page = output.read(view, offset, max_bytes);
            let mut seen = Vec::new();
            for piece in page.pieces {
                match piece {
                    Piece::Run { stream, bytes } => {
                        seen.extend(bytes.into_iter().map(|byte| Some((stream, byte))));
                    }
                    Piece::Gap { bytes, .. } => seen.resize(seen.len() + bytes as usize, None),
                }
            }
            prop_assert_eq!(page.next_offset, (start + seen.len()) as u64);
            // A page is full, or reaches the end.
            let bytes = seen.iter().flatten().count();
            prop_assert!(bytes == max_bytes || start + seen.len() == expected.len());
            prop_assert_eq!(&seen[..], &expected[start..start + seen.len()]);
        }
    }

    #[test]
    fn a_reader_that_follows_sees_everything_once(
        writes in writes(1..12, 1..80),
        page_bytes in 1..30_usize,
    ) {
        // Within the limit nothing is lost, however the reads fall between the writes.
        let mut output = Output::new(OutputLimits { kept_bytes: 1024, ..SMALL });
        let mut model = Model::new();
        let mut seen = [Vec::new(), Vec::new(), Vec::new()];
        for write in &writes {
            write_all(&mut output, &mut model, std::slice::from_ref(write));
            for (view, seen) in VIEWS.into_iter().zip(&mut seen) {
                read_on(&output, view, page_bytes, seen);
            }
        }
        for (view, seen) in VIEWS.into_iter().zip(seen) {
            prop_assert_eq!(seen, expected(&model, view, 512));
        }
    }

    #[test]
    fn without_a_temporary_file_the_first_and_last_bytes_stay(
        writes in writes(0..40, 0..40),
        page_bytes in 1..100_usize,
    ) {
        let mut output = Output::new(SMALL);
        output.open = || Err(io::ErrorKind::StorageFull.into());
        let mut model = Model::new();
        write_all(&mut output, &mut model, &writes);
        prop_assert_eq!(output.degraded().is_some(), model.len() > 64);
        for view in VIEWS {
            prop_assert_eq!(read_pages(&output, view, page_bytes), expected(&model, view, 32));
        }
    }

    #[test]
    fn a_disk_that_fills_up_leaves_the_first_and_last_bytes(
        before in writes(30..40, 3..20),
        after in writes(1..40, 1..20),
        page_bytes in 1..100_usize,
    ) {
        let (mut output, mut model) = filled(SMALL, &before);
        fill_disk(&mut output);
        write_all(&mut output, &mut model, &after);
        prop_assert!(output.degraded().is_some());
        for view in VIEWS {
            prop_assert_eq!(read_pages(&output, view, page_bytes), expected(&model, view, 32));
        }
    }

    #[test]
    fn memory_stays_bounded(writes in writes(1..3, 0..2000)) {
        let limits = OutputLimits { memory_bytes: 256, kept_bytes: 1024, grain_bytes: 64 };
        // Bytes and their order, each possibly in a vector of twice the size, and one entry for each segment.
        let bound = 256 + 2 * (256 / 8 + 8) + 2 * (1024 / 64 + 2) * size_of::<Segment>();
        let mut whole = Output::new(limits);
        let mut degraded = Output::new(limits);
        degraded.open = || Err(io::ErrorKind::StorageFull.into());
        for (stream, bytes) in &writes {
            for output in [&mut whole, &mut degraded] {
                output.append(*stream, bytes);
                prop_assert!(output.memory_bytes() <= bound, "{} > {bound}", output.memory_bytes());
            }
        }
    }
}

#[test]
fn the_limits_of_the_product_hold() {
    let half = limits::OUTPUT_KEPT_BYTES / 2;
    let mut output = Output::default();
    let block: Vec<u8> = (0..1_000_003_u32).map(|at| (at % 251) as u8).collect();
    // A byte of the second stream between all pieces of the first: nearly every segment is mixed.
    for turn in 0..80 {
        for piece in block.chunks(50_000) {
            output.append(Stream::Stdout, piece);
            output.append(Stream::Stderr, b".");
        }
        output.append(Stream::Stderr, format!("turn {turn:02}\n").as_bytes());
        assert!(output.memory_bytes() < 2 * limits::OUTPUT_MEMORY_BYTES as usize);
        let dropped = output.len(None).saturating_sub(limits::OUTPUT_KEPT_BYTES);
        assert_eq!(output.dropped(None), dropped);
    }
    assert_eq!(output.newlines(Stream::Stderr), 80);
    let page = output.read(None, half - 3, 6);
    let gap = Piece::Gap {
        offset: half,
        bytes: output.dropped(None),
    };
    assert_eq!(page.pieces[1], gap);
    assert_eq!(page.next_offset, half + output.dropped(None) + 3);
    let last = output.read(
        Some(Stream::Stderr),
        output.len(Some(Stream::Stderr)) - 8,
        100,
    );
    let turn = Piece::Run {
        stream: Stream::Stderr,
        bytes: b"turn 79\n".to_vec(),
    };
    assert_eq!(last.pieces, [turn]);
}

#[test]
fn a_page_of_alternating_streams_is_bounded_and_goes_on() {
    let mut output = Output::default();
    for _ in 0..1000 {
        output.append(Stream::Stdout, b"o");
        output.append(Stream::Stderr, b"e");
    }
    let page = output.read(None, 0, 8192);
    assert_eq!(page.pieces.len(), limits::OUTPUT_PAGE_PIECES_MAX);
    assert_eq!(page.remaining, 2000 - page.next_offset);
    assert_eq!(read_pages(&output, None, 8192).len(), 2000);
}

#[test]
fn what_cannot_be_read_back_is_a_gap() {
    let (mut output, _) = filled(SMALL, &[(Stream::Stdout, vec![b'x'; 100])]);
    output.medium = Medium::File(File::options().write(true).open("/dev/null").unwrap());
    let page = output.read(Some(Stream::Stdout), 10, 1000);
    let gap = Piece::Gap {
        offset: 10,
        bytes: 90,
    };
    assert_eq!(page.pieces, [gap]);
    assert_eq!((page.next_offset, page.remaining), (100, 0));
}

#[test]
fn what_is_lost_with_the_file_does_not_stop_what_comes() {
    let (mut output, _) = filled(SMALL, &[(Stream::Stdout, vec![b'x'; 100])]);
    // Cannot be written, and only 16 bytes can be read back.
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&[b'x'; 16]).unwrap();
    output.medium = Medium::File(File::open(file.path()).unwrap());
    output.append(Stream::Stderr, b"after");
    let run = |stream, bytes: &[u8]| Piece::Run {
        stream,
        bytes: bytes.to_vec(),
    };
    let gap = Piece::Gap {
        offset: 16,
        bytes: 84,
    };
    let pieces = [
        run(Stream::Stdout, &[b'x'; 16]),
        gap,
        run(Stream::Stderr, b"after"),
    ];
    assert_eq!(output.read(None, 0, 1000).pieces, pieces);
    assert_eq!(output.dropped(Some(Stream::Stdout)), 84);
    assert_eq!(output.dropped(Some(Stream::Stderr)), 0);
}

#[test]
fn the_reason_for_keeping_little_is_told() {
    let mut output = Output::new(SMALL);
    output.open = || Err(io::Error::other("no room"));
    output.append(Stream::Stdout, &[0; 65]);
    let reason = output.degraded().unwrap();
    assert!(
        reason.contains("no room") && reason.contains("32 bytes"),
        "{reason}"
    );
}

#[test]
fn a_log_line_of_an_output_holds_no_output() {
    let (output, _) = filled(SMALL, &[(Stream::Stdout, b"secret".to_vec())]);
    let mut line = Vec::new();
    write!(line, "{output:?}").unwrap();
    let line = String::from_utf8(line).unwrap();
    assert!(line.contains("stdout: 6") && !line.contains("secret") && !line.contains("115"));
}
