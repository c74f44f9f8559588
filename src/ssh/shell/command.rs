//! One command in a shell, from its frame to its end or the shell's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Background, Restored, Shell, ShellCarryOver, note_state};
use crate::limits;
use crate::output::Stream;
use crate::ssh::channel::Channels;
use crate::ssh::command;
use crate::ssh::ending::shell_command::{self, Look, Spared, Target};
use crate::ssh::ending::{self, KillReport, Signal};
use crate::ssh::exec::read_throttle::ReadThrottle;
use crate::ssh::exec::{self, ChannelProgress, End, Finished};
use crate::ssh::framing::{self, Event, FrameReader};
use crate::ssh::timer::sleep_until_some;

/// Time until a shell that did not seem to be at its command is looked at again.
const SECOND_LOOK: Duration = Duration::from_secs(2);

/// Takes output.
type Sink = dyn FnMut(Stream, &[u8]) + Send;

/// A command for a shell.
pub(crate) struct Work {
    /// As given.
    pub(crate) command: String,
    /// Takes the output.
    pub(crate) sink: Box<Sink>,
    /// Called when the command goes out.
    pub(crate) sent: Box<dyn FnOnce() + Send>,
    /// Ends the command.
    pub(crate) stop: CancellationToken,
    /// Signals for its processes.
    pub(crate) signals: mpsc::Receiver<Signal>,
}

/// What became of it.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) finished: Finished,
    /// Why the shell is no more, when it is.
    pub(crate) shell_ended: Option<String>,
    /// What others had printed before it began.
    pub(crate) background: Background,
}

/// What the streams have told so far.
struct Turn<'a> {
    sink: &'a mut Sink,
    memory: &'a ShellCarryOver,
    children: &'a Spared,
    background: &'a mut Background,
    /// The shell tells its state behind the end.
    tells_state: bool,
    ended: Option<u32>,
    broken: bool,
}

impl Turn<'_> {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Output(stream, bytes) => (self.sink)(stream, bytes),
            Event::Background(stream, bytes) => self.background.push(stream, bytes),
            Event::Ended { status, cwd } => {
                self.ended = Some(status);
                if self.tells_state {
                    self.memory.owe_state();
                }
                // What a command made of PWD may be anything.
                if cwd.starts_with(b"/") {
                    self.memory.note_cwd(cwd);
                }
            }
            // Of this command, or still of the one before.
            Event::State(state) => note_state(state, self.memory, self.children),
            Event::Broken => self.broken = true,
        }
    }

    fn note(
        &mut self,
        message: Option<ChannelMsg>,
        progress: &mut ChannelProgress,
        reader: &mut FrameReader,
    ) {
        progress.note(message, &mut |stream, bytes| {
            reader.feed(stream, bytes, &mut |event| self.take(event));
        });
    }
}

/// How far the ending of a command has come.
#[derive(Debug, PartialEq, Eq)]
enum Killing {
    /// Nobody asked for it.
    No,
    /// A helper is at work on the host.
    ByHelper,
    /// No helper could be had: signal requests go out.
    ByRequest,
    /// The helper has done what it could.
    Done(KillReport),
}

impl Shell {
    /// Gives the shell what the last one had.
    pub(crate) async fn restore(&mut self, memory: &ShellCarryOver) -> Restored {
        let Some(saved) = memory.saved() else {
            return Restored::Nothing;
        };
        let directory = saved.cwd.clone();
        let text = self.dialect.restoring(&saved);
        let stop = CancellationToken::new();
        let give_up = stop.clone();
        let timer = tokio::spawn(async move {
            sleep(limits::SHELL_START_TIMEOUT).await;
            give_up.cancel();
        });
        let (mut nowhere, signals) = (|_: Stream, _: &[u8]| {}, mpsc::channel(1).1);
        let done = self
            .carry(&text, &mut nowhere, || {}, &stop, signals, memory)
            .await;
        timer.abort();
        if done.shell_ended.is_some() {
            return Restored::Failed;
        }
        match done.finished.end {
            End::Exited(0) => Restored::All,
            _ if directory.is_none() => Restored::All,
            _ => Restored::NotDirectory,
        }
    }

    /// Runs a command. After its end the shell takes the next, unless it has ended too.
    pub(crate) async fn run(&mut self, work: Work, memory: &ShellCarryOver) -> Done {
        let Work {
            command,
            mut sink,
            sent,
            stop,
            signals,
        } = work;
        self.carry(command.as_bytes(), &mut *sink, sent, &stop, signals, memory)
            .await
    }

