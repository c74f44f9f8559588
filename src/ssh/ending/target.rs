//! Which processes a signal is for, apart from how they are ended.

use std::sync::Arc;

use super::shell_command::ShellCommand;
use super::{KillReport, Signal, process_group, shell_command};
use crate::ssh::channel::Channels;
use crate::ssh::processes::Mark;

/// The processes of one command.
#[derive(Debug, Clone)]
pub(in crate::ssh) enum Target {
    /// The process group of a command with a channel of its own.
    ProcessGroup(Mark),
    /// The command that a persistent shell runs.
    ShellCommand(ShellCommand),
}

impl Target {
    /// Ends the processes with a helper on the host: INT, TERM and KILL. `None` when no helper could run.
    pub(in crate::ssh) async fn end(&self, channels: &Arc<Channels>) -> Option<KillReport> {
        match self {
            Self::ProcessGroup(mark) => process_group::end(channels, *mark).await,
            Self::ShellCommand(command) => shell_command::end(channels, command).await,
        }
    }

    /// Sends one signal with a helper on the host. False when no helper could run.
    pub(in crate::ssh) async fn signal(&self, channels: &Arc<Channels>, signal: Signal) -> bool {
        match self {
            Self::ProcessGroup(mark) => process_group::signal(channels, *mark, signal).await,
            Self::ShellCommand(command) => shell_command::signal(channels, command, signal).await,
        }
    }

    /// Whether the next command has the same target, so that a late signal would hit it.
    pub(in crate::ssh) const fn is_reused(&self) -> bool {
        matches!(self, Self::ShellCommand(_))
    }
}
