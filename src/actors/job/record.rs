//! The record of a job, shared between its actor, its task, its session and those who read its output.
//!
//! A record outlives its actor: the output of an ended job can be read until the session drops the record.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::ended_by::EndedBy;
use super::kind::JobKind;
use super::outcome::{Outcome, ShellFacts};
use super::transfer::TransferJob;
use crate::actors::error::SessionError;
use crate::actors::output::SharedOutput;
use crate::error::Fate;
use crate::limits;
use crate::output::{Output, Stream};
use crate::ssh::ending::Signal;
use crate::ssh::exec::Input;
use crate::store::SessionName;

/// A command or transfer, running or ended.
#[derive(Debug)]
pub struct JobRecord {
    /// `<session>-<n>`.
    pub name: String,
    /// The session of the job.
    pub session: SessionName,
    /// The command as given, or a line that says the same of a transfer.
    pub command: String,
    /// Command or transfer.
    pub kind: JobKind,
    /// The output of a command; a transfer has none.
    pub output: SharedOutput,
    /// The session had to connect for the job.
    pub(crate) reconnected: bool,
    discarded: AtomicBool,
    sent: AtomicBool,
    started: Mutex<Instant>,
    ended: watch::Sender<Option<Ended>>,
    marks: Mutex<Marks>,
    /// Gone once the input is closed.
    input: Mutex<Option<mpsc::Sender<Input>>>,
    signals: mpsc::Sender<Signal>,
    stop: Mutex<StopRequests>,
    /// Bytes of output when the last input was given.
    answered_at: Mutex<Option<u64>>,
}

/// The requests to end a job so far.
#[derive(Debug, Default, Clone, Copy)]
struct StopRequests {
    /// Who told the job to end first.
    by: Option<EndedBy>,
    /// The last signal of `ssh_input`.
    sent: Option<Signal>,
}

/// The end of a job.
#[derive(Debug, Clone)]
pub struct Ended {
    /// How the job ended, or why nothing ran.
    pub outcome: Result<Outcome, SessionError>,
    /// Time from the start to the end.
    pub elapsed: Duration,
    /// A background process of the command still held the output.
    pub held_by_background: bool,
    /// How the process ended by the host's account, where the outcome is that it was told to end.
    pub own_end: Option<Outcome>,
    /// Who ended the job, if the job did not end by itself.
    pub ended_by: Option<EndedBy>,
}

/// How far the output has been read, for each way of reading it.
#[derive(Debug, Default, Clone, Copy)]
struct Marks {
    stdout: u64,
    stderr: u64,
    both: u64,
}

/// The beginning of a record.
#[derive(Debug)]
pub(crate) struct JobDescription {
    pub(crate) kind: JobKind,
    /// The command as given, or a line that says the same of a transfer.
    pub(crate) command: String,
    /// Text for the stdin of a command.
    pub(crate) stdin: Option<String>,
    /// More input may follow.
    pub(crate) interactive: bool,
}

/// The receiving ends of a record's queues, for the task of the job.
#[derive(Debug)]
pub(crate) struct JobInbox {
    pub(crate) input: mpsc::Receiver<Input>,
    pub(crate) signals: mpsc::Receiver<Signal>,
}

impl Ended {
    /// The end of a job that failed inside this program.
    pub(crate) fn without_outcome(error: SessionError, record: &JobRecord) -> Self {
        Self {
            outcome: Err(error),
            elapsed: record.running_for(),
            held_by_background: false,
            own_end: None,
            ended_by: None,
        }
    }
}

