//! The interface between the embedded server and its commands, which are processes, or scripts in tests.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::limits::DEMO_QUEUE_CHUNKS;

/// A future that can be stored and sent to another thread.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Runs the commands of `exec` requests.
pub trait CommandRunner: Send + Sync + 'static {
    /// Runs a command to its end. The future is a task of its own: the task continues when its channel closes, which
    /// [`CommandIo::closed`] reports.
    fn run(&self, command: Bytes, io: CommandIo) -> BoxFuture<Exit>;

    /// Whether there is a subsystem of this name.
    fn has_subsystem(&self, _name: &str) -> bool {
        false
    }

    /// Runs a subsystem like a command; called only where [`Self::has_subsystem`] is true.
    fn run_subsystem(&self, _name: String, _io: CommandIo) -> BoxFuture<Exit> {
        Box::pin(async { Exit::Status(127) })
    }
}

/// How a command ended (RFC 4254, 6.10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// The command returned this status.
    Status(u32),
    /// A signal killed the command.
    Signal {
        /// Name without `SIG`.
        name: String,
        /// Whether the command left a core dump.
        core_dumped: bool,
    },
}

/// The ends of a command's streams and the events that reach it.
#[derive(Debug)]
pub struct CommandIo {
    /// Data from the client; ends at the client's EOF.
    pub stdin: mpsc::Receiver<Bytes>,
    /// Standard output. The channel stays open until every clone of both outputs is dropped, as under sshd
    /// where background processes hold the pipes.
    pub stdout: OutputSender,
    /// Standard error.
    pub stderr: OutputSender,
    /// Names of signals from the client, without `SIG`.
    pub signals: mpsc::Receiver<String>,
    /// Cancelled when the channel has closed, the connection is gone or the server stops.
    pub closed: CancellationToken,
}

/// The server's ends of a [`CommandIo`].
#[derive(Debug)]
pub(super) struct CommandEnds {
    /// Feeds [`CommandIo::stdin`].
    pub(super) stdin: mpsc::Sender<Bytes>,
    /// Feeds [`CommandIo::signals`].
    pub(super) signals: mpsc::Sender<String>,
    /// Output and end of the command, in order.
    pub(super) events: mpsc::Receiver<CommandEvent>,
    /// Sender for the command's exit, which follows the command's output.
    pub(super) exit: mpsc::Sender<CommandEvent>,
}

/// A message of a command to its channel.
#[derive(Debug)]
pub(super) enum CommandEvent {
    /// Standard output was written.
    Stdout(Bytes),
    /// Standard error was written.
    Stderr(Bytes),
    /// Both outputs were closed; the command may continue.
    OutputEnded,
    /// The command ended.
    Exited(Exit),
}

/// The channel of a command is gone: output is lost, as in a closed pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the channel of the command is closed")]
pub struct ChannelClosed;

/// An output stream of a command.
#[derive(Debug, Clone)]
pub struct OutputSender {
    events: mpsc::Sender<CommandEvent>,
    wrap: fn(Bytes) -> CommandEvent,
}

impl OutputSender {
    /// Writes a chunk; waits while the client does not read.
    pub async fn send(&self, chunk: impl Into<Bytes>) -> Result<(), ChannelClosed> {
        let event = (self.wrap)(chunk.into());
        self.events.send(event).await.map_err(|_| ChannelClosed)
    }

    /// Ends stdout and stderr together before the command ends: the client sees EOF before the exit status.
    pub async fn end_output(self) -> Result<(), ChannelClosed> {
        let ended = self.events.send(CommandEvent::OutputEnded).await;
        ended.map_err(|_| ChannelClosed)
    }
}

impl CommandIo {
    /// Both ends for a new command.
    pub(super) fn pair(closed: CancellationToken) -> (Self, CommandEnds) {
        let (stdin_sender, stdin) = mpsc::channel(DEMO_QUEUE_CHUNKS);
        let (signal_sender, signals) = mpsc::channel(DEMO_QUEUE_CHUNKS);
        let (event_sender, events) = mpsc::channel(DEMO_QUEUE_CHUNKS);
        let output = |wrap| OutputSender {
            events: event_sender.clone(),
            wrap,
        };
        let io = Self {
            stdin,
            stdout: output(CommandEvent::Stdout),
            stderr: output(CommandEvent::Stderr),
            signals,
            closed,
        };
        let ends = CommandEnds {
            stdin: stdin_sender,
            signals: signal_sender,
            events,
            exit: event_sender,
        };
        (io, ends)
    }
}