    async fn carry(
        &mut self,
        text: &[u8],
        sink: &mut Sink,
        sent: impl FnOnce(),
        stop: &CancellationToken,
        signals: mpsc::Receiver<Signal>,
        memory: &ShellCarryOver,
    ) -> Done {
        let token = command::token();
        // Telling the state takes longer than most such commands.
        self.is_plain &= framing::is_plain(text);
        let tells_state = !self.is_plain;
        let frame = self.dialect.frame(text, &token, tells_state);
        let background = std::mem::take(&mut self.background);
        self.reader.begin(&token, tells_state);
        self.progress.pace = ReadThrottle::default();
        sent();
        let target = Target {
            process: self.process,
            spared: Arc::clone(&self.children),
        };
        let mut turn = Turn {
            sink,
            memory,
            children: &self.children,
            background: &mut self.background,
            tells_state,
            ended: None,
            broken: false,
        };
        let mut io = ShellIo {
            channels: &self.channels,
            read: &mut self.read,
            write: &self.write,
            progress: &mut self.progress,
            reader: &mut self.reader,
        };
        let (killing, wedged) = io.carry(frame, &mut turn, stop, signals, target).await;
        let ended = turn.ended;
        if ended.is_none() {
            io.reader.finish(&mut |event| turn.take(event));
        }
        let kill = match killing {
            Killing::Done(report) => Some(report),
            Killing::No | Killing::ByHelper | Killing::ByRequest => None,
        };
        match ended {
            Some(status) => Done {
                finished: finished(End::Exited(status), kill),
                shell_ended: None,
                background,
            },
            None => self.without_end(kill, wedged, background).await,
        }
    }

    /// The command has no end of its own: the shell ended, or has to.
    async fn without_end(
        &mut self,
        kill: Option<KillReport>,
        wedged: Option<&'static str>,
        background: Background,
    ) -> Done {
        if self.progress.end.is_some()
            && let Some(running) = self.running.take()
        {
            running.seen_to_end();
        }
        let connection = Arc::clone(self.channels.connection());
        let is_lost = self.progress.end.is_none()
            && (connection.is_closed()
                || (self.progress.closed
                    && timeout(exec::LOSS_GRACE, connection.ended()).await.is_ok()));
        if is_lost {
            let reason = connection.ended().await;
            return Done {
                finished: finished(End::Lost(reason), None),
                shell_ended: Some("the connection was lost".to_owned()),
                background,
            };
        }
        if let Some(end) = self.progress.end.clone() {
            let words = self.end_words();
            let finished = Finished {
                held_by_background: !self.progress.streams_ended,
                ..finished(end, kill)
            };
            return Done {
                finished,
                shell_ended: Some(words),
                background,
            };
        }
        let destroyed = self.destroy().await;
        let unsure = KillReport {
            signal: Signal::Kill,
            gone: None,
        };
        let kill = match wedged {
            // Whether the command ran is not known, whatever is gone now.
            Some(_) => Some(unsure),
            None => destroyed.or(kill).or(Some(unsure)),
        };
        let words = wedged.unwrap_or("it did not come back from the command that was ended");
        Done {
            finished: finished(End::Unseen, kill),
            shell_ended: Some(words.to_owned()),
            background,
        }
    }
}

fn finished(end: End, kill: Option<KillReport>) -> Finished {
    Finished {
        end,
        held_by_background: false,
        kill,
    }
}

/// The parts of a shell that carry a command.
struct ShellIo<'a> {
    channels: &'a Arc<Channels>,
    read: &'a mut ChannelReadHalf,
    write: &'a ChannelWriteHalf<Msg>,
    progress: &'a mut ChannelProgress,
    reader: &'a mut FrameReader,
}

