//! How a command ended, and the state of the shell that it ran in.

use std::time::Duration;

use crate::error::Fate;
use crate::ssh::disconnect::Disconnect;
use crate::ssh::ending::{KillReport, Signal};
use crate::ssh::shell::Background;

/// The state of the shell that a command ran in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShellFacts {
    /// Counts the shells of a session.
    pub generation: u64,
    /// The shell was started for this command, because the last shell had ended.
    pub restarted: bool,
    /// The shell's directory after the command; text of the host.
    pub cwd: Option<String>,
    /// How the shell ended, if it ended with the command.
    pub ended: Option<String>,
    /// Remarks for the caller on restored and lost state. May hold a directory of the host.
    pub remarks: Vec<String>,
    /// Output of background processes since the last command.
    pub background: Background,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The command exited with this status.
    Exited(u32),
    /// A signal ended the command.
    Signaled(Signal),
    /// The time of the command was over, and the command was ended.
    TimedOut {
        /// The time that the command had.
        after: Duration,
        /// How the command was ended, unless it ended by itself at that moment.
        kill: Option<KillReport>,
    },
    /// The command was ended, because its caller or its session gave up.
    Cancelled(Option<KillReport>),
    /// The command is still running.
    Running,
    /// The link was lost: whether the command finished is unknown.
    ConnectionLost(Disconnect),
}

impl Outcome {
    /// The value in `_meta`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Exited(_) => "exited",
            Self::Signaled(_) => "signaled",
            Self::TimedOut { .. } => "timedOut",
            Self::Cancelled(_) => "cancelled",
            Self::Running => "running",
            Self::ConnectionLost(_) => "connectionLost",
        }
    }

    /// The fate of the command. A command that was ended has run to its end, unless the host could not confirm that
    /// end.
    pub fn fate(&self) -> Fate {
        match self {
            Self::Exited(_) | Self::Signaled(_) => Fate::Completed,
            Self::TimedOut { kill, .. } | Self::Cancelled(kill) => match kill {
                Some(report) if report.gone != Some(true) => Fate::Unknown,
                _ => Fate::Completed,
            },
            Self::Running | Self::ConnectionLost(_) => Fate::Unknown,
        }
    }
}
