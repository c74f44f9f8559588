//! A session channel of the embedded server, from open to close.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use russh::server::{Handle, Msg};
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::command::{CommandEnds, CommandEvent, CommandIo, CommandRunner, Exit};
use crate::limits::DEMO_STDIN_BACKLOG_BYTES;

/// Exit status of a command whose runner panicked.
const STATUS_RUNNER_PANICKED: u32 = 254;
/// Extended data type of standard error (RFC 4254, 5.2).
const EXTENDED_DATA_STDERR: u32 = 1;

/// The parts of the server that a channel uses.
pub(super) struct ChannelContext {
    /// Sends the exit signal, which a channel's own handle cannot send.
    pub(super) handle: Handle,
    /// Runs the command.
    pub(super) runner: Arc<dyn CommandRunner>,
    /// Counts the command among the tasks of the server.
    pub(super) tasks: TaskTracker,
    /// Cancelled with the connection, and when the channel closes.
    pub(super) closed: CancellationToken,
}

/// Serves a channel: waits for its command, runs it, ends when either side closes.
pub(super) async fn serve(channel: Channel<Msg>, context: ChannelContext) {
    // Dropped on every return, so that the command is always notified of the end.
    let _close = context.closed.clone().drop_guard();
    let (mut read, write) = channel.split();
    let Some(command) = wait_for_request(&mut read, context.runner.as_ref()).await else {
        return;
    };
    let (io, ends) = CommandIo::pair(context.closed.clone());
    let CommandEnds {
        stdin,
        signals,
        events,
        exit,
    } = ends;
    start(command, io, exit, &context);
    tokio::select! {
        () = context.closed.cancelled() => {}
        () = forward_input(read, stdin, signals) => {}
        () = forward_output(events, &write, &context.handle) => {}
    }
}

/// The request of a channel.
enum Request {
    /// A command line.
    Command(Bytes),
    /// A subsystem by its name.
    Subsystem(String),
}

/// Waits for the first request that runs something; `None` if the channel closes first.
async fn wait_for_request(
    read: &mut ChannelReadHalf,
    runner: &dyn CommandRunner,
) -> Option<Request> {
    loop {
        match read.wait().await? {
            ChannelMsg::Exec { command, .. } => return Some(Request::Command(command.into())),
            ChannelMsg::RequestSubsystem { name, .. } if runner.has_subsystem(&name) => {
                return Some(Request::Subsystem(name));
            }
            ChannelMsg::Close => return None,
            _ => {}
        }
    }
}

/// Starts the command as a task of its own that reports its exit behind its output.
fn start(
    request: Request,
    io: CommandIo,
    exit: mpsc::Sender<CommandEvent>,
    context: &ChannelContext,
) {
    let running = context.tasks.spawn(match request {
        Request::Command(command) => context.runner.run(command, io),
        Request::Subsystem(name) => context.runner.run_subsystem(name, io),
    });
    context.tasks.spawn(async move {
        let ended = running.await.unwrap_or_else(|error| {
            tracing::error!(%error, "the runner of a demo command panicked");
            Exit::Status(STATUS_RUNNER_PANICKED)
        });
        // The receiver is gone when the channel was closed first.
        let _ = exit.send(CommandEvent::Exited(ended)).await;
    });
}

/// Hands the client's data and signals to the command until the client closes the channel.
///
/// The channel is drained up to a limit while the command does not read: russh returns window credit on receipt, so
/// unread data stalls the whole connection, other channels and signals included.
async fn forward_input(
    mut read: ChannelReadHalf,
    stdin: mpsc::Sender<Bytes>,
    signals: mpsc::Sender<String>,
) {
    let mut stdin = Some(stdin);
    let mut backlog = Backlog::default();
    loop {
        tokio::select! {
            message = read.wait(), if backlog.bytes < DEMO_STDIN_BACKLOG_BYTES => match message {
                Some(ChannelMsg::Data { data }) if stdin.is_some() => backlog.push(data),
                Some(ChannelMsg::Eof) => backlog.ended = true,
                // A full queue of signals drops the newest, as the kernel does with equal ones.
                Some(ChannelMsg::Signal { signal }) => drop(signals.try_send(signal_name(signal))),
                Some(ChannelMsg::Close) | None => return,
                Some(_) => {}
            },
            sent = send_one(stdin.as_ref(), backlog.chunks.front()), if !backlog.chunks.is_empty() => {
                backlog.pop();
                if !sent {
                    stdin = None;
                    backlog = Backlog::default();
                }
            }
        }
        if backlog.ended && backlog.chunks.is_empty() {
            stdin = None;
        }
    }
}

/// Input that the command has not read yet.
#[derive(Default)]
struct Backlog {
    chunks: VecDeque<Bytes>,
    bytes: usize,
    /// The client sent EOF.
    ended: bool,
}

impl Backlog {
    fn push(&mut self, chunk: Bytes) {
        self.bytes += chunk.len();
        self.chunks.push_back(chunk);
    }

    fn pop(&mut self) {
        if let Some(chunk) = self.chunks.pop_front() {
            self.bytes -= chunk.len();
        }
    }
}

/// Sends a chunk; false when the command accepts no more input.
async fn send_one(stdin: Option<&mpsc::Sender<Bytes>>, chunk: Option<&Bytes>) -> bool {
    match (stdin, chunk) {
        (Some(stdin), Some(chunk)) => stdin.send(chunk.clone()).await.is_ok(),
        _ => false,
    }
}

/// Sends the command's output in order, then EOF and close.
async fn forward_output(
    mut events: mpsc::Receiver<CommandEvent>,
    write: &ChannelWriteHalf<Msg>,
    handle: &Handle,
) {
    let mut ended = false;
    while let Some(event) = events.recv().await {
        let sent = match event {
            CommandEvent::Stdout(data) => write.data_bytes(data).await.is_ok(),
            CommandEvent::Stderr(data) => write
                .extended_data_bytes(EXTENDED_DATA_STDERR, data)
                .await
                .is_ok(),
            CommandEvent::OutputEnded => {
                ended = true;
                write.eof().await.is_ok()
            }
            CommandEvent::Exited(exit) => report_exit(exit, write, handle).await,
        };
        if !sent {
            return;
        }
    }
    if !ended {
        let _ = write.eof().await;
    }
    let _ = write.close().await;
}

/// Sends the exit status or the exit signal; false when the connection is gone.
async fn report_exit(exit: Exit, write: &ChannelWriteHalf<Msg>, handle: &Handle) -> bool {
    match exit {
        Exit::Status(status) => write.exit_status(status).await.is_ok(),
        Exit::Signal { name, core_dumped } => {
            // russh writes the name of a custom signal unchanged.
            let signal = Sig::Custom(name);
            let (message, language) = (String::new(), String::new());
            let sent =
                handle.exit_signal_request(write.id(), signal, core_dumped, message, language);
            sent.await.is_ok()
        }
    }
}

/// The name of a signal as RFC 4254 writes it.
fn signal_name(signal: Sig) -> String {
    match signal {
        Sig::Custom(name) => name,
        // The names of the variants are the names on the wire.
        known => format!("{known:?}"),
    }
}
