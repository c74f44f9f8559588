//! The shell of a session, on a connection.
//!
//! A temporary child of its session that ends with its connection; the session starts another for the next shell
//! command. A task owns the shell and drains its channel ([`serve`]), also between commands. The session sends a
//! command when the last one has ended. Each command is a job like any other: the job has the caller, the timers and
//! the record. State that the next shell continues with is in [`ShellCarryOver`].

mod serve;

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::mpsc;

pub(crate) use self::serve::{Served, ShellWork};
use crate::ssh::channel::Channels;
use crate::ssh::shell::ShellCarryOver;

/// Requests and events of a shell.
pub(crate) enum ShellMessage {
    /// Run a command.
    Run(Box<ShellWork>),
    /// The task has ended.
    Ended,
}

/// Arguments of [`ShellActor`].
pub(crate) struct ShellArguments {
    pub(crate) channels: Arc<Channels>,
    pub(crate) memory: Arc<ShellCarryOver>,
}

/// Owns the task of a shell, and passes commands on to that task.
pub(crate) struct ShellActor;

/// State of [`ShellActor`].
pub(crate) struct ShellState {
    /// The task ends an idle shell when this sender is dropped.
    work: mpsc::Sender<Box<ShellWork>>,
}

impl Actor for ShellActor {
    type Msg = ShellMessage;
    type State = ShellState;
    type Arguments = ShellArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<ShellMessage>,
        arguments: ShellArguments,
    ) -> Result<ShellState, ActorProcessingErr> {
        let (work, queue) = mpsc::channel(1);
        tokio::spawn(async move {
            // In a task of its own: a panic there ends the actor and drops the reply ports of waiting jobs.
            let serving = tokio::spawn(serve::serve_commands(
                arguments.channels,
                arguments.memory,
                queue,
            ));
            if let Err(error) = serving.await {
                tracing::error!(%error, "the task of a shell failed");
            }
            // The actor may have ended before.
            let _ = myself.send_message(ShellMessage::Ended);
        });
        Ok(ShellState { work })
    }

    async fn handle(
        &self,
        myself: ActorRef<ShellMessage>,
        message: ShellMessage,
        state: &mut ShellState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            ShellMessage::Run(work) => {
                // The session sends one command at a time. A command that is dropped here is answered by its job.
                if let Err(error) = state.work.try_send(work) {
                    tracing::error!(%error, "a shell got a command while another command was running");
                }
            }
            ShellMessage::Ended => myself.stop(None),
        }
        Ok(())
    }
}
