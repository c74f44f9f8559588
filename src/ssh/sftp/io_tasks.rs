//! The two tasks of an SFTP channel: one writes, one reads.

use std::sync::Arc;
use std::time::Duration;

use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::client::{Outgoing, SLOW_FACTOR, SftpError, Shared};
use super::parse::Parser;
use crate::limits;
use crate::ssh::channel::{Channels, Place};
use crate::ssh::connection::Running;
use crate::ssh::disconnect::Disconnect;
use crate::ssh::ending::helper::is_end;

/// How often silence is looked for.
const SILENCE_TICK: Duration = Duration::from_secs(1);
/// Bytes given to the channel at once: after each the server is known to take more.
const WRITE_STEP_BYTES: usize = 64 * 1024;

/// Sends what is queued; the end of the queue is the end of the channel.
pub(super) async fn write_all(
    write: ChannelWriteHalf<Msg>,
    mut queued: mpsc::Receiver<Outgoing>,
    shared: Arc<Shared>,
) {
    let ended = shared.ended.clone();
    let sending = async {
        while let Some(outgoing) = queued.recv().await {
            let is_void = outgoing.unless.as_ref();
            if is_void.is_some_and(CancellationToken::is_cancelled) {
                continue;
            }
            for mut part in [outgoing.head, outgoing.body] {
                while !part.is_empty() {
                    let step = part.split_to(part.len().min(WRITE_STEP_BYTES));
                    if write.data_bytes(step).await.is_err() {
                        return;
                    }
                    shared.note_life();
                }
            }
            drop(outgoing.slot);
        }
    };
    // A writer that waits for the window is never told that the connection has died.
    tokio::select! {
        () = ended.cancelled() => {}
        () = sending => {}
    }
    let _ = timeout(limits::SEND_TIMEOUT, write.close()).await;
    shared.fail(SftpError::Lost(Disconnect::Channel(
        "the sftp channel was closed",
    )));
}

/// Hands every answer to whom it belongs, until the channel ends.
pub(super) async fn read_all(
    mut read: ChannelReadHalf,
    shared: Arc<Shared>,
    channels: Arc<Channels>,
    held: (Running, Place),
) {
    // Whatever ends this task, nobody waits in vain.
    let fails = FailsAtEnd(Arc::clone(&shared));
    let mut parser = Parser::default();
    let mut ticks = interval(SILENCE_TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let connection = Arc::clone(channels.connection());
    // Whether the host has no process of it any more.
    let mut told = false;
    let error = loop {
        tokio::select! {
            message = read.wait() => {
                shared.note_life();
                told |= message.as_ref().is_some_and(is_end);
                if let Some(error) = take(message, &mut parser, &shared) {
                    break error;
                }
            }
            () = shared.ended.cancelled() => break shared.failure(),
            _ = ticks.tick() => if shared.is_silent() { break SftpError::Silent },
        }
    };
    // The end of a channel is often the first news of the end of its connection.
    let may_be_lost = matches!(error, SftpError::Lost(_) | SftpError::NoSubsystem(_));
    let error = if may_be_lost {
        let ended = timeout(limits::SFTP_LOSS_GRACE, connection.ended()).await;
        ended.map_or(error, SftpError::Lost)
    } else {
        error
    };
    shared.fail(error);
    drop(fails);
    // The place is free once the server has closed its side too, which it does when its process has ended: one that
    // is writing to a slow disk takes its time.
    let (running, place) = held;
    let closing = async {
        while let Some(message) = read.wait().await {
            told |= is_end(&message);
        }
    };
    let _ = timeout(limits::SFTP_SILENCE * SLOW_FACTOR, closing).await;
    if told {
        running.seen_to_end();
    }
    drop(place);
}

/// Ends the channel for everybody when it is dropped; a reason that was told before stands.
struct FailsAtEnd(Arc<Shared>);

impl Drop for FailsAtEnd {
    fn drop(&mut self) {
        self.0.fail(SftpError::Lost(Disconnect::Channel(
            "the sftp channel ended",
        )));
    }
}

/// Takes one message in; gives the error that ends the channel.
fn take(message: Option<ChannelMsg>, parser: &mut Parser, shared: &Shared) -> Option<SftpError> {
    let greeted = shared.greeting().is_none();
    match message {
        Some(ChannelMsg::Data { data }) => {
            let parsed = parser.push(data, |id, reply| shared.dispatch(id, reply));
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