impl ShellIo<'_> {
    /// Until the command has ended, or the shell has, or neither will.
    async fn carry(
        &mut self,
        frame: Vec<u8>,
        turn: &mut Turn<'_>,
        stop: &CancellationToken,
        signals: mpsc::Receiver<Signal>,
        target: Target,
    ) -> (Killing, Option<&'static str>) {
        let mut killing = Killing::No;
        let mut wedged = None;
        let mut give_up = None;
        let mut last_signal = Signal::Int;
        {
            let writing = self.write.data_bytes(frame);
            let ending = shell_command::end(self.channels, target.clone());
            let requests = ending::by_request(self.write, &mut last_signal);
            let at_signals = Signalling::default();
            let signalling = send_signals(self.channels, &target, self.write, signals, &at_signals);
            let looking = watch(self.channels, target.process);
            tokio::pin!(writing, ending, requests, signalling, looking);
            let (mut written, mut signalled) = (false, false);
            loop {
                // Helpers are waited for, so that none of their signals meets the next command.
                let helped = killing == Killing::ByHelper || at_signals.is_at_work();
                if !helped && (turn.ended.is_some() || self.progress.has_ended()) {
                    break;
                }
                if turn.broken {
                    wedged = Some("the end of the command was not as the shell writes it");
                    break;
                }
                let deadline = earlier(give_up, self.progress.deadline());
                // Not biased: a flood of output must not starve the end of the command.
                tokio::select! {
                    message = self.read.wait(), if self.progress.reads() => {
                        turn.note(message, self.progress, self.reader);
                    }
                    () = sleep_until_some(self.progress.pace.rests_until()), if self.progress.pace.rests_until().is_some() => {
                        self.progress.pace.rested();
                    }
                    _ = &mut writing, if !written => written = true,
                    () = &mut signalling, if !signalled => signalled = true,
                    () = at_signals.done.notified() => {}
                    () = stop.cancelled(), if killing == Killing::No && turn.ended.is_none() => {
                        killing = Killing::ByHelper;
                    }
                    report = &mut ending, if killing == Killing::ByHelper => match report {
                        Some(report) => {
                            killing = Killing::Done(report);
                            give_up = Some(Instant::now() + limits::SHELL_RETURN_TIMEOUT);
                        }
                        None => killing = Killing::ByRequest,
                    },
                    () = &mut requests, if killing == Killing::ByRequest && give_up.is_none() => {
                        give_up = Some(Instant::now());
                    }
                    why = &mut looking, if killing == Killing::No => {
                        wedged = Some(why);
                        break;
                    }
                    () = sleep_until_some(deadline) => {
                        if self.progress.deadline().is_some_and(|deadline| deadline <= Instant::now()) {
                            self.progress.timed_out = true;
                        }
                        if give_up.is_some_and(|deadline| deadline <= Instant::now()) {
                            break;
                        }
                    }
                }
            }
        }
        if killing == Killing::ByRequest {
            killing = Killing::Done(KillReport {
                signal: last_signal,
                gone: None,
            });
        }
        (killing, wedged)
    }
}

fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Comes back when the shell is seen twice not to be at its command: its frame has been lost, and it would wait
/// for ever.
async fn watch(channels: &Arc<Channels>, process: u32) -> &'static str {
    let mut pause = limits::SHELL_LOOK_AFTER;
    let mut suspected = false;
    loop {
        sleep(if suspected { SECOND_LOOK } else { pause }).await;
        let why = match shell_command::look(channels, process).await {
            Look::Idle => "it lost the command and waited for another",
            Look::Stopped => "it had been stopped",
            Look::Busy | Look::Unknown => {
                suspected = false;
                pause = (pause * 2).min(limits::SHELL_LOOK_MAX);
                continue;
            }
        };
        if suspected {
            return why;
        }
        suspected = true;
    }
}

/// Whether a signal is on its way, and the news that it is not any more.
#[derive(Debug, Default)]
struct Signalling {
    at_work: AtomicBool,
    done: Notify,
}

impl Signalling {
    fn is_at_work(&self) -> bool {
        self.at_work.load(Ordering::Relaxed)
    }
}

/// Sends the signals that are asked for; where no helper can, by a request, which reaches the shell too.
async fn send_signals(
    channels: &Arc<Channels>,
    target: &Target,
    write: &ChannelWriteHalf<Msg>,
    mut signals: mpsc::Receiver<Signal>,
    state: &Signalling,
) {
    while let Some(signal) = signals.recv().await {
        state.at_work.store(true, Ordering::Relaxed);
        if !shell_command::signal(channels, target.clone(), signal).await {
            // A failure means that the channel is gone, which the reader sees.
            let _ = timeout(limits::SEND_TIMEOUT, write.signal(signal.to_request())).await;
        }
        state.at_work.store(false, Ordering::Relaxed);
        state.done.notify_one();
    }
}
