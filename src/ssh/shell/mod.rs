//! A persistent shell on its own channel.
//!
//! [`Shell::start`] starts a shell under any login shell and learns process and dialect. [`Shell::run_command`] sends a
//! command and waits for the end of the command or of the shell. Between commands [`Shell::idle`] drains the channel. The texts and the streams are [`super::framing`]'s, ending a command is [`super::ending`]'s.

mod carry_over;
mod command;
mod directory;

use std::sync::{Arc, PoisonError};

use russh::client::Msg;
use russh::{ChannelReadHalf, ChannelWriteHalf};
use thiserror::Error;
use tokio::time::{Instant, timeout};

use super::channel::{ChannelError, ChannelPermit, Channels, ready};
use super::ending::shell_command::Spared;
use super::ending::{KillReport, process_group};
use super::exec::{self, ChannelProgress, End};
use super::framing::dialect::{self, Dialect};
use super::framing::{Event, FrameReader};
use super::peer_text::one_line;
use super::processes::{Mark, Running};
use super::timer::sleep_until_some;
use super::{command as command_line, framing};
use crate::limits;
use crate::output::Stream;
use crate::ssh::disconnect::Disconnect;

pub(crate) use self::carry_over::ShellCarryOver;
pub(crate) use self::command::Work;

/// Bytes of an account's answer in place of a shell that are kept for the error.
const NOISE_MAX_BYTES: usize = 4096;

/// Why there is no shell. Nothing of a command was sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OpenError {
    /// The link was dead before the shell was there.
    #[error("the connection ended: {0}")]
    Lost(Disconnect),
    /// No channel could be had.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// Something else answered, or nothing.
    #[error("the account gives no shell: {how}{}", said_words(said))]
    NoShell {
        /// The failure in words of this program.
        how: String,
        /// The host's output, made visible and short.
        said: String,
    },
}

fn said_words(said: &str) -> String {
    if said.is_empty() {
        return String::new();
    }
    format!(", and it said {said}")
}

/// A live shell.
pub(crate) struct Shell {
    channels: Arc<Channels>,
    running: Option<Running>,
    /// The mark of the shell's process.
    mark: Mark,
    read: ChannelReadHalf,
    write: ChannelWriteHalf<Msg>,
    permit: ChannelPermit,
    progress: ChannelProgress,
    reader: FrameReader,
    dialect: Dialect,
    /// Its number on the host.
    process: u32,
    /// Processes that earlier commands have left in the background.
    children: Spared,
    /// No command so far can have defined functions, aliases or traps, so plain words have their usual meaning.
    is_plain: bool,
    /// `set -e` was on after the last command that told the state of the shell.
    errexit: bool,
    background: Background,
}

/// Output of background processes between two commands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Background {
    /// The kept beginning of stdout.
    pub stdout: Vec<u8>,
    /// The kept beginning of stderr.
    pub stderr: Vec<u8>,
    /// Bytes of both in all.
    pub bytes: u64,
}

impl Background {
    fn push(&mut self, stream: Stream, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        let kept = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        let room = limits::SHELL_BACKGROUND_KEPT_BYTES.saturating_sub(kept.len());
        kept.extend_from_slice(&bytes[..room.min(bytes.len())]);
    }

    /// Puts earlier output in front.
    fn prepend(&mut self, earlier: Self) {
        let bytes = self.bytes + earlier.bytes;
        let later = std::mem::replace(self, earlier);
        self.push(Stream::Stdout, &later.stdout);
        self.push(Stream::Stderr, &later.stderr);
        self.bytes = bytes;
    }
}

/// The result of restoring the state of an earlier shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restored {
    /// There was none.
    Nothing,
    /// Directory, umask and variables are there again.
    All,
    /// All but the directory, which cannot be entered.
    NotDirectory,
    /// The new shell ended during the restore.
    Failed,
}

