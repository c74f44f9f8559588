//! How a command ended, and the state of the shell that it ran in.

use std::time::Duration;

use crate::error::Fate;
use crate::ssh::disconnect::Disconnect;
use crate::ssh::ending::{KillReport, Signal};
use crate::ssh::shell::Background;

/// What there is to say of the shell that a command ran in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShellFacts {
    /// Counts the shells of a session.
    pub generation: u64,
    /// It was started for this command, in place of another that had ended.
    pub restarted: bool,
    /// Its directory after the command; the host's text.
    pub cwd: Option<String>,
    /// It ended with the command, and how.
    pub ended: Option<String>,
    /// What the caller should know: what was restored, what was lost. May hold a directory of the host.
    pub remarks: Vec<String>,
    /// What background processes had printed since the command before.
    pub background: Background,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It exited with this status.
    Exited(u32),
    /// A signal ended it.
    Signaled(Signal),
    /// Its time was over and it was ended.
    TimedOut {
        /// The time that it had.
        after: Duration,
        /// What was done, unless it ended by itself at that moment.
        kill: Option<KillReport>,
    },
    /// It was ended because its caller or its session gave up.
    Cancelled(Option<KillReport>),
    /// It runs on.
    Running,
    /// The link was lost: whether it finished is unknown.
    ConnectionLost(Disconnect),
}

impl Outcome {
    /// The word in `_meta`.
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

    /// What is known of the command. A command that was ended has run, and its end was seen unless the
    /// host could not confirm it.
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
