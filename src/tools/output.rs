//! `ssh_output`: reads a job's output forward from the unread part, by offset, by pattern, or as a screen.

use std::sync::Arc;
use std::time::Duration;

use regex::bytes::Regex;
use rmcp::model::CallToolResult;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::command_result::{self, Paging, Shown};
use super::error::ToolError;
use super::line_watch::LineWatch;
use super::render::{self, Block, PageView};
use super::tool::{Call, Hints, Tool};
use super::until::Until;
use super::{parameters, progress, transfer};
use crate::actors::SessionError;
use crate::actors::job::record::JobRecord;
use crate::actors::output::OutputWatch;
use crate::error::ErrorCode;
use crate::limits;
use crate::output::Stream;

/// The tool.
pub(super) struct Output;

/// Parameters of `ssh_output`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Parameters {
    job: String,
    /// Wait for the end, or with grep for a match; default 0, at most 50000
    wait_ms: Option<u64>,
    /// Return when an unread line matches this
    until: Option<String>,
    /// Default both. screen: the terminal of a pty job
    stream: Option<Selection>,
    /// Start here, negative: from the end; default: the unread part
    offset_bytes: Option<i64>,
    /// Only lines that match this regular expression, with their numbers
    grep: Option<String>,
    /// Default 8192, at most 262144
    max_output_bytes: Option<u64>,
}

/// The part of the output to read.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum Selection {
    Stdout,
    Stderr,
    Both,
    Screen,
}

impl Selection {
    const fn stream(self) -> Option<Stream> {
        match self {
            Self::Stdout => Some(Stream::Stdout),
            Self::Stderr => Some(Stream::Stderr),
            Self::Both | Self::Screen => None,
        }
    }
}

impl Tool for Output {
    type Parameters = Parameters;
    const NAME: &'static str = "ssh_output";
    const TITLE: &'static str = "Read a job";
    const DESCRIPTION: &'static str = "Read a job's output and its end: the unread part, or pages by offsetBytes. With waitMs, wait for the end and show the unread part's tail.";
    const HINTS: Hints = Hints {
        read_only: true,
        destructive: false,
        idempotent: false,
    };

    async fn call(call: Call, parameters: Parameters) -> Result<CallToolResult, ToolError> {
        let wait = parameters::duration("waitMs", parameters.wait_ms, limits::WAIT_MAX)?
            .unwrap_or_default();
        let max = parameters::max_output(parameters.max_output_bytes)?;
        let until = parameters::until(parameters.until.as_deref())?;
        let grep = parameters.grep.as_deref();
        let pattern = grep
            .map(|text| parameters::pattern("grep", text))
            .transpose()?;
        let record = call.supervisor.job(&parameters.job).await?;
        if let Some(transfer) = record.transfer() {
            return transfer::wait_and_render(&call, &record, transfer, wait).await;
        }
        let selection = parameters.stream.unwrap_or(Selection::Both);
        if selection == Selection::Screen && !record.has_terminal() {
            return Err(ToolError::invalid(format!(
                "job {} has no terminal, so it has no screen; read stdout or stderr, or start it with pty: true",
                record.name
            )));
        }
        let stream = selection.stream();
        let watch = OutputWatch::default();
        watch.set(record.output.clone());
        let _progress = progress::report_output(&call.context, watch);
        let reader = Reader {
            record: Arc::clone(&record),
            stream,
            offset: parameters.offset_bytes,
            max,
            waits: !wait.is_zero(),
            condition_from: 0,
        };
        let condition = until.as_ref().or(pattern.as_ref());
        let matched = reader
            .wait(Instant::now() + wait, &call.context.ct, condition)
            .await;
        if call.context.ct.is_cancelled() {
            // The client gets no answer, so nothing counts as read.
            return Err(ToolError::cancelled());
        }
        // The outcome is read before the output: output that arrives in between stays unread, and is not lost.
        let report = record.report().map_err(ToolError::of_command)?;
        let mut shown = match (selection, pattern) {
            (Selection::Screen, _) => reader.blocking(Reader::screen).await?,
            (_, Some(pattern)) => {
                reader
                    .blocking(move |reader| reader.search(&pattern))
                    .await?
            }
            (_, None) => reader.blocking(Reader::page).await?,
        };
        shown.until = until.map(|_| Until { matched });
        if record.is_discarded() {
            let dropped = SessionError::NoSuchJob {
                name: record.name.clone(),
                dropped: true,
            };
            return Err(dropped.into());
        }
        Ok(command_result::render(&report, &shown))
    }
}

/// A selection of a job's output.
#[derive(Clone)]
struct Reader {
    record: Arc<JobRecord>,
    stream: Option<Stream>,
    /// The requested offset; without an offset, reading starts at the mark of the unread part.
    offset: Option<i64>,
    max: usize,
    /// The call waits: a page is the end of the unread part, and a search is about the unread part.
    waits: bool,
    /// A condition is about the output from here on.
    condition_from: u64,
}

/// Input that was sent to a job, and how long to wait for the output that follows.
pub(super) struct Answer {
    /// Bytes of output at the time of the input.
    pub(super) output_before: u64,
    pub(super) wait: Duration,
    pub(super) until: Option<Regex>,
}

/// Waits for the output that follows an input, and shows the unread part's tail. The wait also ends
/// when the job seems to wait for the next input.
pub(super) async fn follow(
    call: &Call,
    record: &Arc<JobRecord>,
    answer: Answer,
) -> Result<CallToolResult, ToolError> {
    let reader = Reader {
        record: Arc::clone(record),
        stream: None,
        offset: None,
        max: limits::OUTPUT_DEFAULT_BYTES,
        waits: true,
        condition_from: answer.output_before,
    };
    let until = answer.until;
    let deadline = Instant::now() + answer.wait;
    let matched = reader
        .wait(deadline, &call.context.ct, until.as_ref())
        .await;
    if call.context.ct.is_cancelled() {
        return Err(ToolError::cancelled());
    }
    let report = record.report().map_err(ToolError::of_command)?;
    let mut shown = reader.blocking(Reader::page).await?;
    shown.until = until.map(|_| Until { matched });
    Ok(command_result::render(&report, &shown))
}