impl Shell {
    /// Starts a shell and waits for its introduction.
    pub(crate) async fn start(
        channels: &Arc<Channels>,
        deadline: Instant,
    ) -> Result<Self, OpenError> {
        let lease = channels.acquire(deadline).await.map_err(told)?;
        let started = exec::start(channels, lease, dialect::start_line(), None);
        let started = started.await.map_err(told)?;
        let mut shell = Self {
            channels: Arc::clone(channels),
            mark: started.mark,
            running: started.running,
            read: started.read,
            write: started.write,
            permit: started.permit,
            progress: ChannelProgress::new(channels.round_trip()),
            reader: FrameReader::default(),
            // Until the shell has introduced itself.
            dialect: Dialect::Sh,
            process: 0,
            children: Spared::default(),
            is_plain: false,
            errexit: false,
            background: Background::default(),
        };
        match shell.introduce().await {
            Ok(()) => Ok(shell),
            Err(error) => {
                shell.destroy().await;
                shell.close().await;
                Err(error)
            }
        }
    }

    /// Learns process and dialect, and makes the shell ready.
    async fn introduce(&mut self) -> Result<(), OpenError> {
        let token = command_line::token();
        self.reader.begin(&token, false);
        // A failure means that the channel is gone, which the reading sees.
        let hello = self.write.data_bytes(dialect::hello(&token));
        let _ = timeout(limits::SEND_TIMEOUT, hello).await;
        let mut noise = Vec::new();
        let mut answer = None;
        let hearing = async {
            while answer.is_none() && !self.progress.has_ended() {
                let message = self.read.wait().await;
                self.progress.receive(message, &mut |stream, bytes| {
                    self.reader.feed(stream, bytes, &mut |event| match event {
                        Event::Output(_, bytes) if noise.len() < NOISE_MAX_BYTES => {
                            noise.extend_from_slice(bytes);
                        }
                        Event::Ended { cwd, .. } => answer = Some(cwd),
                        _ => {}
                    });
                });
            }
        };
        let in_time = timeout(limits::SHELL_START_TIMEOUT, hearing).await.is_ok();
        let Some(words) = answer else {
            return Err(self.no_shell(in_time, &noise).await);
        };
        let Some(known) = dialect::introduced(&words) else {
            return Err(OpenError::NoShell {
                how: "it did not tell its process".to_owned(),
                said: one_line(&String::from_utf8_lossy(&words)),
            });
        };
        (self.process, self.dialect) = (known.process, known.dialect);
        self.is_plain = !known.has_functions;
        let init = self
            .write
            .data_bytes(known.dialect.init().as_bytes().to_vec());
        let _ = timeout(limits::SEND_TIMEOUT, init).await;
        Ok(())
    }

    async fn no_shell(&self, in_time: bool, noise: &[u8]) -> OpenError {
        let connection = self.channels.connection();
        if self.progress.end.is_none() && connection.is_closed() {
            return OpenError::Lost(connection.ended().await);
        }
        let how = match &self.progress.end {
            Some(End::Refused) => "the server refused the request".to_owned(),
            Some(End::Exited(status)) => {
                format!("what the server runs for it exited with {status}")
            }
            Some(End::Signaled(signal)) => {
                format!("what the server runs for it was killed by {signal}")
            }
            _ if in_time => "the server closed the channel".to_owned(),
            _ => format!(
                "nothing that answers like a shell within {} s",
                limits::SHELL_START_TIMEOUT.as_secs()
            ),
        };
        let said = String::from_utf8_lossy(noise);
        let said = said.trim();
        let said = if said.is_empty() {
            String::new()
        } else {
            one_line(said)
        };
        OpenError::NoShell { how, said }
    }

    /// Whether the shell is bash.
    pub(crate) fn is_bash(&self) -> bool {
        self.dialect == Dialect::Bash
    }

    /// Drains the channel between commands; comes back when the shell has ended, with the reason.
    pub(crate) async fn idle(&mut self, carry_over: &ShellCarryOver) -> String {
        while !self.progress.has_ended() {
            let deadline = self.progress.deadline();
            let rests_until = self.progress.throttle.rests_until();
            tokio::select! {
                message = self.read.wait(), if self.progress.reads() => self.receive_idle(message, carry_over),
                () = sleep_until_some(rests_until), if rests_until.is_some() => self.progress.throttle.end_rest(),
                () = sleep_until_some(deadline) => self.progress.timed_out = true,
            }
        }
        self.end_words()
    }

