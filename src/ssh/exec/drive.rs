//! Drives one running command to its end.
//!
//! Reading, writing, signalling and ending run side by side in one task. The caller chooses which event ends the
//! command ([`EndDetector`]: the end of the channel or of a frame) and which processes are signalled ([`Target`]).
//!
//! A command that is told to end goes down one ladder: a helper on the host sends INT, TERM and KILL and reports
//! whether the processes are gone. Where no helper can run, signal requests (RFC 4254 section 6.9) take its place.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::channel_progress::ChannelProgress;
use crate::limits;
use crate::ssh::channel::Channels;
use crate::ssh::ending::target::Target;
use crate::ssh::ending::{self, KillReport, Signal};
use crate::ssh::timer::{earlier, sleep_until_some};

/// Receives the channel's messages and finds the end of the command in them.
pub(in crate::ssh) trait EndDetector {
    /// Takes one message; `None` is the end of all messages.
    fn receive(&mut self, message: Option<ChannelMsg>, progress: &mut ChannelProgress);

    /// Whether the command has ended while its channel stays open.
    fn has_ended(&self) -> bool {
        false
    }

    /// Why the end of the command can no longer be found.
    fn failure(&self) -> Option<&'static str> {
        None
    }
}

/// A running command: its channel and its processes.
pub(in crate::ssh) struct Drive<'a, D> {
    pub(in crate::ssh) channels: &'a Arc<Channels>,
    pub(in crate::ssh) read: &'a mut ChannelReadHalf,
    pub(in crate::ssh) write: &'a ChannelWriteHalf<Msg>,
    pub(in crate::ssh) progress: &'a mut ChannelProgress,
    pub(in crate::ssh) detector: &'a mut D,
    pub(in crate::ssh) target: Target,
    /// Time between the report that the processes are gone and the moment when their end is no longer awaited.
    pub(in crate::ssh) end_grace: Duration,
}

/// The result of [`Drive::run_to_end`].
#[derive(Debug, PartialEq, Eq)]
pub(in crate::ssh) struct Driven {
    /// How the command was ended, if it was told to end.
    pub(in crate::ssh) kill: Option<KillReport>,
    /// Why the end of the command was not awaited any longer.
    pub(in crate::ssh) failure: Option<&'static str>,
}

/// Events while a command runs.
#[derive(Debug)]
enum Event {
    /// The channel has a message, or ended.
    Message(Option<ChannelMsg>),
    /// The reader may read again.
    ReadAgain,
    /// All input is written.
    InputWritten,
    /// No more signals can be asked for.
    SignalsClosed,
    /// A signal was sent.
    SignalSent,
    /// The command shall end.
    StopAsked,
    /// The helper has ended the command, or could not run.
    HelperDone(Option<KillReport>),
    /// All signal requests were sent.
    RequestsSent,
    /// A look at the host found that the command will never end.
    FoundStuck(&'static str),
    /// A deadline passed.
    DeadlineOver,
}

/// How far the ending of a command has come.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Ladder {
    /// Nobody asked for the end.
    NotAsked,
    /// A helper is at work on the host.
    ByHelper,
    /// No helper could run: signal requests go out.
    ByRequest,
    /// The helper has reported.
    Helped(KillReport),
}

/// Everything that changes while a command runs, apart from its channel.
#[derive(Debug)]
struct State {
    ladder: Ladder,
    /// From this moment on the end of the command is no longer awaited.
    give_up_at: Option<Instant>,
    gave_up: bool,
    failure: Option<&'static str>,
    input_written: bool,
    signals_closed: bool,
}

impl State {
    const fn new() -> Self {
        Self {
            ladder: Ladder::NotAsked,
            give_up_at: None,
            gave_up: false,
            failure: None,
            input_written: false,
            signals_closed: false,
        }
    }

    /// Takes every event but the channel's.
    fn take(&mut self, event: Event, now: Instant, end_grace: Duration) {
        match event {
            Event::InputWritten => self.input_written = true,
            Event::SignalsClosed => self.signals_closed = true,
            Event::StopAsked => self.ladder = Ladder::ByHelper,
            Event::HelperDone(Some(report)) => {
                self.ladder = Ladder::Helped(report);
                self.give_up_at = Some(now + end_grace);
            }
            Event::HelperDone(None) => self.ladder = Ladder::ByRequest,
            Event::RequestsSent => self.gave_up = true,
            Event::FoundStuck(reason) => self.failure = Some(reason),
            Event::DeadlineOver => {
                self.gave_up |= self.give_up_at.is_some_and(|deadline| deadline <= now);
            }
            Event::Message(_) | Event::ReadAgain | Event::SignalSent => {}
        }
    }
}