impl Reader {
    /// Waits until a line matches, the job has ended or waits for input, the page that was asked for is full, or the time is over. Returns
    /// the offset of the match.
    async fn wait(
        &self,
        deadline: Instant,
        cancelled: &CancellationToken,
        condition: Option<&Regex>,
    ) -> Option<u64> {
        let output = &self.record.output;
        let start = self.start(output.lock().len(self.stream));
        let start = start.max(self.condition_from);
        let terminal = self.record.has_terminal();
        let mut lines =
            condition.map(|pattern| LineWatch::new(pattern, self.stream, start, terminal));
        let matched = async {
            match &mut lines {
                Some(lines) => lines.wait(output).await,
                None => std::future::pending().await,
            }
        };
        let matched = tokio::select! {
            at = matched => Some(at),
            () = self.page_is_full(), if condition.is_none() && self.offset.is_some() => None,
            () = self.record.wait_ended() => None,
            () = self.record.wait_for_prompt() => None,
            () = cancelled.cancelled() => None,
            () = sleep_until(deadline) => None,
        };
        match condition {
            // The last output may not have been examined.
            Some(pattern) if matched.is_none() => {
                let mut lines = LineWatch::new(pattern, self.stream, start, terminal);
                lines.look(output).await
            }
            _ => matched,
        }
    }

    async fn page_is_full(&self) {
        let mut arrived = self.record.output.subscribe();
        while !self.has_page() {
            // The sender lives as long as the record.
            let _ = arrived.changed().await;
        }
    }

    fn has_page(&self) -> bool {
        let length = self.record.output.lock().len(self.stream);
        length.saturating_sub(self.start(length)) >= self.max as u64
    }

    fn start(&self, length: u64) -> u64 {
        match self.offset {
            None => self.record.mark(self.stream),
            Some(offset) if offset < 0 => length.saturating_sub(offset.unsigned_abs()),
            Some(offset) => offset.unsigned_abs(),
        }
    }

    /// Runs `work` on a blocking thread: searching and rendering take time.
    async fn blocking(
        self,
        work: impl FnOnce(&Self) -> Shown + Send + 'static,
    ) -> Result<Shown, ToolError> {
        let shown = tokio::task::spawn_blocking(move || work(&self)).await;
        shown.map_err(|error| {
            ToolError::new(
                ErrorCode::Internal,
                format!("the output cannot be shown: {error}"),
            )
        })
    }

    /// Reads a page. An explicit offset does not move the mark.
    fn page(&self) -> Shown {
        let ended = self.record.ended().is_some();
        let output = self.record.output.lock();
        let start = self.start(output.len(self.stream));
        let part = if self.waits && self.offset.is_none() {
            render::tail
        } else {
            render::page
        };
        let view = fitting(self.max, |max| {
            part(
                &output,
                self.stream,
                start,
                max,
                ended,
                self.record.has_terminal(),
            )
        });
        if self.offset.is_none() {
            self.record.set_mark(self.stream, view.next_offset);
        }
        let paging = Paging {
            next_offset: view.next_offset,
            remaining: view.remaining,
            stream: self.stream,
            skipped: view.skipped,
            explicit: self.offset.is_some(),
        };
        Shown {
            blocks: view.blocks,
            escaped: view.escaped,
            omitted: view.skipped.map_or(0, |skipped| skipped.bytes),
            paging: Some(paging),
            ..Shown::default()
        }
    }

    /// Searches the whole output, the unread part if the call waits, or the part from the requested offset on.
    fn search(&self, pattern: &Regex) -> Shown {
        let length = self.record.output.lock().len(self.stream);
        let start = if self.waits || self.offset.is_some() {
            self.start(length)
        } else {
            0
        };
        // The lock is released between pieces: the reader of the channel must not wait for a search.
        let read = |offset, bytes| self.record.output.lock().read(self.stream, offset, bytes);
        let found = render::find_matches(read, start, pattern, self.max);
        let remark = found.remark();
        let has_text = !found.text.is_empty();
        let block = Block::Text {
            stream: self.stream.unwrap_or(Stream::Stdout),
            text: found.text,
        };
        let blocks = has_text.then_some(block).into_iter().collect();
        Shown {
            blocks,
            escaped: found.escaped,
            remark: Some(remark),
            ..Shown::default()
        }
    }

    /// Renders the screen of a terminal after the last output.
    fn screen(&self) -> Shown {
        let length = self.record.output.lock().len(None);
        let start = length.saturating_sub(limits::SCREEN_REPLAY_BYTES as u64);
        let page = self
            .record
            .output
            .lock()
            .read(None, start, limits::SCREEN_REPLAY_BYTES);
        let text = render::screen_text(&page.bytes()).text;
        let block = Block::Text {
            stream: Stream::Stdout,
            text,
        };
        Shown {
            blocks: vec![block],
            remark: Some("the screen as it is now".to_owned()),
            ..Shown::default()
        }
    }
}

/// Shrinks a page until its text, which escapes make longer, fits into a result.
fn fitting(max: usize, page: impl Fn(usize) -> PageView) -> PageView {
    let mut budget = max;
    loop {
        let view = page(budget);
        if command_result::fits(&view.blocks) || budget <= 1 {
            return view;
        }
        budget /= 2;
    }
}