    /// Whether the shell is known to have ended.
    pub(crate) fn has_ended(&mut self, carry_over: &ShellCarryOver) -> bool {
        while !self.progress.drained
            && let Some(message) = ready(self.read.wait())
        {
            self.receive_idle(message, carry_over);
        }
        self.progress.end.is_some()
            || self.progress.closed
            || self.channels.connection().is_closed()
    }

    fn receive_idle(&mut self, message: Option<russh::ChannelMsg>, carry_over: &ShellCarryOver) {
        let (reader, background) = (&mut self.reader, &mut self.background);
        let (children, errexit) = (&self.children, &mut self.errexit);
        self.progress.receive(message, &mut |stream, bytes| {
            reader.feed(stream, bytes, &mut |event| match event {
                Event::State(state) => keep_state(state, carry_over, children, errexit),
                Event::Background(stream, bytes) => background.push(stream, bytes),
                _ => {}
            });
        });
    }

    /// How the shell ended, in our words.
    pub(crate) fn end_words(&self) -> String {
        match &self.progress.end {
            Some(End::Exited(status)) => format!("exit {status}"),
            Some(End::Signaled(signal)) => format!("killed by {signal}"),
            _ if self.channels.connection().is_closed() => "the connection was lost".to_owned(),
            _ => "it was ended".to_owned(),
        }
    }

    /// Ends the shell and everything in its process group, and waits for that within bounds.
    async fn destroy(&mut self) -> Option<KillReport> {
        if self.progress.end.is_some() || self.channels.connection().is_closed() {
            return None;
        }
        let channels = Arc::clone(&self.channels);
        let killing = process_group::end(&channels, self.mark);
        tokio::pin!(killing);
        let mut report = None;
        let mut give_up = None;
        while !self.progress.has_ended() {
            tokio::select! {
                // An unread channel would stall the whole connection.
                message = self.read.wait(), if !self.progress.drained => {
                    self.progress.receive(message, &mut |_, _| {});
                }
                done = &mut killing, if give_up.is_none() => {
                    report = done;
                    give_up = Some(Instant::now() + exec::LOSS_GRACE);
                }
                () = sleep_until_some(give_up) => break,
            }
        }
        report
    }

    /// Lets a shell go. An idle shell exits at the end of its input; its background processes live on.
    pub(crate) async fn close(mut self) {
        if self.progress.end.is_none() {
            // A failure means that the connection is gone or takes nothing, which ends the channel too.
            let _ = timeout(limits::SEND_TIMEOUT, self.write.eof()).await;
            // The channel stays open until then: without it, a shell that still writes would be killed.
            let _ = timeout(exec::LOSS_GRACE, self.exit()).await;
        }
        if self.progress.end.is_some()
            && let Some(running) = self.running.take()
        {
            running.seen_to_end();
        }
        drop(self.read);
        let _ = timeout(limits::SEND_TIMEOUT, self.write.close()).await;
        drop(self.permit);
    }

    /// Waits until the host has told the shell's end, or its channel has.
    async fn exit(&mut self) {
        while self.progress.end.is_none() && !self.progress.drained {
            let message = self.read.wait().await;
            self.progress.receive(message, &mut |_, _| {});
        }
    }
}

/// Keeps the state that a shell has written, unless another process has written into the text.
fn keep_state(
    text: Option<Vec<u8>>,
    carry_over: &ShellCarryOver,
    children: &Spared,
    errexit: &mut bool,
) {
    carry_over.pay_state();
    if let Some(told) = text.as_deref().and_then(framing::read_state) {
        *children.lock().unwrap_or_else(PoisonError::into_inner) = told.children;
        *errexit = told.errexit;
        carry_over.keep_state(told.saved);
    }
}

fn told(error: ChannelError) -> OpenError {
    match error {
        ChannelError::Closed(reason) => OpenError::Lost(reason),
        error => OpenError::Channel(error),
    }
}
