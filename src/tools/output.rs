//! `ssh_output`: reads a job's output forward from the unread part, by offset, by pattern, or as a screen.

use std::sync::Arc;

use regex::bytes::{Regex, RegexBuilder};
use rmcp::model::CallToolResult;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::command_result::{self, Paging, Shown};
use super::error::ToolError;
use super::render::{self, Block, PageView};
use super::tool::{Call, Hints, Tool};
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
    /// Wait for the end or a full page; default 0, at most 50000
    wait_ms: Option<u64>,
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
    const DESCRIPTION: &'static str = "Read a job's output and its end: the unread part, or pages by offsetBytes. With waitMs, wait for the end.";
    const HINTS: Hints = Hints {
        read_only: true,
        destructive: false,
        idempotent: false,
    };

    async fn call(call: Call, parameters: Parameters) -> Result<CallToolResult, ToolError> {
        let wait = parameters::duration("waitMs", parameters.wait_ms, limits::WAIT_MAX)?
            .unwrap_or_default();
        let max = parameters::max_output(parameters.max_output_bytes)?;
        let pattern = parameters.grep.as_deref().map(pattern).transpose()?;
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
        };
        reader.wait(Instant::now() + wait, &call.context.ct).await;
        if call.context.ct.is_cancelled() {
            // The client gets no answer, so nothing counts as read.
            return Err(ToolError::cancelled());
        }
        // The outcome is read before the output: output that arrives in between stays unread, and is not lost.
        let report = record.report().map_err(ToolError::of_command)?;
        let shown = match (selection, pattern) {
            (Selection::Screen, _) => reader.blocking(Reader::screen).await?,
            (_, Some(pattern)) => {
                reader
                    .blocking(move |reader| reader.search(&pattern))
                    .await?
            }
            (_, None) => reader.blocking(Reader::page).await?,
        };
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

fn pattern(text: &str) -> Result<Regex, ToolError> {
    // The automaton is bounded, because the pattern comes from a model.
    let built = RegexBuilder::new(text)
        .size_limit(limits::GREP_AUTOMATON_MAX_BYTES)
        .build();
    built.map_err(|error| ToolError::invalid(format!("grep: {error}")))
}

/// A selection of a job's output.
#[derive(Clone)]
struct Reader {
    record: Arc<JobRecord>,
    stream: Option<Stream>,
    /// The requested offset; without an offset, reading starts at the mark of the unread part.
    offset: Option<i64>,
    max: usize,
}

impl Reader {
    /// Waits until the job has ended, a page is full, or the time is over.
    async fn wait(&self, deadline: Instant, cancelled: &CancellationToken) {
        let mut arrived = self.record.output.subscribe();
        let ended = self.record.wait_ended();
        tokio::pin!(ended);
        while !self.has_page() {
            tokio::select! {
                () = &mut ended => return,
                () = cancelled.cancelled() => return,
                () = sleep_until(deadline) => return,
                // The sender lives as long as the record.
                _ = arrived.changed() => {}
            }
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
        let view = fitting(self.max, |max| {
            render::page(
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
            explicit: self.offset.is_some(),
        };
        Shown {
            blocks: view.blocks,
            escaped: view.escaped,
            omitted: 0,
            paging: Some(paging),
            remark: None,
        }
    }

    /// Searches the whole output, or the part from the requested offset on.
    fn search(&self, pattern: &Regex) -> Shown {
        let length = self.record.output.lock().len(self.stream);
        let start = self.offset.map_or(0, |_| self.start(length));
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
            omitted: 0,
            paging: None,
            remark: Some(remark),
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
