//! What is known of a command, shared between its actor, its session and those who look at it.
//!
//! A record outlives its actor: an ended job can still be read until its session drops it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::actors::error::SessionError;
use crate::actors::job::outcome::{Outcome, ShellFacts};
use crate::actors::job::transfer::TransferJob;
use crate::actors::output::SharedOutput;
use crate::output::{Output, Stream};
use crate::ssh::ending::Signal;
use crate::ssh::exec::Input;
use crate::store::SessionName;

/// One command.
#[derive(Debug)]
pub struct JobRecord {
    /// `<session>-<n>`.
    pub name: String,
    /// Its session.
    pub session: SessionName,
    /// The command as given.
    pub command: String,
    /// The directory as given.
    pub cwd: Option<String>,
    /// What it has printed.
    pub output: SharedOutput,
    /// It runs on a terminal.
    pub pty: bool,
    /// It runs in the session's shell.
    pub in_shell: bool,
    /// What there is to say of that shell.
    pub(super) shell: Mutex<Option<ShellFacts>>,
    /// The session had to connect for it.
    pub(crate) reconnected: bool,
    /// It is no command but a transfer.
    pub transfer: Option<Arc<TransferJob>>,
    discarded: AtomicBool,
    sent: AtomicBool,
    started: Mutex<Instant>,
    ended: watch::Sender<Option<Ended>>,
    marks: Mutex<Marks>,
    /// Gone once the input is closed.
    input: Mutex<Option<mpsc::Sender<Input>>>,
    signals: mpsc::Sender<Signal>,
}

/// The end of a command.
#[derive(Debug, Clone)]
pub struct Ended {
    /// How, or why it never ran.
    pub outcome: Result<Outcome, SessionError>,
    /// How long it ran.
    pub elapsed: Duration,
    /// A process that it left behind still held its output.
    pub held_by_background: bool,
}

/// How far the output has been read, for each way of reading it.
#[derive(Debug, Default, Clone, Copy)]
struct Marks {
    stdout: u64,
    stderr: u64,
    both: u64,
}

/// What a record is made of besides its beginnings.
pub(crate) struct JobParts {
    pub(crate) name: String,
    pub(crate) session: SessionName,
    pub(crate) command: String,
    pub(crate) cwd: Option<String>,
    pub(crate) pty: bool,
    pub(crate) in_shell: bool,
    pub(crate) reconnected: bool,
    pub(crate) input: Option<mpsc::Sender<Input>>,
    pub(crate) signals: mpsc::Sender<Signal>,
    pub(crate) transfer: Option<Arc<TransferJob>>,
}

impl JobRecord {
    pub(crate) fn new(parts: JobParts) -> Arc<Self> {
        Arc::new(Self {
            name: parts.name,
            session: parts.session,
            command: parts.command,
            cwd: parts.cwd,
            output: SharedOutput::default(),
            pty: parts.pty,
            in_shell: parts.in_shell,
            shell: Mutex::default(),
            reconnected: parts.reconnected,
            discarded: AtomicBool::new(false),
            sent: AtomicBool::new(false),
            started: Mutex::new(Instant::now()),
            ended: watch::Sender::new(None),
            marks: Mutex::default(),
            input: Mutex::new(parts.input),
            signals: parts.signals,
            transfer: parts.transfer,
        })
    }

    /// What is known of the shell, when the command goes out and when it has ended.
    pub(crate) fn note_shell(&self, facts: ShellFacts) {
        *lock(&self.shell) = Some(facts);
    }

    /// The exec request went out now.
    pub(crate) fn note_sent(&self) {
        self.sent.store(true, Ordering::Relaxed);
        *lock(&self.started) = Instant::now();
    }

    /// Whether the exec request went out; until then the command waits for a channel.
    pub fn is_sent(&self) -> bool {
        self.sent.load(Ordering::Relaxed)
    }

    pub(crate) fn note_ended(&self, ended: Ended) {
        lock(&self.input).take();
        self.ended.send_replace(Some(ended));
    }

    /// More output came.
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

    /// Gives the output up to make room.
    pub(crate) fn discard_output(&self) {
        self.discarded.store(true, Ordering::Relaxed);
        *self.output.lock() = Output::default();
    }

    /// The output was given up to make room.
    pub fn is_discarded(&self) -> bool {
        self.discarded.load(Ordering::Relaxed)
    }

    /// From the exec request until now.
    pub fn running_for(&self) -> Duration {
        lock(&self.started).elapsed()
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
        *lock(&self.marks).of(stream)
    }

    /// Output up to here has been read.
    pub fn set_mark(&self, stream: Option<Stream>, offset: u64) {
        *lock(&self.marks).of(stream) = offset;
    }

    /// Everything that is in the output has been shown, but for some last bytes of a stream, which are the last
    /// ones of all. Call it under the lock that it was shown under.
    pub fn mark_all_read(&self, output: &Output, held: Option<(Stream, u64)>) {
        let mut marks = Marks {
            stdout: output.len(Some(Stream::Stdout)),
            stderr: output.len(Some(Stream::Stderr)),
            both: output.len(None),
        };
        if let Some((stream, bytes)) = held {
            *marks.of(Some(stream)) -= bytes;
            marks.both -= bytes;
        }
        *lock(&self.marks) = marks;
    }

    /// Where input can be put, unless it is closed.
    pub fn input(&self) -> Option<mpsc::Sender<Input>> {
        lock(&self.input).clone()
    }

    /// Ends the input; false when it was closed already.
    pub fn close_input(&self) -> bool {
        lock(&self.input).take().is_some()
    }

    /// Asks for a signal; false when the command is past taking any.
    pub fn signal(&self, signal: Signal) -> bool {
        self.signals.try_send(signal).is_ok()
    }
}

impl Marks {
    fn of(&mut self, stream: Option<Stream>) -> &mut u64 {
        match stream {
            Some(Stream::Stdout) => &mut self.stdout,
            Some(Stream::Stderr) => &mut self.stderr,
            None => &mut self.both,
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