impl JobRecord {
    /// The record of a job that is about to start.
    pub(crate) fn new(
        session: &SessionName,
        number: u64,
        description: JobDescription,
        reconnected: bool,
    ) -> (Arc<Self>, JobInbox) {
        let (sender, input) = mpsc::channel(limits::JOB_INPUT_QUEUE);
        let (signals, signal_receiver) = mpsc::channel(limits::JOB_INPUT_QUEUE);
        if let Some(text) = description.stdin {
            // The queue is empty and its receiver is alive.
            let _ = sender.try_send(Input::Data(text.into_bytes().into()));
        }
        let record = Self {
            name: format!("{session}-{number}"),
            session: session.clone(),
            command: description.command,
            kind: description.kind,
            output: SharedOutput::default(),
            reconnected,
            discarded: AtomicBool::new(false),
            sent: AtomicBool::new(false),
            started: Mutex::new(Instant::now()),
            ended: watch::Sender::new(None),
            marks: Mutex::default(),
            input: Mutex::new(description.interactive.then_some(sender)),
            signals,
            stop: Mutex::default(),
            answered_at: Mutex::default(),
        };
        let inbox = JobInbox {
            input,
            signals: signal_receiver,
        };
        (Arc::new(record), inbox)
    }

    /// The transfer, if the job is no command.
    pub fn transfer(&self) -> Option<&Arc<TransferJob>> {
        match &self.kind {
            JobKind::Transfer(transfer) => Some(transfer),
            JobKind::Command { .. } | JobKind::ShellCommand { .. } => None,
        }
    }

    /// Whether the command runs on a terminal.
    pub fn has_terminal(&self) -> bool {
        matches!(self.kind, JobKind::Command { pty: true, .. })
    }

    /// Whether the job has the session's shell.
    pub(crate) fn is_in_shell(&self) -> bool {
        matches!(self.kind, JobKind::ShellCommand { .. })
    }

    /// The error of a job that failed inside this program.
    pub(crate) fn crashed(&self) -> SessionError {
        SessionError::Crashed {
            name: self.session.clone(),
            fate: self.fate_if_dropped(),
        }
    }

    /// The fate of a job whose actor is gone before the end.
    pub(super) fn fate_if_dropped(&self) -> Fate {
        if self.is_sent() {
            Fate::Unknown
        } else {
            Fate::NotSent
        }
    }

    /// Sets the state of the shell: when the command goes out, and when it has ended.
    pub(crate) fn set_shell(&self, facts: ShellFacts) {
        self.kind.set_shell(facts);
    }

    /// The request goes out now: from here on the work may be done.
    pub(crate) fn mark_sent(&self) {
        self.sent.store(true, Ordering::Relaxed);
        *lock(&self.started) = Instant::now();
    }

    /// Whether the exec request went out; until then the command waits for a channel.
    pub fn is_sent(&self) -> bool {
        self.sent.load(Ordering::Relaxed)
    }

    /// Ends the job for everybody who waits for the end.
    pub(crate) fn mark_ended(&self, ended: Ended) {
        lock(&self.input).take();
        self.ended.send_replace(Some(ended));
    }

    /// Adds output.
    pub(crate) fn append(&self, stream: Stream, bytes: &[u8]) {
        self.output.append(stream, bytes);
    }

    /// Bytes of memory, and bytes kept in all.
    pub(crate) fn size(&self) -> (usize, u64) {
        let output = self.output.lock();
        (
            output.memory_bytes(),
            output.len(None) - output.dropped(None),
        )
    }

    /// Drops the output to make room for newer jobs.
    pub(crate) fn discard_output(&self) {
        self.discarded.store(true, Ordering::Relaxed);
        *self.output.lock() = Output::default();
    }

    /// Whether the output was dropped to make room.
    pub fn is_discarded(&self) -> bool {
        self.discarded.load(Ordering::Relaxed)
    }

    /// Time from the start until now; before the start, the time of waiting for a channel.
    pub fn running_for(&self) -> Duration {
        lock(&self.started).elapsed()
    }

    /// Whether the job has ended and nothing of it may still run on the host.
    pub(crate) fn is_over(&self) -> bool {
        self.ended().is_some_and(|ended| match &ended.outcome {
            Ok(outcome) => outcome.fate() == Fate::Completed,
            Err(error) => error.fate() == Fate::NotSent,
        })
    }

