//! The result of a command: a status line of this program, then the host's text in blocks by stream.
//!
//! [`CommandFacts`] describes the result once. The status line and the record in `_meta` are both made from the facts
//! alone, so neither can say something that the other does not know.

mod blocks;
mod facts;
mod meta;
mod shown;
mod status_line;

use rmcp::model::{CallToolResult, ContentBlock, MetaObject};

use self::facts::CommandFacts;
pub(super) use self::shown::{Paging, Shown, fits, head_and_tail};
use super::error::{ERROR_META, ToolError};
use crate::actors::job::outcome::Outcome;
use crate::actors::job::report::CommandReport;

/// Key in `_meta` of the record of a command or a transfer.
pub(super) const RESULT_META: &str = "mcp-ssh-sessions/result";

/// Renders a command and the part of its output that is shown.
pub(super) fn render(report: &CommandReport, shown: &Shown) -> CallToolResult {
    let facts = CommandFacts::new(report, shown);
    let mut content = vec![ContentBlock::text(status_line::render(&facts))];
    content.extend(
        shown
            .blocks
            .iter()
            .map(|block| blocks::stream(block, &report.job)),
    );
    content.extend(report.shell.iter().flat_map(blocks::background));
    content.extend(facts.server_words.as_deref().map(blocks::server_words));
    let mut result = CallToolResult::success(content);
    let mut meta = MetaObject::new();
    meta.insert(RESULT_META.to_owned(), meta::record(&facts));
    if let Outcome::ConnectionLost(reason) = &report.outcome {
        result.is_error = Some(true);
        let error = ToolError::connection_lost(reason.to_string());
        meta.insert(ERROR_META.to_owned(), error.meta());
    }
    result.meta = Some(meta);
    result
}
