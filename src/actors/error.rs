//! Errors of calls on sessions.

use std::time::Duration;

use thiserror::Error;

use super::session::connection_state::state_name::StateName;
use crate::error::{ErrorCode, Fate};
use crate::ssh::channel::ChannelError;
use crate::ssh::command::CommandError;
use crate::ssh::disconnect::Disconnect;
use crate::ssh::error::SshError;
use crate::ssh::shell::OpenError;
use crate::ssh::transfer::{TransferError, TransferFailure};
use crate::store::{SessionName, StoreError};

/// A call that was not served. Domain failures travel in the reply; an actor that fails is a defect.
#[derive(Debug, Clone, Error)]
pub enum SessionError {
    /// The name is neither connected nor saved.
    #[error("no session {name:?}; {}", list_sessions(known))]
    NoSuchSession {
        /// The name that was asked for.
        name: String,
        /// The sessions that there are.
        known: Vec<SessionName>,
    },
    /// No name was given and there is no default.
    #[error(
        "no session was named and there is no default session; {}",
        list_sessions(known)
    )]
    NoDefaultSession {
        /// The sessions that there are.
        known: Vec<SessionName>,
    },
    /// The name is in use for another target.
    #[error(
        "session {name} is already connected to {target}; choose another name, or call ssh_disconnect(session: \"{name}\") first"
    )]
    NameTaken {
        /// The session.
        name: SessionName,
        /// The target of the connected session.
        target: String,
    },
    /// The session logs in with a password that this process does not have.
    #[error(
        "session {0} logs in with a password, which is kept in memory only and is not known to this process; call ssh_connect with the password again"
    )]
    PasswordNeeded(SessionName),
    /// The dial failed.
    #[error("{error}")]
    Dial {
        /// Why.
        error: Box<SshError>,
        /// State of the session now, if there is one left.
        state: Option<StateName>,
        /// When the session will try again by itself.
        retry_after: Option<Duration>,
    },
    /// A connect was tried until its time was over, or until a failure that does not pass.
    #[error("{last} (after {tries} tries in {:.1} s)", within.as_secs_f64())]
    Retried {
        /// Failure of the last try.
        last: Box<SessionError>,
        /// Number of tries.
        tries: u32,
        /// Time of all tries.
        within: Duration,
    },
    /// A try to connect did not end within the time of its call.
    #[error("the last try had not ended after {:.1} s", .0.as_secs_f64())]
    TryAbandoned(Duration),
    /// The command has a form that cannot be sent.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// No channel was available.
    #[error("{error}")]
    Channel {
        /// Why.
        error: ChannelError,
    },
    /// The server opened a channel and refused to run anything on it.
    #[error(
        "the server refused to run a command (exec request refused); the account may allow sftp only or have a restricted shell"
    )]
    ExecRefused,
    /// The account gives no shell.
    #[error(
        "{error}; nothing was run. The account may allow one command or sftp only (ForceCommand, nologin); try ssh_exec"
    )]
    NoShell {
        /// Why.
        error: OpenError,
    },
    /// Another command runs in the session's shell, and the call waited for as long as it may.
    #[error("the shell of session {session} is busy: {command} has been running for {:.1} s as job {job}; wait for that job with ssh_output(job: \"{job}\", waitMs: 25000), end that job with ssh_input(job: \"{job}\", signal: \"TERM\"), or use ssh_exec, which runs beside the shell. The command was not sent", running_for.as_secs_f64())]
    ShellBusy {
        /// The session.
        session: SessionName,
        /// The job in the shell.
        job: String,
        /// The command of that job, shortened and with control characters made visible.
        command: String,
        /// How long that command has been running.
        running_for: Duration,
    },
    /// Too many commands at once.
    #[error(
        "session {session} has {running} commands running and {queued} waiting, which is the limit; wait for a command to end"
    )]
    TooManyJobs {
        /// The session.
        session: SessionName,
        /// Commands running.
        running: usize,
        /// Commands waiting.
        queued: usize,
    },
    /// The call waited for its turn for as long as the caller wanted.
    #[error("session {session} has {running} commands running, and none ended within {:.1} s; the command was not sent", waited.as_secs_f64())]
    QueueTimeout {
        /// The session.
        session: SessionName,
        /// Commands running.
        running: usize,
        /// How long the call waited.
        waited: Duration,
    },
    /// The command's time was over before a channel was free.
    #[error("session {name} had no free channel for {:.1} s, and the time of the command is over; the command did not run", waited.as_secs_f64())]
    NotStarted {
        /// The session.
        name: SessionName,
        /// The time that the command had.
        waited: Duration,
    },
    /// No such job.
    #[error("no job {name:?}{}", job_not_found_reason(*dropped))]
    NoSuchJob {
        /// The name that was asked for.
        name: String,
        /// The job existed, and its output has been dropped.
        dropped: bool,
    },
    /// The transfer failed; its target is untouched.
    #[error("{0}")]
    Transfer(Box<TransferFailure>),
    /// Too many transfers under way.
    #[error(
        "session {session} has {running} transfers running and {queued} waiting; wait for a transfer to end, or stop one with ssh_input(signal: \"TERM\"); nothing was copied"
    )]
    TooManyTransfers {
        /// The session.
        session: SessionName,
        /// Transfers running.
        running: usize,
        /// Transfers waiting.
        queued: usize,
    },
    /// Too many sessions.
    #[error(
        "there are {0} sessions, which is the limit; end one with ssh_disconnect(forget: true)"
    )]
    TooManySessions(usize),
    /// The directory of the command cannot be entered.
    #[error("cwd {cwd:?} cannot be entered on the host ({reason}); the command was not run")]
    BadDirectory {
        /// The directory as given.
        cwd: String,
        /// The message of the remote shell.
        reason: String,
    },
    /// The link was lost before the command was sent, twice in a row.
    #[error(
        "the connection was lost before the command was sent ({0}); the command did not run; call again"
    )]
    LostBeforeSend(Disconnect),
    /// The session ended while the call was under way.
    #[error("session {name} was ended while the call was under way")]
    Ended {
        /// The session.
        name: SessionName,
        /// The fate of the command.
        fate: Fate,
    },
    /// The session actor crashed while the call was under way.
    #[error("session {name} failed inside this program; {}", crash_advice(*fate))]
    Crashed {
        /// The session.
        name: SessionName,
        /// The fate of the command.
        fate: Fate,
    },
    /// The session crashed too often and is parked.
    #[error(
        "session {0} failed too often inside this program and is parked; call ssh_connect to start it anew, and report the log"
    )]
    Parked(SessionName),
    /// The store cannot be used, and the call needs the store.
    #[error("{0}")]
    Store(String),
    /// This process is ending.
    #[error("the server is shutting down")]
    ShuttingDown,
}

