//! The messages of a command's channel, up to its end.

use std::time::Duration;

use russh::ChannelMsg;
use tokio::time::Instant;

use super::read_throttle::ReadThrottle;
use crate::limits;
use crate::output::Stream;
use crate::ssh::disconnect::Disconnect;
use crate::ssh::ending::{KillReport, Signal};

/// Standard error in SSH_MSG_CHANNEL_EXTENDED_DATA (RFC 4254 section 5.2).
const EXTENDED_DATA_STDERR: u32 = 1;

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The command exited with this status.
    Exited(u32),
    /// A signal ended the command.
    Signaled(Signal),
    /// The command was told to end and its end was not seen.
    Unseen,
    /// The server refused the exec request: nothing ran.
    Refused,
    /// The connection was lost: whether the command finished is unknown.
    Lost(Disconnect),
}

/// The end of a command, known when its channel is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// How the command ended.
    pub end: End,
    /// A background process of the command still held the output.
    pub held_by_background: bool,
    /// How the command was ended, if it was told to end.
    pub kill: Option<KillReport>,
}

/// The messages of a channel so far.
#[derive(Default)]
pub(in crate::ssh) struct ChannelProgress {
    /// How the process ended, as the server reports it.
    pub(in crate::ssh) end: Option<End>,
    /// Both streams have ended.
    pub(in crate::ssh) streams_ended: bool,
    /// The server has closed the channel.
    pub(in crate::ssh) closed: bool,
    /// No message can come any more.
    pub(in crate::ssh) drained: bool,
    /// The streams are no longer listened to, although they are still open.
    pub(in crate::ssh) timed_out: bool,
    /// Silence after the status that means that a background process holds the streams.
    quiet: Duration,
    /// When the streams have been silent for long enough.
    drain_until: Option<Instant>,
    /// When even a background process that keeps writing is no longer listened to.
    drain_longest: Option<Instant>,
    /// How fast the output is read.
    pub(in crate::ssh) throttle: ReadThrottle,
}

impl ChannelProgress {
    /// The round trip decides how long the last output may take to arrive.
    pub(in crate::ssh) fn new(round_trip: Option<Duration>) -> Self {
        let quiet = round_trip.unwrap_or_default() * 2;
        Self {
            quiet: quiet.max(limits::STREAM_DRAIN),
            ..Self::default()
        }
    }

    /// Takes one message; the sink gets the output in it. `None` is the end of all messages.
    pub(in crate::ssh) fn receive(
        &mut self,
        message: Option<ChannelMsg>,
        sink: &mut impl FnMut(Stream, &[u8]),
    ) {
        if let Some(ChannelMsg::Data { .. } | ChannelMsg::ExtendedData { .. }) = message {
            // sshd sends the status as soon as the process is gone; its last output may still be on the way.
            let longest = self.drain_longest;
            self.drain_until = longest.map(|longest| longest.min(Instant::now() + self.quiet));
        }
        match message {
            Some(ChannelMsg::Data { data }) => {
                self.throttle.count(data.len());
                sink(Stream::Stdout, &data);
            }
            Some(ChannelMsg::ExtendedData {
                data,
                ext: EXTENDED_DATA_STDERR,
            }) => {
                self.throttle.count(data.len());
                sink(Stream::Stderr, &data);
            }
            Some(ChannelMsg::ExitStatus { exit_status }) => self.ended(End::Exited(exit_status)),
            Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                self.ended(End::Signaled(Signal::from_server(&signal_name)))
            }
            Some(ChannelMsg::Failure) if self.end.is_none() => self.ended(End::Refused),
            Some(ChannelMsg::Eof) => self.streams_ended = true,
            Some(ChannelMsg::Close) => {
                self.streams_ended = true;
                self.closed = true;
            }
            None => {
                self.streams_ended = true;
                self.closed = true;
                self.drained = true;
            }
            Some(_) => {}
        }
    }

    fn ended(&mut self, end: End) {
        self.end = Some(end);
        let now = Instant::now();
        self.drain_until = Some(now + self.quiet);
        self.drain_longest = Some(now + limits::STREAM_DRAIN_MAX);
    }

    /// Nothing more is to be expected. The exit status may come before or after the end of the streams; both
    /// together are the end.
    pub(in crate::ssh) fn has_ended(&self) -> bool {
        self.closed || self.timed_out || (self.end.is_some() && self.streams_ended)
    }

    /// Another message may be read now.
    pub(in crate::ssh) fn reads(&self) -> bool {
        !self.drained && self.throttle.rests_until().is_none()
    }

    /// When the streams are no longer listened to, if their end is still awaited.
    pub(in crate::ssh) fn deadline(&self) -> Option<Instant> {
        self.drain_until.filter(|_| !self.timed_out)
    }

    /// Ends the listening if its deadline has passed.
    pub(in crate::ssh) fn check_deadline(&mut self, now: Instant) {
        self.timed_out |= self.deadline().is_some_and(|deadline| deadline <= now);
    }
}
