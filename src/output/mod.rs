//! The spool of one command's output: what a command has written, kept for later reading.
//!
//! Both streams lie in one sequence, in order of arrival, and can be read as that sequence or one by one. Up to
//! 1 MiB lies in memory, more in an unlinked temporary file, where up to 64 MiB are kept whole. Beyond that the
//! first half stays, the second half is a ring of the newest bytes, and what fell out between them is counted
//! and shows as a gap. Offsets always count what was written, never what is left, so they stay valid.
//!
//! What is once readable at an offset stays there or becomes a gap: the order of the streams is exact, however
//! often they alternate, at one bit of the file for each byte (see `segment.rs`).
//!
//! Memory is bounded: [`OutputLimits::memory_bytes`] and an eighth of it, and about 50 bytes for each 64 KiB kept.
//! File access is blocking: reads and writes of at most 64 KiB each that end in the page cache, and no more bytes
//! than are asked for, which is not worth a change of thread.

mod medium;
mod page;
mod segment;
mod spool;
mod stream;

pub use page::{Page, Piece};
pub use spool::{Output, OutputLimits};
pub use stream::Stream;
