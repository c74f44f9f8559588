//! The part of a command's output that a result shows.

use crate::actors::job::outcome::Outcome;
use crate::actors::job::report::CommandReport;
use crate::limits;
use crate::output::Stream;
use crate::text::visible;
use crate::tools::render::{Block, Show, Skipped, excerpt, held_back, terminal_text};
use crate::tools::until::Until;

/// The part of an output that a result shows.
#[derive(Debug, Default)]
pub(in crate::tools) struct Shown {
    /// The host's text.
    pub(in crate::tools) blocks: Vec<Block>,
    /// Characters and bytes that were rewritten.
    pub(in crate::tools) escaped: u64,
    /// Bytes that were left out.
    pub(in crate::tools) omitted: u64,
    /// The end of the page, where the output is read in pages.
    pub(in crate::tools) paging: Option<Paging>,
    /// The result of `until`, where the call has one.
    pub(in crate::tools) until: Option<Until>,
    /// A remark on the selection, such as the number of matching lines.
    pub(in crate::tools) remark: Option<String>,
}

/// The end of a page of a job's output.
#[derive(Debug, Clone, Copy)]
pub(in crate::tools) struct Paging {
    /// Offset of the next page.
    pub(in crate::tools) next_offset: u64,
    /// Bytes behind this page.
    pub(in crate::tools) remaining: u64,
    /// The stream, or both.
    pub(in crate::tools) stream: Option<Stream>,
    /// A part before this page that was passed over.
    pub(in crate::tools) skipped: Option<Skipped>,
    /// The call named an offset, so the call for the next page has to name one too.
    pub(in crate::tools) explicit: bool,
}

/// The head and the tail of a command's output. The whole output of a job counts as read afterwards: the result names
/// the offset of the omitted part. While the command runs, an incomplete character at the end is left for the next
/// result.
pub(in crate::tools) fn head_and_tail(report: &CommandReport, max_bytes: usize) -> Shown {
    let output = report.output.lock();
    let mut budget = max_bytes;
    let is_running = report.outcome == Outcome::Running;
    let held = held_back(&output, report.pty).filter(|_| is_running);
    let shown = loop {
        let shown = excerpt(&output, budget, held, show(report.pty));
        if fits(&shown.blocks) {
            break shown;
        }
        budget /= 2;
    };
    if let Some(record) = &report.record {
        record.mark_all_read(&output, held);
    }
    Shown {
        blocks: shown.blocks,
        escaped: shown.escaped,
        omitted: shown.omitted_bytes,
        ..Shown::default()
    }
}

/// The rendering of a command's bytes; a terminal's escape sequences are played out.
fn show(pty: bool) -> Show {
    if pty { terminal_text } else { visible }
}

/// Whether the blocks fit into a result: escapes can make a text several times as long as its bytes.
pub(in crate::tools) fn fits(blocks: &[Block]) -> bool {
    blocks.iter().map(wire_bytes).sum::<usize>() <= limits::RESULT_TEXT_MAX_BYTES
}

/// Size of a block as JSON, where a backslash takes two bytes.
fn wire_bytes(block: &Block) -> usize {
    let Block::Text { text, .. } = block else {
        return 0;
    };
    let escaped = text
        .bytes()
        .filter(|byte| matches!(byte, b'\\' | b'"' | b'\n'));
    text.len() + escaped.count()
}
