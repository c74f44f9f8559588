//! The spool of a command's output, kept for later reading.
//!
//! Both streams lie in a common sequence, in order of arrival, and can be read together or separately. Up to
//! 1 MiB lies in memory, more in an unlinked temporary file, where up to 64 MiB are kept whole. Beyond that the
//! first half stays, the second half is a ring of the newest bytes, and the bytes dropped between them are
//! counted and show as a gap. Offsets always count the bytes that were written, never the bytes that are left, so
//! offsets stay valid.
//!
//! A byte that is readable at an offset stays there or becomes part of a gap. The order of the streams is exact,
//! however often they alternate, at a cost of one bit for each byte (see `segment.rs`).
//!
//! Memory is bounded: nine eighths of [`OutputLimits::memory_bytes`], and about 50 bytes for each 64 KiB kept.
//! File access blocks: each read or write moves at most 64 KiB through the page cache, which costs less than a
//! change of thread.

mod medium;
mod page;
mod segment;
mod spool;
mod stream;

pub use page::{Page, Piece};
pub use spool::{Output, OutputLimits};
pub use stream::Stream;
