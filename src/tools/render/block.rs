//! The unit that excerpts, pages and searches are made of.

use crate::output::Stream;
use crate::text::Visible;

/// A function that turns the bytes of a block into text: [`visible`](crate::text::visible), or
/// [`terminal_text`](super::terminal_text).
pub type Show = fn(&[u8]) -> Visible;

/// A block of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// Text of a stream, made visible.
    Text {
        /// The stream.
        stream: Stream,
        /// The text; never empty.
        text: String,
    },
    /// A part of a stream that is left out between two blocks of the stream.
    Omitted {
        /// The stream.
        stream: Stream,
        /// Offset of the part in the stream.
        offset_bytes: u64,
        /// Size of the part.
        bytes: u64,
        /// Newlines in the part.
        lines: u64,
        /// Bytes of the part that are no longer kept, so that no later call can read them.
        dropped_bytes: u64,
        /// Offset of the first byte of the part that is kept, if any is.
        readable_from: Option<u64>,
    },
}