impl From<StoreError> for SessionError {
    fn from(error: StoreError) -> Self {
        Self::Store(error.to_string())
    }
}

impl SessionError {
    /// The stable code.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NoSuchSession { .. } => ErrorCode::NoSuchSession,
            Self::NoDefaultSession { .. } => ErrorCode::NoDefaultSession,
            Self::NameTaken { .. } | Self::Command(_) => ErrorCode::InvalidParameter,
            Self::PasswordNeeded(_) | Self::Parked(_) | Self::ShuttingDown => {
                ErrorCode::NotConnected
            }
            Self::Dial { error, .. } => error.code(),
            Self::Retried { last, .. } => last.code(),
            Self::TryAbandoned(_) => ErrorCode::ConnectFailed,
            Self::Channel { error } => match error {
                ChannelError::Closed(_) => ErrorCode::ConnectionLost,
                ChannelError::Refused(_) => ErrorCode::Unsupported,
                ChannelError::NoneFree { .. } => ErrorCode::LimitExceeded,
                ChannelError::Silent => ErrorCode::TimedOut,
            },
            Self::ExecRefused | Self::NoShell { .. } => ErrorCode::Unsupported,
            Self::ShellBusy { .. } => ErrorCode::Busy,
            Self::NoSuchJob { .. } => ErrorCode::NoSuchJob,
            Self::NotStarted { .. } => ErrorCode::TimedOut,
            Self::Transfer(failure) => failure.error.code(),
            Self::TooManyTransfers { .. } => ErrorCode::LimitExceeded,
            Self::TooManyJobs { .. } | Self::QueueTimeout { .. } | Self::TooManySessions(_) => {
                ErrorCode::LimitExceeded
            }
            Self::BadDirectory { .. } => ErrorCode::RemotePathError,
            Self::LostBeforeSend(_) => ErrorCode::ConnectionLost,
            Self::Ended { .. } => ErrorCode::ConnectionLost,
            Self::Crashed { .. } => ErrorCode::Internal,
            Self::Store(_) => ErrorCode::LocalPathError,
        }
    }

    /// The fate of the command; [`Fate::NotSent`] where no command was involved.
    pub fn fate(&self) -> Fate {
        match self {
            Self::Ended { fate, .. } | Self::Crashed { fate, .. } => *fate,
            _ => Fate::NotSent,
        }
    }

    /// Whether the call was told to end.
    pub fn is_cancelled(&self) -> bool {
        match self {
            Self::Transfer(failure) => failure.error == TransferError::Cancelled,
            Self::Ended { .. } => true,
            _ => false,
        }
    }

    /// Whether the same call may succeed later although nothing is changed.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Dial { error, .. } => !error.is_permanent(),
            Self::Retried { last, .. } => last.is_retryable(),
            Self::Channel { error } => !matches!(error, ChannelError::Refused(_)),
            Self::TooManyJobs { .. }
            | Self::QueueTimeout { .. }
            | Self::TooManyTransfers { .. }
            | Self::ShellBusy { .. }
            | Self::TryAbandoned(_)
            | Self::LostBeforeSend(_) => true,
            Self::Transfer(failure) => failure.error.is_retryable(),
            _ => false,
        }
    }

    /// Time until the session tries again by itself.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Dial { retry_after, .. } => *retry_after,
            Self::Retried { last, .. } => last.retry_after(),
            _ => None,
        }
    }

    /// State of the session, where the error is about the session.
    pub fn state(&self) -> Option<StateName> {
        match self {
            Self::Dial { state, .. } => *state,
            Self::Retried { last, .. } => last.state(),
            Self::Parked(_) => Some(StateName::Failed),
            Self::PasswordNeeded(_) => Some(StateName::Saved),
            _ => None,
        }
    }
}

fn list_sessions(known: &[SessionName]) -> String {
    const SHOWN: usize = 20;
    if known.is_empty() {
        return "there are none yet: call ssh_connect(host: …)".to_owned();
    }
    let names: Vec<_> = known
        .iter()
        .take(SHOWN)
        .map(SessionName::to_string)
        .collect();
    let more = known.len().saturating_sub(SHOWN);
    let more = if more > 0 {
        format!(" and {more} more (ssh_sessions)")
    } else {
        String::new()
    };
    format!("there are: {}{more}", names.join(", "))
}

fn crash_advice(fate: Fate) -> &'static str {
    match fate {
        Fate::NotSent => "nothing was sent; call again",
        Fate::Completed => "the command had completed",
        Fate::Unknown => "whether the command ran is unknown; the command was not run again",
    }
}

fn job_not_found_reason(dropped: bool) -> &'static str {
    if dropped {
        ": its output has been dropped to make room for newer ones"
    } else {
        "; ssh_sessions lists the running ones"
    }
}
