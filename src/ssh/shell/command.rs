//! One command in a shell, from its frame to its own end or the shell's.

use std::sync::Arc;
use std::time::Duration;

use russh::ChannelMsg;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Background, Restored, Shell, ShellCarryOver, keep_state};
use crate::limits;
use crate::output::Stream;
use crate::ssh::channel::Channels;
use crate::ssh::command;
use crate::ssh::disconnect::Disconnect;
use crate::ssh::ending::shell_command::{self, Look, ShellCommand, Spared};
use crate::ssh::ending::target::Target;
use crate::ssh::ending::{KillReport, Signal};
use crate::ssh::exec::drive::{Drive, Driven, EndDetector};
use crate::ssh::exec::read_throttle::ReadThrottle;
use crate::ssh::exec::{self, ChannelProgress, End, Finished};
use crate::ssh::framing::{self, Event, FrameReader};

/// Time until a shell that did not seem to be at its command is looked at again.
const SECOND_LOOK: Duration = Duration::from_secs(2);

/// Receives the output of a command.
type Sink<'a> = dyn FnMut(Stream, &[u8]) + Send + 'a;

/// A command for a shell.
pub(crate) struct Work {
    /// As given by the caller.
    pub(crate) command: String,
    /// Directory that the shell enters first.
    pub(crate) cwd: Option<String>,
    /// Receives the output.
    pub(crate) sink: Box<Sink<'static>>,
    /// Called when the command goes out.
    pub(crate) sent: Box<dyn FnOnce() + Send>,
    /// Ends the command.
    pub(crate) stop: CancellationToken,
    /// Signals for the processes of the command.
    pub(crate) signals: mpsc::Receiver<Signal>,
}

/// The end of a command in a shell.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) finished: Finished,
    /// Why the shell has ended, if it has.
    pub(crate) shell_ended: Option<String>,
    /// Output of background processes from before the command.
    pub(crate) background: Background,
    /// Why the directory of the command could not be entered; the command did not run then.
    pub(crate) no_directory: Option<String>,
}

/// A command whose end is the end of its frame, which the shell writes.
struct FrameEnd<'a> {
    reader: &'a mut FrameReader,
    turn: Turn<'a>,
}

/// What a command and its shell have written so far.
struct Turn<'a> {
    sink: &'a mut Sink<'a>,
    carry_over: &'a ShellCarryOver,
    children: &'a Spared,
    errexit: &'a mut bool,
    background: &'a mut Background,
    /// The shell writes its state behind the frame.
    tells_state: bool,
    /// Exit status of the command, once its frame has ended.
    status: Option<u32>,
    is_broken: bool,
}

impl Turn<'_> {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Output(stream, bytes) => (self.sink)(stream, bytes),
            Event::Background(stream, bytes) => self.background.push(stream, bytes),
            Event::Ended { status, cwd } => {
                self.status = Some(status);
                if self.tells_state {
                    self.carry_over.owe_state();
                }
                // A command may assign any text to PWD.
                if cwd.starts_with(b"/") {
                    self.carry_over.keep_cwd(cwd);
                }
            }
            // Of this command, or still of the one before.
            Event::State(state) => {
                keep_state(state, self.carry_over, self.children, self.errexit);
            }
            Event::Broken => self.is_broken = true,
        }
    }
}

impl EndDetector for FrameEnd<'_> {
    fn receive(&mut self, message: Option<ChannelMsg>, progress: &mut ChannelProgress) {
        let (reader, turn) = (&mut *self.reader, &mut self.turn);
        progress.receive(message, &mut |stream, bytes| {
            reader.feed(stream, bytes, &mut |event| turn.take(event));
        });
    }

    fn has_ended(&self) -> bool {
        self.turn.status.is_some()
    }

    fn failure(&self) -> Option<&'static str> {
        let is_lost = self.turn.is_broken && !self.has_ended();
        is_lost.then_some("the end of the command was not as the shell writes it")
    }
}

/// Input and controls of one frame.
pub(super) struct Frame<'a> {
    pub(super) text: &'a [u8],
    pub(super) sink: &'a mut Sink<'a>,
    pub(super) stop: &'a CancellationToken,
    pub(super) signals: mpsc::Receiver<Signal>,
}