    /// Whether the job waits for a channel or for its turn in the shell.
    pub fn is_waiting(&self) -> bool {
        match &self.kind {
            JobKind::Transfer(transfer) => !transfer.progress.has_begun(),
            JobKind::Command { .. } | JobKind::ShellCommand { .. } => !self.is_sent(),
        }
    }

    /// The end, once there is one.
    pub fn ended(&self) -> Option<Ended> {
        self.ended.borrow().clone()
    }

    /// Waits for the end.
    pub async fn wait_ended(&self) {
        // The sender lives as long as the record.
        let _ = self.ended.subscribe().wait_for(Option::is_some).await;
    }

    /// Where unread output starts, counted in one stream or in both.
    pub fn mark(&self, stream: Option<Stream>) -> u64 {
        *lock(&self.marks).for_stream(stream)
    }

    /// Marks the output up to here as read.
    pub fn set_mark(&self, stream: Option<Stream>, offset: u64) {
        *lock(&self.marks).for_stream(stream) = offset;
    }

    /// Marks all output as read, except for `held`: bytes at the very end of the output that were not shown. The
    /// caller still holds the lock under which the output was shown.
    pub fn mark_all_read(&self, output: &Output, held: Option<(Stream, u64)>) {
        let mut marks = Marks {
            stdout: output.len(Some(Stream::Stdout)),
            stderr: output.len(Some(Stream::Stderr)),
            both: output.len(None),
        };
        if let Some((stream, bytes)) = held {
            *marks.for_stream(Some(stream)) -= bytes;
            marks.both -= bytes;
        }
        *lock(&self.marks) = marks;
    }

    /// Takes note that the output up to now has its answer.
    pub fn note_input(&self) {
        *lock(&self.answered_at) = Some(self.output.arrived().bytes);
    }

    /// Whether input was given after the last output.
    pub(super) fn is_answered(&self) -> bool {
        *lock(&self.answered_at) == Some(self.output.arrived().bytes)
    }

    /// The queue for input, unless the input is closed.
    pub fn input(&self) -> Option<mpsc::Sender<Input>> {
        lock(&self.input).clone()
    }

    /// Closes the input; false when the input was closed already.
    pub fn close_input(&self) -> bool {
        lock(&self.input).take().is_some()
    }

    /// Queues a signal of `ssh_input`; false when the job has ended or the queue is full.
    pub fn signal(&self, signal: Signal) -> bool {
        let is_queued = self.signals.try_send(signal).is_ok();
        if is_queued {
            let mut stop = lock(&self.stop);
            stop.sent = Some(signal);
            if self.transfer().is_some() && signal.asks_to_end() {
                stop.by.get_or_insert(EndedBy::Input);
            }
        }
        is_queued
    }

    /// Notes who tells the job to end. The first request counts.
    pub(crate) fn note_stop(&self, by: EndedBy) {
        lock(&self.stop).by.get_or_insert(by);
    }

    /// Whether a reconnect or a disconnect is already ending the job.
    pub(crate) fn is_hung_up(&self) -> bool {
        matches!(
            self.told_to_end_by(),
            Some(EndedBy::Reconnect | EndedBy::Disconnect)
        )
    }

    /// Who told the job to end, apart from its own caller.
    pub(super) fn told_to_end_by(&self) -> Option<EndedBy> {
        lock(&self.stop).by
    }

    /// Who ended the job, given how the job ended.
    pub(super) fn ended_by(&self, outcome: &Result<Outcome, SessionError>) -> Option<EndedBy> {
        let stop = *lock(&self.stop);
        match outcome {
            Ok(outcome) => EndedBy::of_outcome(outcome, stop.by, stop.sent),
            Err(error) if error.is_cancelled() => stop.by,
            Err(_) => None,
        }
    }
}

impl Marks {
    fn for_stream(&mut self, stream: Option<Stream>) -> &mut u64 {
        match stream {
            Some(Stream::Stdout) => &mut self.stdout,
            Some(Stream::Stderr) => &mut self.stderr,
            None => &mut self.both,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
