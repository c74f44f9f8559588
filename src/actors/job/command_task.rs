//! The task of a command: from the wait for a channel, or for the shell, to the end.

use std::sync::Arc;

use ractor::ActorRef;
use tokio::sync::oneshot;

use super::command::CommandWork;
use super::work::JobTask;
use crate::actors::shell::{Served, ShellMessage, ShellWork};
use crate::ssh::channel::{ChannelError, Channels};
use crate::ssh::disconnect::Disconnect;
use crate::ssh::exec::{self, Feed, Finished, Terminal};
use crate::ssh::shell::{OpenError, Work};

/// How the task of a command ended.
#[derive(Debug)]
pub(crate) enum CommandEnd {
    /// The link was dead before the request went out: the command may be sent over the next link.
    LinkWasDead(Disconnect),
    /// No channel was available.
    NoChannel(ChannelError),
    /// No shell was available: nothing was sent.
    NoShell(OpenError),
    /// The shell could not enter the directory of the command, for this reason: the command did not run.
    NoDirectory(String),
    /// The command was given up before it was sent.
    GivenUp,
    /// The command ran.
    Finished(Finished),
    /// The task of the shell failed after the command was sent, which is a defect of this program.
    ShellFailed,
}

/// The way of a command to the host.
#[derive(Clone)]
pub(crate) enum Route {
    /// A channel of its own.
    Channel(Arc<Channels>),
    /// The session's shell.
    Shell(ActorRef<ShellMessage>),
}

/// Runs a command on the channel or in the shell that its route names.
pub(super) async fn run_command(task: JobTask<CommandWork>) -> CommandEnd {
    match task.resources.clone() {
        // Boxed: the state of a channel is large, and every shell command would carry room for that state.
        Route::Channel(channels) => Box::pin(run_on_channel(task, &channels)).await,
        Route::Shell(shell) => run_in_shell(task, &shell).await,
    }
}

async fn run_on_channel(task: JobTask<CommandWork>, channels: &Arc<Channels>) -> CommandEnd {
    let lease = tokio::select! {
        biased;
        () = task.stop.cancelled() => return CommandEnd::GivenUp,
        lease = channels.acquire(task.deadline) => lease,
    };
    let terminal = task.work.request.pty.then(Terminal::default);
    let line = &task.work.line.line;
    let started = match lease {
        Ok(lease) => exec::start(channels, lease, line, terminal.as_ref()).await,
        Err(error) => Err(error),
    };
    match started {
        Err(ChannelError::Closed(reason)) => CommandEnd::LinkWasDead(reason),
        Err(error) => CommandEnd::NoChannel(error),
        Ok(started) => {
            let record = task.record;
            record.mark_sent();
            let feed = Feed {
                input: task.inbox.input,
                signals: task.inbox.signals,
            };
            let finished = started.run_to_end(feed, task.stop, |stream, bytes| {
                record.append(stream, bytes)
            });
            CommandEnd::Finished(finished.await)
        }
    }
}

/// Gives the command to the shell actor, whose session gives it one command at a time.
async fn run_in_shell(task: JobTask<CommandWork>, shell: &ActorRef<ShellMessage>) -> CommandEnd {
    let record = task.record;
    let (reply, answer) = oneshot::channel();
    let (sink, sent, begun) = (
        Arc::clone(&record),
        Arc::clone(&record),
        Arc::clone(&record),
    );
    let work = Box::new(ShellWork {
        work: Work {
            command: task.work.line.line.clone(),
            cwd: task.work.request.cwd.clone(),
            sink: Box::new(move |stream, bytes| sink.append(stream, bytes)),
            sent: Box::new(move || sent.mark_sent()),
            stop: task.stop,
            signals: task.inbox.signals,
        },
        begun: Box::new(move |facts| begun.set_shell(facts)),
        deadline: task.deadline,
        reply,
    });
    // A shell that has ended drops the work, and with it the reply port.
    let _ = shell.send_message(ShellMessage::Run(work));
    match answer.await {
        Ok(Served::Ran(ran)) => {
            let (finished, facts) = *ran;
            record.set_shell(facts);
            CommandEnd::Finished(finished)
        }
        Ok(Served::NoShell(OpenError::Lost(reason))) => CommandEnd::LinkWasDead(reason),
        Ok(Served::NoShell(OpenError::Channel(error))) => CommandEnd::NoChannel(error),
        Ok(Served::NoShell(error)) => CommandEnd::NoShell(error),
        Ok(Served::NoDirectory(reason)) => CommandEnd::NoDirectory(reason),
        Ok(Served::GivenUp) => CommandEnd::GivenUp,
        Err(_) if record.is_sent() => CommandEnd::ShellFailed,
        Err(_) => CommandEnd::LinkWasDead(Disconnect::Channel("the shell had ended")),
    }
}