impl<D: EndDetector> Drive<'_, D> {
    /// Drains the channel until the command has ended, or its end is not to be expected any more.
    ///
    /// `input` writes to the command, `stuck` resolves when a look at the host finds that the command will never
    /// end.
    pub(in crate::ssh) async fn run_to_end(
        mut self,
        input: impl Future<Output = ()>,
        signals: mpsc::Receiver<Signal>,
        stop: &CancellationToken,
        stuck: impl Future<Output = &'static str>,
    ) -> Driven {
        let mut state = State::new();
        let mut last_request = Signal::Int;
        let (channels, write) = (self.channels, self.write);
        let target = self.target.clone();
        {
            let in_flight = InFlight::default();
            let helper = target.end(channels);
            let requests = ending::by_request(write, &mut last_request);
            let signalling = forward_signals(channels, &target, write, signals, &in_flight);
            tokio::pin!(input, helper, requests, signalling, stuck);
            while !self.is_over(&state, &in_flight) {
                let is_asked = state.ladder != Ladder::NotAsked;
                let deadline = earlier(state.give_up_at, self.progress.deadline());
                let rests_until = self.progress.throttle.rests_until();
                // Not biased: a flood of output must not starve the end of the command.
                let event = tokio::select! {
                    message = self.read.wait(), if self.progress.reads() => Event::Message(message),
                    () = sleep_until_some(rests_until), if rests_until.is_some() => Event::ReadAgain,
                    () = &mut input, if !state.input_written => Event::InputWritten,
                    () = &mut signalling, if !state.signals_closed => Event::SignalsClosed,
                    () = in_flight.sent.notified() => Event::SignalSent,
                    () = stop.cancelled(), if !is_asked && !self.has_ended() => Event::StopAsked,
                    report = &mut helper, if state.ladder == Ladder::ByHelper => Event::HelperDone(report),
                    () = &mut requests, if state.ladder == Ladder::ByRequest => Event::RequestsSent,
                    reason = &mut stuck, if !is_asked => Event::FoundStuck(reason),
                    () = sleep_until_some(deadline) => Event::DeadlineOver,
                };
                self.take(event, &mut state);
            }
        }
        let kill = match state.ladder {
            Ladder::Helped(report) => Some(report),
            Ladder::ByRequest => Some(KillReport {
                signal: last_request,
                gone: None,
            }),
            Ladder::NotAsked | Ladder::ByHelper => None,
        };
        Driven {
            kill,
            failure: state.failure,
        }
    }

    fn take(&mut self, event: Event, state: &mut State) {
        let now = Instant::now();
        match event {
            Event::Message(message) => {
                self.detector.receive(message, self.progress);
                state.failure = self.detector.failure();
            }
            Event::ReadAgain => self.progress.throttle.end_rest(),
            Event::DeadlineOver => {
                self.progress.check_deadline(now);
                state.take(event, now, self.end_grace);
            }
            event => state.take(event, now, self.end_grace),
        }
    }

    /// A helper at work is waited for, as long as one of its signals could hit the next command.
    fn is_over(&self, state: &State, in_flight: &InFlight) -> bool {
        let helper_works =
            state.ladder == Ladder::ByHelper || (self.target.is_reused() && in_flight.is_any());
        state.failure.is_some()
            || state.gave_up
            || (!helper_works && (self.detector.has_ended() || self.progress.has_ended()))
    }

    fn has_ended(&self) -> bool {
        self.detector.has_ended() || self.progress.end.is_some()
    }
}

/// Whether a signal is being sent, and a notification when that is done.
#[derive(Debug, Default)]
struct InFlight {
    is_any: AtomicBool,
    sent: Notify,
}

impl InFlight {
    fn is_any(&self) -> bool {
        self.is_any.load(Ordering::Relaxed)
    }
}

/// Sends the signals that are asked for. sshd takes signal requests only from accounts other than root, so a
/// helper on the host is tried first.
async fn forward_signals(
    channels: &Arc<Channels>,
    target: &Target,
    write: &ChannelWriteHalf<Msg>,
    mut signals: mpsc::Receiver<Signal>,
    in_flight: &InFlight,
) {
    while let Some(signal) = signals.recv().await {
        in_flight.is_any.store(true, Ordering::Relaxed);
        if !target.signal(channels, signal).await {
            // A failure means that the channel is gone, which the reader sees.
            let _ = timeout(limits::SEND_TIMEOUT, write.signal(signal.to_request())).await;
        }
        in_flight.is_any.store(false, Ordering::Relaxed);
        in_flight.sent.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(1);

    fn report(gone: bool) -> KillReport {
        KillReport {
            signal: Signal::Term,
            gone: Some(gone),
        }
    }

    /// The state after some events, each a moment after the one before.
    fn after(events: Vec<Event>) -> State {
        let mut state = State::new();
        let mut now = Instant::now();
        for event in events {
            state.take(event, now, GRACE);
            now += GRACE;
        }
        state
    }

    #[tokio::test]
    async fn a_command_goes_down_the_ladder() {
        use Event::{DeadlineOver, HelperDone, RequestsSent, StopAsked};
        let rows = [
            (vec![], Ladder::NotAsked, false),
            (vec![DeadlineOver], Ladder::NotAsked, false),
            (vec![StopAsked], Ladder::ByHelper, false),
            (vec![StopAsked, DeadlineOver], Ladder::ByHelper, false),
            (vec![StopAsked, HelperDone(None)], Ladder::ByRequest, false),
            (
                vec![StopAsked, HelperDone(None), RequestsSent],
                Ladder::ByRequest,
                true,
            ),
            (
                vec![StopAsked, HelperDone(Some(report(true)))],
                Ladder::Helped(report(true)),
                false,
            ),
            (
                vec![StopAsked, HelperDone(Some(report(false))), DeadlineOver],
                Ladder::Helped(report(false)),
                true,
            ),
        ];
        for (events, ladder, gave_up) in rows {
            let names = format!("{events:?}");
            let state = after(events);
            assert_eq!((state.ladder, state.gave_up), (ladder, gave_up), "{names}");
            assert_eq!(state.failure, None, "{names}");
        }
    }
}