impl Shell {
    /// Gives the shell the state of the last one.
    pub(crate) async fn restore(&mut self, carry_over: &ShellCarryOver) -> Restored {
        let Some(saved) = carry_over.saved() else {
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
        let frame = Frame {
            text: &text,
            sink: &mut |_: Stream, _: &[u8]| {},
            stop: &stop,
            signals: mpsc::channel(1).1,
        };
        let done = self.run_frame(frame, || {}, carry_over).await;
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
    pub(crate) async fn run_command(&mut self, work: Work, carry_over: &ShellCarryOver) -> Done {
        let Work {
            command,
            cwd,
            mut sink,
            mut sent,
            stop,
            signals,
        } = work;
        if let Some(cwd) = cwd {
            let entering = self.change_directory(&cwd, &stop, sent, carry_over);
            let mut done = Box::pin(entering).await;
            if done.shell_ended.is_some() || done.finished.kill.is_some() {
                return done;
            }
            self.background
                .prepend(std::mem::take(&mut done.background));
            if done.no_directory.is_some() {
                return done;
            }
            sent = Box::new(|| {});
        }
        let frame = Frame {
            text: command.as_bytes(),
            sink: &mut *sink,
            stop: &stop,
            signals,
        };
        self.run_frame(frame, sent, carry_over).await
    }

    pub(super) async fn run_frame(
        &mut self,
        frame: Frame<'_>,
        sent: impl FnOnce(),
        carry_over: &ShellCarryOver,
    ) -> Done {
        let token = command::token();
        // Writing the state takes longer than most stateless commands.
        self.is_plain &= framing::is_plain(frame.text);
        let tells_state = !self.is_plain;
        let bytes = self.dialect.frame(frame.text, &token, tells_state);
        let background = std::mem::take(&mut self.background);
        self.reader.begin(&token, tells_state);
        self.progress.throttle = ReadThrottle::default();
        sent();
        let mut detector = FrameEnd {
            reader: &mut self.reader,
            turn: Turn {
                sink: frame.sink,
                carry_over,
                children: &self.children,
                errexit: &mut self.errexit,
                background: &mut self.background,
                tells_state,
                status: None,
                is_broken: false,
            },
        };
        let drive = Drive {
            channels: &self.channels,
            read: &mut self.read,
            write: &self.write,
            progress: &mut self.progress,
            detector: &mut detector,
            target: Target::ShellCommand(ShellCommand {
                process: self.process,
                spared: Arc::clone(&self.children),
            }),
            end_grace: limits::SHELL_RETURN_TIMEOUT,
        };
        let write = &self.write;
        let input = async {
            // A failure means that the channel is gone, which the reader sees.
            let _ = write.data_bytes(bytes).await;
        };
        let stuck = find_stuck(&self.channels, self.process);
        let driven = drive
            .run_to_end(input, frame.signals, frame.stop, stuck)
            .await;
        let FrameEnd { reader, mut turn } = detector;
        match turn.status {
            Some(status) => Done {
                finished: finished(End::Exited(status), driven.kill),
                shell_ended: None,
                background,
                no_directory: None,
            },
            None => {
                reader.finish(&mut |event| turn.take(event));
                self.finish_without_frame(driven, background, frame.text)
                    .await
            }
        }
    }

    /// The frame has no end: the shell has ended, or has to.
    async fn finish_without_frame(
        &mut self,
        driven: Driven,
        background: Background,
        command: &[u8],
    ) -> Done {
        if self.progress.end.is_some()
            && let Some(running) = self.running.take()
        {
            running.seen_to_end();
        }
        let done = |finished, words: &str| Done {
            finished,
            shell_ended: Some(words.to_owned()),
            background,
            no_directory: None,
        };
        if let Some(reason) = self.lost_because().await {
            return done(finished(End::Lost(reason), None), "the connection was lost");
        }
        if let Some(end) = self.progress.end.clone() {
            let finished = Finished {
                held_by_background: !self.progress.streams_ended,
                ..finished(end, driven.kill)
            };
            return done(finished, &self.end_words_after(command));
        }
        let destroyed = self.destroy().await;
        let unsure = KillReport {
            signal: Signal::Kill,
            gone: None,
        };
        let kill = match driven.failure {
            // Whether the command ran is unknown, whichever processes are gone now.
            Some(_) => unsure,
            None => destroyed.or(driven.kill).unwrap_or(unsure),
        };
        let words = driven
            .failure
            .unwrap_or("it did not come back from the command that was ended");
        done(finished(End::Unseen, Some(kill)), words)
    }

    /// How the shell ended during a command, and whether `set -e` was on.
    fn end_words_after(&self, command: &[u8]) -> String {
        let words = self.end_words();
        let has_failed = matches!(self.progress.end, Some(End::Exited(1..)));
        if has_failed && framing::may_have_ended_shell(command, self.errexit) {
            return format!("{words} with set -e on, which ends a shell when a command fails");
        }
        words
    }

    /// Why the connection was lost, if it ended with the shell.
    async fn lost_because(&self) -> Option<Disconnect> {
        if self.progress.end.is_some() {
            return None;
        }
        let connection = self.channels.connection();
        if connection.is_closed() {
            return Some(connection.ended().await);
        }
        if !self.progress.closed {
            return None;
        }
        timeout(exec::LOSS_GRACE, connection.ended()).await.ok()
    }
}

fn finished(end: End, kill: Option<KillReport>) -> Finished {
    Finished {
        end,
        held_by_background: false,
        kill,
    }
}

/// Looks at the shell from time to time. Resolves with the reason when the shell is seen twice not to be at its
/// command: the frame has been lost, and its end would never come.
async fn find_stuck(channels: &Arc<Channels>, process: u32) -> &'static str {
    let mut pause = limits::SHELL_LOOK_AFTER;
    let mut suspected = false;
    loop {
        sleep(if suspected { SECOND_LOOK } else { pause }).await;
        let reason = match shell_command::look(channels, process).await {
            Look::Idle => "it lost the command and waited for another",
            Look::Stopped => "it had been stopped",
            Look::Busy | Look::Unknown => {
                suspected = false;
                pause = (pause * 2).min(limits::SHELL_LOOK_MAX);
                continue;
            }
        };
        if suspected {
            return reason;
        }
        suspected = true;
    }
}
