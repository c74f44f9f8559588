//! `until`: a command hands over when a line of its output matches.

use regex::bytes::Regex;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::error::ToolError;
use super::line_watch::{LineWatch, wait_for_match};
use crate::actors::SessionError;
use crate::actors::job::report::CommandReport;
use crate::actors::output::OutputWatch;
use crate::actors::request::ExecRequest;
use crate::limits;

/// The result of a call with `until`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Until {
    /// Offset of the match in the output of both streams, or in the stream that was asked for.
    pub(super) matched: Option<u64>,
}

/// The condition of a call that runs a command.
pub(super) struct Condition {
    until: Option<Regex>,
    pty: bool,
    watch: OutputWatch,
    hand_over: CancellationToken,
}

impl Condition {
    pub(super) fn new(until: Option<Regex>, request: &ExecRequest) -> Self {
        Self {
            until,
            pty: request.pty,
            watch: request.watch.clone(),
            hand_over: request.hand_over.clone(),
        }
    }

    /// Waits for the report of the command, which a match brings about soon.
    pub(super) async fn answer(
        self,
        report: impl Future<Output = Result<CommandReport, SessionError>>,
    ) -> Result<(CommandReport, Option<Until>), ToolError> {
        let Some(pattern) = &self.until else {
            let report = report.await.map_err(ToolError::of_command)?;
            return Ok((report, None));
        };
        tokio::pin!(report);
        let (report, matched) = tokio::select! {
            report = &mut report => (report, None),
            at = wait_for_match(pattern, self.pty, &self.watch) => {
                // The end of a command whose last line matches follows at once, and saves the caller a call.
                let report = match timeout(limits::UNTIL_END_GRACE, &mut report).await {
                    Ok(report) => report,
                    Err(_) => {
                        self.hand_over.cancel();
                        report.await
                    }
                };
                (report, Some(at))
            }
        };
        let report = report.map_err(ToolError::of_command)?;
        let matched = match matched {
            Some(at) => Some(at),
            // The command ended, or the wait was over, before the last output was examined.
            None => {
                LineWatch::new(pattern, None, 0, self.pty)
                    .look(&report.output)
                    .await
            }
        };
        Ok((report, Some(Until { matched })))
    }
}
