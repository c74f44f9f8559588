//! A command on a channel of its own, from the exec request to its end.
//!
//! The reader always drains: an unread channel would stall the whole connection. The writer waits only for
//! the window and never outlives the channel. Ending a command runs beside both.

mod channel_progress;
pub(super) mod drive;
pub(super) mod read_throttle;

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::channel::{ChannelError, ChannelPermit, Channels, Lease, ready};
use super::ending::target::Target;
use super::ending::{KillReport, Signal};
use super::processes::{Kind, Mark, Running};
use crate::limits;
use crate::output::Stream;
use crate::ssh::disconnect::Disconnect;

use self::drive::{Drive, EndDetector};

pub(super) use self::channel_progress::ChannelProgress;
pub use self::channel_progress::{End, Finished};

/// How long the end of the connection may take to follow the end of a channel.
pub(super) const LOSS_GRACE: Duration = Duration::from_secs(1);

/// Something for a command's stdin. The end of the queue is the end of the input.
#[derive(Debug)]
pub enum Input {
    /// Bytes to write.
    Data(Bytes),
}

/// A terminal for a command (RFC 4254 section 6.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terminal {
    /// Value of TERM.
    pub term: &'static str,
    /// Columns.
    pub columns: u32,
    /// Rows.
    pub rows: u32,
}

impl Default for Terminal {
    /// Wide enough for tables. `xterm` is known on every host; programs that see `dumb` refuse to draw and
    /// some refuse to run, and the colours of `xterm-256color` are of no use here.
    fn default() -> Self {
        Self {
            term: "xterm",
            columns: limits::PTY_COLUMNS,
            rows: limits::PTY_ROWS,
        }
    }
}

/// Input and signals for a running command.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) input: mpsc::Receiver<Input>,
    pub(crate) signals: mpsc::Receiver<Signal>,
}

/// Sends the exec request on an open channel. An error means that nothing was sent.
pub(crate) async fn start(
    channels: &Arc<Channels>,
    lease: Lease,
    line: &str,
    terminal: Option<&Terminal>,
) -> Result<Started, ChannelError> {
    let connection = channels.connection();
    // The order of requests is the order in which sshd starts them; `ending/process_group.rs` relies on it.
    let order = connection.processes().order().lock().await;
    if connection.is_closed() {
        return Err(ChannelError::Closed(connection.ended().await));
    }
    let closed = |_| ChannelError::Closed(Disconnect::ClosedHere);
    let environment = &connection.facts().environment;
    for (name, value) in environment {
        // No reply is asked for: ssh does not ask either, and a server refuses most of them.
        let sent = lease.channel.set_env(false, name.as_str(), value.as_str());
        sent.await.map_err(closed)?;
    }
    let mark = Mark::random();
    mark.send(&lease.channel, environment)
        .await
        .map_err(closed)?;
    if let Some(Terminal {
        term,
        columns,
        rows,
    }) = terminal
    {
        let request = lease
            .channel
            .request_pty(false, term, *columns, *rows, 0, 0, &[]);
        request.await.map_err(closed)?;
    }
    lease.channel.exec(true, line).await.map_err(closed)?;
    let running = connection.processes().add(mark, Kind::Command);
    drop(order);
    let (read, write) = lease.channel.split();
    Ok(Started {
        channels: Arc::clone(channels),
        mark,
        running: Some(running),
        read,
        write,
        permit: lease.permit,
    })
}

/// A command whose exec request has gone out: from here on the command may have run.
pub(crate) struct Started {
    pub(super) channels: Arc<Channels>,
    /// The mark of the process.
    pub(super) mark: Mark,
    /// Gone as soon as the end of the process is known.
    pub(super) running: Option<Running>,
    pub(super) read: ChannelReadHalf,
    pub(super) write: ChannelWriteHalf<Msg>,
    pub(super) permit: ChannelPermit,
}

impl Started {
    /// Drains the channel into the sink until the command has ended.
    pub(crate) async fn run_to_end(
        mut self,
        feed: Feed,
        stop: CancellationToken,
        sink: impl FnMut(Stream, &[u8]) + Send,
    ) -> Finished {
        let mut progress = ChannelProgress::new(self.channels.round_trip());
        let mut detector = ChannelEnd {
            running: self.running.take(),
            sink,
        };
        let drive = Drive {
            channels: &self.channels,
            read: &mut self.read,
            write: &self.write,
            progress: &mut progress,
            detector: &mut detector,
            target: Target::ProcessGroup(self.mark),
            end_grace: LOSS_GRACE,
        };
        let input = write_input(&self.write, feed.input);
        let driven = drive
            .run_to_end(input, feed.signals, &stop, pending())
            .await;
        while let Some(message) = ready(self.read.wait()) {
            let is_last = message.is_none();
            detector.receive(message, &mut progress);
            if is_last {
                break;
            }
        }
        self.finish(progress, driven.kill).await
    }

    async fn finish(self, progress: ChannelProgress, kill: Option<KillReport>) -> Finished {
        let connection = Arc::clone(self.channels.connection());
        // Nobody reads any more, so nothing may wait for that.
        drop(self.read);
        // A failure means that the connection is gone or takes nothing, which ends the channel too.
        let _ = timeout(limits::SEND_TIMEOUT, self.write.close()).await;
        drop(self.permit);
        let held_by_background = progress.end.is_some() && !progress.streams_ended;
        let end = match progress.end {
            Some(end) => end,
            None if kill.is_some() && !connection.is_closed() => End::Unseen,
            // Some appliances never tell a status; their connection lives on.
            None if progress.closed && !connection.is_closed() => End::Lost(Disconnect::Channel(
                "the server closed the channel without an exit status",
            )),
            None => match timeout(LOSS_GRACE, connection.ended()).await {
                Ok(reason) => End::Lost(reason),
                Err(_) => End::Lost(Disconnect::Channel("the channel ended without a word")),
            },
        };
        Finished {
            end,
            held_by_background,
            kill,
        }
    }
}

/// A command whose end is the end of its process, which the channel reports.
struct ChannelEnd<S> {
    /// Dropped as soon as the end of the process is known.
    running: Option<Running>,
    sink: S,
}

impl<S: FnMut(Stream, &[u8])> EndDetector for ChannelEnd<S> {
    fn receive(&mut self, message: Option<ChannelMsg>, progress: &mut ChannelProgress) {
        progress.receive(message, &mut self.sink);
        if progress.end.is_some()
            && let Some(running) = self.running.take()
        {
            running.seen_to_end();
        }
    }
}

/// Writes the input as the window allows, then the end of it. Errors mean that the channel is gone.
async fn write_input(write: &ChannelWriteHalf<Msg>, mut input: mpsc::Receiver<Input>) {
    while let Some(Input::Data(bytes)) = input.recv().await {
        if write.data_bytes(bytes).await.is_err() {
            return;
        }
    }
    let _ = write.eof().await;
}
