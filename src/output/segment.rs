//! A stretch of a spool, and the stream of each of its bytes.
//!
//! The bytes of both streams lie in a common sequence, in order of arrival. A list of runs would grow with every
//! change of stream, up to an entry for each byte; a bit for each byte costs an eighth of the bytes at most, and
//! a stretch of a single stream needs no bits.

use std::borrow::Cow;

use super::stream::Stream;

/// A stretch of the sequence, at most one grain long, that does not cross a multiple of the grain.
#[derive(Debug)]
pub(super) struct Segment {
    /// Start in the sequence of both streams.
    pub(super) start: u64,
    /// Bytes of both streams in the segment.
    pub(super) len: u64,
    /// Bytes of stdout before the segment.
    stdout_before: u64,
    /// Bytes of stdout in the segment.
    stdout_len: u64,
    /// The stream of each byte.
    pub(super) order: Order,
}

/// The stream of each byte of a segment.
#[derive(Debug)]
pub(super) enum Order {
    /// All bytes are of one stream.
    One(Stream),
    /// One bit for each byte, lowest bit first: clear for stdout, set for stderr.
    Mixed(Vec<u8>),
    /// As `Mixed`, with the bits in the temporary file.
    Stored,
}

impl Segment {
    /// An empty segment at `start`, after `stdout_before` bytes of stdout.
    pub(super) fn new(start: u64, stdout_before: u64, stream: Stream) -> Self {
        Self {
            start,
            len: 0,
            stdout_before,
            stdout_len: 0,
            order: Order::One(stream),
        }
    }

    /// End in the sequence of both streams.
    pub(super) fn end(&self) -> u64 {
        self.start + self.len
    }

    /// Start, counted in `stream`.
    pub(super) fn start_in(&self, stream: Option<Stream>) -> u64 {
        match stream {
            None => self.start,
            Some(Stream::Stdout) => self.stdout_before,
            Some(Stream::Stderr) => self.start - self.stdout_before,
        }
    }

    /// End, counted in `stream`.
    pub(super) fn end_in(&self, stream: Option<Stream>) -> u64 {
        let inside = match stream {
            None => self.len,
            Some(Stream::Stdout) => self.stdout_len,
            Some(Stream::Stderr) => self.len - self.stdout_len,
        };
        self.start_in(stream) + inside
    }

    /// Records `count` more bytes of `stream` at the end.
    pub(super) fn extend(&mut self, stream: Stream, count: u64) {
        match &mut self.order {
            Order::One(only) if *only == stream => {}
            Order::One(only) => {
                let mut bits = Vec::new();
                push_bits(&mut bits, 0, self.len, *only);
                push_bits(&mut bits, self.len, self.len + count, stream);
                self.order = Order::Mixed(bits);
            }
            Order::Mixed(bits) => push_bits(bits, self.len, self.len + count, stream),
            // Only a full segment is stored, and a full segment is never extended.
            Order::Stored => debug_assert!(false, "a stored segment is full"),
        }
        self.len += count;
        if stream == Stream::Stdout {
            self.stdout_len += count;
        }
    }
}

/// The order of a segment, readable.
#[derive(Debug)]
pub(super) enum OrderView<'a> {
    /// All bytes are of one stream.
    One(Stream),
    /// One bit for each byte, as in [`Order::Mixed`].
    Mixed(Cow<'a, [u8]>),
}

impl OrderView<'_> {
    /// The stream of the byte at `at` and the end of that stream's run, at most `end`; both positions count from
    /// the start of the segment.
    pub(super) fn run(&self, at: u64, end: u64) -> (Stream, u64) {
        match self {
            Self::One(stream) => (*stream, end),
            Self::Mixed(bits) => run_of_bits(bits, at, end),
        }
    }

    /// Number of the first `end` bytes that belong to `stream`.
    pub(super) fn count(&self, stream: Option<Stream>, end: u64) -> u64 {
        let (mut at, mut count) = (0, 0);
        while at < end {
            let (of, run_end) = self.run(at, end);
            if stream.is_none_or(|stream| stream == of) {
                count += run_end - at;
            }
            at = run_end;
        }
        count
    }

    /// The same order, in memory.
    pub(super) fn into_order(self) -> Order {
        match self {
            Self::One(stream) => Order::One(stream),
            Self::Mixed(bits) => Order::Mixed(bits.into_owned()),
        }
    }
}

/// Appends the bits from `from` to `to`; `bits` holds those before `from`.
fn push_bits(bits: &mut Vec<u8>, from: u64, to: u64, stream: Stream) {
    let fill = if stream == Stream::Stderr { 0xff } else { 0 };
    // The last byte has room for a few bits more; those above it are still clear.
    if !from.is_multiple_of(8)
        && let Some(last) = bits.last_mut()
    {
        *last |= fill << (from % 8);
    }
    bits.resize(to.div_ceil(8) as usize, fill);
    // Bits behind the end are clear, so that the next run can be or-ed in.
    if !to.is_multiple_of(8)
        && let Some(last) = bits.last_mut()
    {
        *last &= !(0xff << (to % 8));
    }
}

/// See [`OrderView::run`].
fn run_of_bits(bits: &[u8], at: u64, end: u64) -> (Stream, u64) {
    let byte = |at: u64| bits.get((at / 8) as usize).copied().unwrap_or(0);
    let (stream, same) = match (byte(at) >> (at % 8)) & 1 {
        0 => (Stream::Stdout, 0),
        _ => (Stream::Stderr, 0xff),
    };
    let mut seek = at;
    while seek < end {
        let differing = (byte(seek) ^ same) >> (seek % 8);
        if differing != 0 {
            return (
                stream,
                end.min(seek + u64::from(differing.trailing_zeros())),
            );
        }
        seek = (seek / 8 + 1) * 8;
    }
    (stream, end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn streams() -> impl Strategy<Value = Vec<(Stream, u64)>> {
        let stream = prop_oneof![Just(Stream::Stdout), Just(Stream::Stderr)];
        prop::collection::vec((stream, 0..40_u64), 0..40)
    }

    proptest! {
        #[test]
        fn runs_are_those_that_were_put_in(runs in streams()) {
            let first = runs.first().map_or(Stream::Stdout, |(stream, _)| *stream);
            let mut segment = Segment::new(0, 0, first);
            let mut expected = Vec::new();
            for (stream, count) in runs {
                segment.extend(stream, count);
                expected.extend((0..count).map(|_| stream));
            }
            let order = match &segment.order {
                Order::One(stream) => OrderView::One(*stream),
                Order::Mixed(bits) => OrderView::Mixed(bits.into()),
                Order::Stored => unreachable!("nothing stores it here"),
            };
            let mut seen = Vec::new();
            while (seen.len() as u64) < segment.len {
                let (stream, end) = order.run(seen.len() as u64, segment.len);
                prop_assert!(end > seen.len() as u64);
                prop_assert_ne!(seen.last(), Some(&stream));
                seen.resize(end as usize, stream);
            }
            for stream in Stream::ALL {
                let count = expected.iter().filter(|of| **of == stream).count() as u64;
                prop_assert_eq!(order.count(Some(stream), segment.len), count);
                prop_assert_eq!(segment.end_in(Some(stream)), count);
            }
            prop_assert_eq!(seen, expected);
        }
    }
}
