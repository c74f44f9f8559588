//! The kinds of jobs, as far as those who look at a job tell them apart.

use std::sync::{Arc, Mutex, PoisonError};

use super::outcome::ShellFacts;
use super::transfer::TransferJob;

/// The work of a job.
#[derive(Debug)]
pub enum JobKind {
    /// A command on a channel of its own.
    Command {
        /// The directory as given.
        cwd: Option<String>,
        /// The command runs on a terminal.
        pty: bool,
    },
    /// A command in the session's shell.
    ShellCommand {
        /// The state of the shell, once the command has its turn.
        shell: Mutex<Option<ShellFacts>>,
    },
    /// A copy of files.
    Transfer(Arc<TransferJob>),
}

impl JobKind {
    /// The kind as `ssh_sessions` names it: the tool that started the job, without `ssh_`.
    pub(in crate::actors) fn as_str(&self) -> &'static str {
        match self {
            Self::Command { .. } => "exec",
            Self::ShellCommand { .. } => "shell",
            Self::Transfer(transfer) => transfer.direction.as_str(),
        }
    }

    /// The directory of a command: as given, or the shell's own after the command.
    pub(super) fn cwd(&self) -> Option<String> {
        match self {
            Self::Command { cwd, .. } => cwd.clone(),
            Self::ShellCommand { .. } => self.shell().and_then(|shell| shell.cwd),
            Self::Transfer(_) => None,
        }
    }

    /// The state of the shell that a command runs in.
    pub(super) fn shell(&self) -> Option<ShellFacts> {
        match self {
            Self::ShellCommand { shell } => {
                shell.lock().unwrap_or_else(PoisonError::into_inner).clone()
            }
            Self::Command { .. } | Self::Transfer(_) => None,
        }
    }

    /// Sets the state of the shell: when the command goes out, and when it has ended.
    pub(super) fn set_shell(&self, facts: ShellFacts) {
        if let Self::ShellCommand { shell } = self {
            *shell.lock().unwrap_or_else(PoisonError::into_inner) = Some(facts);
        }
    }
}
