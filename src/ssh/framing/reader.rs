//! Finds the ends of frames in two streams, however the packets are cut.

use std::collections::VecDeque;

use memchr::memmem::Finder;

use crate::limits;
use crate::output::Stream;

/// Parts of a shell's output.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::ssh) enum Event<'a> {
    /// Output while a command runs.
    Output(Stream, &'a [u8]),
    /// Output between commands, of a background process.
    Background(Stream, &'a [u8]),
    /// Both streams are past the end of the command.
    Ended {
        /// The value of `$?`.
        status: u32,
        /// The value of `$PWD`.
        cwd: Vec<u8>,
    },
    /// The state in the shell's words; `None` when the text was too long.
    State(Option<Vec<u8>>),
    /// The end of a frame has another form than the shell writes: output and ends can no longer be told apart.
    Broken,
}

/// Reads both streams of one shell.
#[derive(Debug, Default)]
pub(in crate::ssh) struct FrameReader {
    stdout: Side,
    stderr: Side,
    /// Status and directory, while stderr is not at its end.
    ending: Option<(u32, Vec<u8>)>,
    stderr_ended: bool,
}

impl FrameReader {
    /// The next command goes out. The state of an earlier command may still come first. Both calls keep their order.
    pub(in crate::ssh) fn begin(&mut self, token: &str, state: bool) {
        let frame = |state| Frame {
            token: token.as_bytes().to_vec(),
            state,
        };
        self.stdout.frames.push_back(frame(state));
        self.stderr.frames.push_back(frame(false));
        self.stderr_ended = false;
        self.ending = None;
    }

    /// Takes bytes of a stream in.
    pub(in crate::ssh) fn feed(
        &mut self,
        stream: Stream,
        bytes: &[u8],
        sink: &mut impl FnMut(Event<'_>),
    ) {
        let side = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        let (ending, stderr_ended) = (&mut self.ending, &mut self.stderr_ended);
        side.feed(bytes, stream, &mut |found| match found {
            Found::Output(bytes) => sink(Event::Output(stream, bytes)),
            Found::Background(bytes) => sink(Event::Background(stream, bytes)),
            Found::Mark => *stderr_ended = true,
            Found::End(status, cwd) => *ending = Some((status, cwd)),
            Found::State(state) => sink(Event::State(state)),
            Found::Broken => sink(Event::Broken),
        });
        if self.stderr_ended
            && let Some((status, cwd)) = self.ending.take()
        {
            sink(Event::Ended { status, cwd });
        }
    }

    /// The shell has ended: bytes that were held back as a possible end of a frame are output.
    pub(in crate::ssh) fn finish(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        let sides = [
            (&mut self.stdout, Stream::Stdout),
            (&mut self.stderr, Stream::Stderr),
        ];
        for (side, stream) in sides {
            if let Stage::Open = side.stage {
                let held = std::mem::take(&mut side.held);
                sink(Event::Output(stream, &held));
            }
        }
    }
}

#[derive(Debug)]
struct Frame {
    token: Vec<u8>,
    /// The state follows the end.
    state: bool,
}

/// Where a stream stands in its current frame.
#[derive(Debug, Default)]
enum Stage {
    /// Between commands.
    #[default]
    Idle,
    /// In the output of a command.
    Open,
    /// Behind the mark of its end, up to a NUL.
    Trailer,
    /// Behind that, up to the mark of the state's end.
    State {
        /// More came than is kept.
        too_long: bool,
    },
}

enum Found<'a> {
    Output(&'a [u8]),
    Background(&'a [u8]),
    /// The end on stderr, which is nothing but the mark.
    Mark,
    End(u32, Vec<u8>),
    State(Option<Vec<u8>>),
    Broken,
}

/// One stream.
#[derive(Debug, Default)]
struct Side {
    /// Frames that were sent; the first is current.
    frames: VecDeque<Frame>,
    stage: Stage,
    /// Bytes that are not decided yet.
    held: Vec<u8>,
}

impl Side {
    fn feed(&mut self, bytes: &[u8], stream: Stream, sink: &mut impl FnMut(Found<'_>)) {
        let joined;
        let mut rest = bytes;
        if !self.held.is_empty() {
            let mut held = std::mem::take(&mut self.held);
            held.extend_from_slice(bytes);
            joined = held;
            rest = &joined;
        }
        while !rest.is_empty() {
            match self.step(rest, stream, sink) {
                Some(tail) => rest = tail,
                None => return,
            }
        }
    }

    /// Goes as far as the bytes decide. Returns the bytes behind, or `None` when the rest is held.
    fn step<'a>(
        &mut self,
        bytes: &'a [u8],
        stream: Stream,
        sink: &mut impl FnMut(Found<'_>),
    ) -> Option<&'a [u8]> {
        let Some(frame) = self.frames.front() else {
            sink(Found::Background(bytes));
            return None;
        };
        match &mut self.stage {
            Stage::Idle => {
                self.stage = Stage::Open;
                Some(bytes)
            }
            Stage::Open => {
                let mark = [&frame.token, b"e".as_slice()].concat();
                let (before, after) = split(bytes, &mark);
                if !before.is_empty() {
                    sink(Found::Output(before));
                }
                let Some(after) = after else {
                    self.held = bytes[before.len()..].to_vec();
                    return None;
                };
                if stream == Stream::Stderr {
                    sink(Found::Mark);
                    self.next_frame();
                } else {
                    self.stage = Stage::Trailer;
                }
                Some(after)
            }
            Stage::Trailer => {
                let Some(end) = memchr::memchr(0, bytes) else {
                    if bytes.len() > limits::SHELL_TRAILER_MAX_BYTES {
                        sink(Found::Broken);
                    } else {
                        self.held = bytes.to_vec();
                    }
                    return None;
                };
                match trailer(&bytes[..end]) {
                    Some((status, cwd)) => sink(Found::End(status, cwd)),
                    None => sink(Found::Broken),
                }
                if frame.state {
                    self.stage = Stage::State { too_long: false };
                } else {
                    self.next_frame();
                }
                Some(&bytes[end + 1..])
            }
            Stage::State { too_long } => {
                let mark = [&frame.token, b"z".as_slice()].concat();
                let (before, after) = split(bytes, &mark);
                let Some(after) = after else {
                    if *too_long || bytes.len() > limits::SHELL_STATE_MAX_BYTES {
                        *too_long = true;
                        self.held = bytes[before.len()..].to_vec();
                    } else {
                        self.held = bytes.to_vec();
                    }
                    return None;
                };
                let fits = !*too_long && before.len() <= limits::SHELL_STATE_MAX_BYTES;
                let state = fits.then(|| before.to_vec());
                sink(Found::State(state));
                self.next_frame();
                Some(after)
            }
        }
    }

    fn next_frame(&mut self) {
        self.frames.pop_front();
        self.stage = Stage::Idle;
    }
}

/// The bytes that certainly stand before a mark, and those behind the mark if the mark is there.
fn split<'a>(bytes: &'a [u8], mark: &[u8]) -> (&'a [u8], Option<&'a [u8]>) {
    if let Some(at) = Finder::new(mark).find(bytes) {
        return (&bytes[..at], Some(&bytes[at + mark.len()..]));
    }
    let longest = bytes.len().min(mark.len() - 1);
    let is_begin = |length: &usize| mark.starts_with(&bytes[bytes.len() - length..]);
    let begun = (1..=longest).rev().find(is_begin).unwrap_or(0);
    (&bytes[..bytes.len() - begun], None)
}

/// `STATUS CWD`
fn trailer(bytes: &[u8]) -> Option<(u32, Vec<u8>)> {
    let space = bytes.iter().position(|byte| *byte == b' ')?;
    let status = std::str::from_utf8(&bytes[..space]).ok()?.parse().ok()?;
    Some((status, bytes[space + 1..].to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";
    const NEXT: &str = "fedcba98765432100123456789abcdef";

    /// The events, with neighbouring pieces joined.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct Seen {
        stdout: Vec<u8>,
        stderr: Vec<u8>,
        background: Vec<u8>,
        ends: Vec<(u32, Vec<u8>)>,
        states: Vec<Option<Vec<u8>>>,
        broken: bool,
    }

    impl Seen {
        fn take(&mut self, event: Event<'_>) {
            match event {
                Event::Output(Stream::Stdout, bytes) => self.stdout.extend_from_slice(bytes),
                Event::Output(Stream::Stderr, bytes) => self.stderr.extend_from_slice(bytes),
                Event::Background(_, bytes) => self.background.extend_from_slice(bytes),
                Event::Ended { status, cwd } => self.ends.push((status, cwd)),
                Event::State(state) => self.states.push(state),
                Event::Broken => self.broken = true,
            }
        }
    }

    /// The bytes of a shell on stdout and stderr for a command with this output.
    fn streams(token: &str, stdout: &[u8], stderr: &[u8], state: Option<&[u8]>) -> [Vec<u8>; 2] {
        let mut out = stdout.to_vec();
        out.extend_from_slice(format!("{token}e7 /tmp\n\0").as_bytes());
        if let Some(state) = state {
            out.extend_from_slice(state);
            out.extend_from_slice(format!("{token}z").as_bytes());
        }
        let mut err = stderr.to_vec();
        err.extend_from_slice(format!("{token}e").as_bytes());
        [out, err]
    }

    /// Pieces of output, among them all that resembles a mark.
    fn output() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            Just(TOKEN.as_bytes().to_vec()),
            Just(TOKEN.as_bytes()[..17].to_vec()),
            Just(format!("{TOKEN}z").into_bytes()),
            Just(format!("{TOKEN} e0 /\0").into_bytes()),
            Just(format!("{NEXT}e0 /\0").into_bytes()),
            Just(vec![0]),
        ];
        let pieces = prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat());
        pieces.prop_filter("a mark, which nobody can guess", |bytes| {
            let has = |mark: String| Finder::new(&mark).find(bytes).is_some();
            !has(format!("{TOKEN}e")) && !has(format!("{TOKEN}z"))
        })
    }

    fn feed(
        reader: &mut FrameReader,
        seen: &mut Seen,
        stream: Stream,
        bytes: &[u8],
        cuts: &[usize],
    ) {
        let mut rest = bytes;
        for cut in cuts {
            let (piece, tail) = rest.split_at(cut % (rest.len() + 1));
            reader.feed(stream, piece, &mut |event| seen.take(event));
            rest = tail;
        }
        reader.feed(stream, rest, &mut |event| seen.take(event));
    }

    proptest! {
        #[test]
        fn output_comes_back_unchanged_however_it_is_cut(
            stdout in output(),
            stderr in output(),
            cuts in prop::collection::vec(0..60_usize, 0..40),
            stderr_first in any::<bool>(),
            told in prop::option::of(prop::collection::vec(any::<u8>(), 0..50)),
        ) {
            let [out, err] = streams(TOKEN, &stdout, &stderr, told.as_deref());
            let mut reader = FrameReader::default();
            let mut seen = Seen::default();
            reader.begin(TOKEN, told.is_some());
            let mut order = [(Stream::Stdout, &out), (Stream::Stderr, &err)];
            if stderr_first {
                order.reverse();
            }
            for (stream, bytes) in order {
                prop_assert!(seen.ends.is_empty());
                feed(&mut reader, &mut seen, stream, bytes, &cuts);
            }
            prop_assert_eq!(seen, Seen {
                stdout,
                stderr,
                ends: vec![(7, b"/tmp\n".to_vec())],
                states: told.map(Some).into_iter().collect(),
                ..Seen::default()
            });
        }

        #[test]
        fn no_bytes_at_all_make_it_panic(
            bytes in output(),
            cuts in prop::collection::vec(0..60_usize, 0..20),
        ) {
            let mut reader = FrameReader::default();
            let mut seen = Seen::default();
            reader.begin(TOKEN, true);
            feed(&mut reader, &mut seen, Stream::Stdout, &bytes, &cuts);
            reader.finish(&mut |event| seen.take(event));
            prop_assert_eq!(seen.stdout, bytes);
        }
    }

    #[test]
    fn two_commands_and_what_comes_between_them() {
        let mut reader = FrameReader::default();
        let mut seen = Seen::default();
        let mut take = |event: Event<'_>| seen.take(event);
        reader.begin(TOKEN, true);
        let [first, err] = streams(TOKEN, b"one", b"", Some(b"state"));
        reader.feed(Stream::Stderr, &err, &mut take);
        // The second command goes out while the first one's state is under way.
        let cut = first.len() - 3;
        reader.feed(Stream::Stdout, &first[..cut], &mut take);
        reader.begin(NEXT, false);
        let [second, err] = streams(NEXT, b"two", b"err", None);
        reader.feed(
            Stream::Stdout,
            &[&first[cut..], &second, b"late"].concat(),
            &mut take,
        );
        reader.feed(
            Stream::Stderr,
            &[&err, b"later".as_slice()].concat(),
            &mut take,
        );
        assert_eq!(seen.stdout, b"onetwo");
        assert_eq!(seen.stderr, b"err");
        assert_eq!(seen.background, b"latelater");
        assert_eq!(seen.ends.len(), 2);
        assert_eq!(seen.states, [Some(b"state".to_vec())]);
    }

    #[test]
    fn a_state_that_is_too_long_is_let_go() {
        let mut reader = FrameReader::default();
        let mut seen = Seen::default();
        reader.begin(TOKEN, true);
        let long = vec![b'x'; limits::SHELL_STATE_MAX_BYTES + 1];
        let [out, _] = streams(TOKEN, b"", b"", Some(&long));
        for chunk in out.chunks(32 * 1024) {
            reader.feed(Stream::Stdout, chunk, &mut |event| seen.take(event));
        }
        assert!(seen.states == [None], "it was kept");
        assert!(!seen.broken);
    }
}
