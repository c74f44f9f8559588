//! The shell of a session, on one connection.
//!
//! A temporary child of its session: it ends with its connection, and the next command that wants a shell has the
//! session start another. A task owns the shell and drains its channel ([`serve`]), also between commands. The
//! session gives it one command at a time; each is a job like any other, and what it is told as such (its caller,
//! its times, its end) is the job's business. What outlives the shell is in [`ShellCarryOver`].

mod serve;

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::mpsc;

pub(crate) use self::serve::{Served, ShellWork};
use crate::ssh::channel::Channels;
use crate::ssh::shell::ShellCarryOver;

/// What a shell is told.
pub(crate) enum ShellMessage {
    /// Run a command.
    Run(Box<ShellWork>),
    /// The task has come to its end.
    Ended,
}

/// Everything a shell needs.
pub(crate) struct ShellArguments {
    pub(crate) channels: Arc<Channels>,
    pub(crate) memory: Arc<ShellCarryOver>,
}

/// The actor.
pub(crate) struct ShellActor;

/// What it remembers.
pub(crate) struct ShellState {
    /// Dropping it lets an idle shell go.
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
            // In a task of its own, so that a defect in it ends the actor, and the answers that it owes are dropped.
            let serving = tokio::spawn(serve::serve(arguments.channels, arguments.memory, queue));
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
                // The session gives one at a time. What is not taken is dropped, which answers it.
                if let Err(error) = state.work.try_send(work) {
                    tracing::error!(%error, "a shell got a command that it cannot take");
                }
            }
            ShellMessage::Ended => myself.stop(None),
        }
        Ok(())
    }
}
