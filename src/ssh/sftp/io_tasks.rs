//! The two tasks of an SFTP channel: the first writes requests, the second reads answers.

use std::sync::Arc;
use std::time::Duration;

use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::error::SftpError;
use super::in_flight::{InFlight, Outgoing, SLOW_FACTOR};
use super::parse::Parser;
use crate::limits;
use crate::ssh::channel::{ChannelPermit, Channels};
use crate::ssh::disconnect::Disconnect;
use crate::ssh::ending::helper::is_end;
use crate::ssh::processes::Running;

/// Interval between checks for silence.
const SILENCE_TICK: Duration = Duration::from_secs(1);
/// Bytes handed to the channel at once; each completed step proves that the server still reads.
const WRITE_STEP_BYTES: usize = 64 * 1024;

/// Time between the end of our requests and the close of the channel. A server that reads the end of its input exits
/// in this time, and the host reports the exit. After a close, sshd reports nothing.
const EXIT_GRACE: Duration = Duration::from_secs(1);

/// Sends the queued packets; ends the channel at the end of the queue.
pub(super) async fn write_all(
    write: ChannelWriteHalf<Msg>,
    mut queued: mpsc::Receiver<Outgoing>,
    in_flight: Arc<InFlight>,
) {
    let ended = in_flight.ended.clone();
    let sending = async {
        while let Some(outgoing) = queued.recv().await {
            let unless = outgoing.unless.as_ref();
            if unless.is_some_and(CancellationToken::is_cancelled) {
                continue;
            }
            for mut part in [outgoing.head, outgoing.body] {
                while !part.is_empty() {
                    let step = part.split_to(part.len().min(WRITE_STEP_BYTES));
                    if write.data_bytes(step).await.is_err() {
                        return;
                    }
                    in_flight.mark_active();
                }
            }
            drop(outgoing.slot);
        }
    };
    // A writer that waits for the window gets no error when the connection dies.
    tokio::select! {
        () = ended.cancelled() => {}
        () = sending => {}
    }
    in_flight.fail(SftpError::Lost(Disconnect::Channel(
        "the sftp channel was closed",
    )));
    // Failures mean that the connection is gone, which ends the channel too.
    let _ = timeout(limits::SEND_TIMEOUT, write.eof()).await;
    let _ = timeout(EXIT_GRACE, in_flight.closed.cancelled()).await;
    let _ = timeout(limits::SEND_TIMEOUT, write.close()).await;
}

/// Dispatches every answer to its request until the channel ends. `held` keeps the place of the channel occupied.
pub(super) async fn read_all(
    mut read: ChannelReadHalf,
    in_flight: Arc<InFlight>,
    channels: Arc<Channels>,
    held: (Running, ChannelPermit),
) {
    // Also when this task panics or is aborted, callers get an error.
    let fails = FailsAtEnd(Arc::clone(&in_flight));
    let closed = in_flight.closed.clone().drop_guard();
    let mut parser = Parser::default();
    let mut ticks = interval(SILENCE_TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let connection = Arc::clone(channels.connection());
    // Whether the process of the subsystem has exited.
    let mut has_exited = false;
    let error = loop {
        tokio::select! {
            message = read.wait() => {
                in_flight.mark_active();
                has_exited |= message.as_ref().is_some_and(is_end);
                if let Some(error) = process(message, &mut parser, &in_flight) {
                    break error;
                }
            }
            () = in_flight.ended.cancelled() => break in_flight.failure(),
            _ = ticks.tick() => if in_flight.is_silent() { break SftpError::Silent },
        }
    };
    // The end of a channel is often the first news of the end of its connection.
    let may_be_lost = !in_flight.ended.is_cancelled()
        && matches!(error, SftpError::Lost(_) | SftpError::NoSubsystem(_));
    let error = if may_be_lost {
        let ended = timeout(limits::SFTP_LOSS_GRACE, connection.ended()).await;
        ended.map_or(error, SftpError::Lost)
    } else {
        error
    };
    in_flight.fail(error);
    drop(fails);
    // The place becomes free when the server closes its side, which happens when its process has exited. A process
    // that writes to a slow disk may take long.
    let (running, permit) = held;
    let closing = async {
        while let Some(message) = read.wait().await {
            has_exited |= is_end(&message);
        }
    };
    let _ = timeout(limits::SFTP_SILENCE * SLOW_FACTOR, closing).await;
    drop(closed);
    if has_exited {
        running.seen_to_end();
    }
    drop(permit);
}

/// Fails the channel on drop, unless the channel has failed before.
struct FailsAtEnd(Arc<InFlight>);

impl Drop for FailsAtEnd {
    fn drop(&mut self) {
        self.0.fail(SftpError::Lost(Disconnect::Channel(
            "the sftp channel ended",
        )));
    }
}

/// Processes a message of the channel; gives the error that ends the channel.
fn process(
    message: Option<ChannelMsg>,
    parser: &mut Parser,
    in_flight: &InFlight,
) -> Option<SftpError> {
    let greeted = in_flight.is_greeted();
    match message {
        Some(ChannelMsg::Data { data }) => {
            let parsed = parser.push(data, |id, reply| in_flight.dispatch(id, reply));
            match parsed.err()? {
                SftpError::Protocol(_) if !greeted => Some(SftpError::NoSubsystem(
                    "something else answered: a start-up file that prints, or a forced command"
                        .to_owned(),
                )),
                error => Some(error),
            }
        }
        Some(ChannelMsg::Failure) => {
            Some(SftpError::NoSubsystem("the request was refused".to_owned()))
        }
        Some(ChannelMsg::Eof | ChannelMsg::Close) | None if !greeted => {
            Some(SftpError::NoSubsystem("it ended at once".to_owned()))
        }
        Some(ChannelMsg::Close) | None => Some(SftpError::Lost(Disconnect::Channel(
            "the server ended the sftp channel",
        ))),
        Some(_) => None,
    }
}
