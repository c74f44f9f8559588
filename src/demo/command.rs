//! What runs a command for the embedded server, and what such a command can do: the seam between SSH and
//! processes (or the scripts that stand for them in tests).

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
    /// Runs one command to its end. The future is a task of its own: it goes on when its channel closes
    /// and learns of that from [`CommandIo::closed`].
    fn run(&self, command: Bytes, io: CommandIo) -> BoxFuture<Exit>;

    /// Whether there is a subsystem of this name.
    fn has_subsystem(&self, _name: &str) -> bool {
        false
    }

    /// Runs a subsystem like a command; asked only where [`Self::has_subsystem`] said so.
    fn run_subsystem(&self, _name: String, _io: CommandIo) -> BoxFuture<Exit> {
        Box::pin(async { Exit::Status(127) })
    }
}

/// How a command ended (RFC 4254, 6.10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// It returned this status.
    Status(u32),
    /// A signal killed it.
    Signal {
        /// Name without `SIG`.
        name: String,
        /// Whether it left a core dump.
        core_dumped: bool,
    },
}

/// The ends of a command's streams and the events that reach it.
#[derive(Debug)]
pub struct CommandIo {
    /// What the client sends; ends at the client's EOF.
    pub stdin: mpsc::Receiver<Bytes>,
    /// Standard output. The channel stays open until every clone of both outputs is dropped, as under sshd
    /// where background processes hold the pipes.
    pub stdout: OutputSender,
    /// Standard error.
    pub stderr: OutputSender,
    /// Names of signals that the client sends, without `SIG`.
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
    /// What the command says, in order.
    pub(super) events: mpsc::Receiver<CommandEvent>,
    /// Where the command's exit is to be put, behind the output that it wrote.
    pub(super) exit: mpsc::Sender<CommandEvent>,
}

/// One thing that a command says to its channel.
#[derive(Debug)]
pub(super) enum CommandEvent {
    /// Standard output was written.
    Stdout(Bytes),
    /// Standard error was written.
    Stderr(Bytes),
    /// Both outputs were closed although the command may go on.
    OutputEnded,
    /// The command ended.
    Exited(Exit),
}

/// The channel of a command is gone: what it writes goes nowhere, as into a closed pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the channel of the command is closed")]
pub struct ChannelClosed;

/// One of the two output streams of a command.
#[derive(Debug, Clone)]
pub struct OutputSender {
    events: mpsc::Sender<CommandEvent>,
    wrap: fn(Bytes) -> CommandEvent,
}

impl OutputSender {
    /// Writes a chunk; waits while the client takes nothing.
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
