//! What the tools get back: records of sessions and of commands, free of actors and of russh.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::job::record::JobRecord;
use crate::error::Fate;
use crate::output::{Output, OutputLimits, Stream};
use crate::ssh::connection::HostKeyFact;
use crate::ssh::credentials::Credentials;
use crate::ssh::kill::KillReport;
use crate::ssh::shell::Background;
use crate::store::{AuthKind, SessionName, SessionSpec};

/// A call of `ssh_connect`.
#[derive(Debug, Clone)]
pub struct ConnectRequest {
    /// Name of the session.
    pub name: SessionName,
    /// Target and parameters as given.
    pub spec: SessionSpec,
    /// Secrets.
    pub credentials: Credentials,
    /// Becomes the default session.
    pub make_default: bool,
    /// Limit of the whole dial.
    pub connect_timeout: Option<Duration>,
}

/// A session that is up.
#[derive(Debug, Clone)]
pub struct ConnectReport {
    /// Name of the session.
    pub session: SessionName,
    /// HostName after resolution.
    pub host: String,
    /// TCP port after resolution.
    pub port: u16,
    /// User after resolution.
    pub username: String,
    /// Whether calls without a name go here.
    pub is_default: bool,
    /// The session was up already.
    pub reused: bool,
    /// How the server was convinced.
    pub auth: &'static str,
    /// The same, as the store records it.
    pub auth_kind: AuthKind,
    /// The host key that was accepted.
    pub host_key: HostKeyFact,
    /// The server's identification string.
    pub server_version: String,
    /// How long the connect took.
    pub connect_time: Duration,
    /// What the user should know: options left out, a store that cannot be written.
    pub notes: Vec<String>,
}

/// One row of `ssh_sessions`.
#[derive(Debug, Clone)]
pub struct SessionStatus {
    /// Name of the session.
    pub session: SessionName,
    /// One of `connecting`, `ready`, `backoff`, `dormant`, `failed`, `saved`.
    pub state: &'static str,
    /// Host, resolved once it was connected, else as given.
    pub host: String,
    /// Port, where it is known.
    pub port: Option<u16>,
    /// User, where it is known.
    pub username: Option<String>,
    /// How long the connection is up.
    pub connected_for: Option<Duration>,
    /// Connections after the first.
    pub reconnects: u64,
    /// Dials since the link was lost.
    pub attempt: Option<u32>,
    /// Time until the next dial.
    pub next_attempt_in: Option<Duration>,
    /// Why the last dial failed or the link was lost.
    pub last_error: Option<String>,
    /// Running jobs.
    pub jobs: Vec<JobStatus>,
    /// Directory of the shell, if there has been one.
    pub shell_cwd: Option<String>,
}

/// A running job in `ssh_sessions`.
#[derive(Debug, Clone)]
pub struct JobStatus {
    /// `<session>-<n>`.
    pub job: String,
    /// The command as given.
    pub command: String,
    /// How long it runs.
    pub running_for: Duration,
}

/// A call of `ssh_exec`.
#[derive(Debug, Clone)]
pub struct ExecRequest {
    /// Command line for the login shell.
    pub command: String,
    /// Directory to run in.
    pub cwd: Option<String>,
    /// Variables for the command.
    pub env: BTreeMap<String, String>,
    /// Text for its stdin.
    pub stdin: Option<String>,
    /// Stdin stays open after that.
    pub interactive: bool,
    /// Runs on a terminal.
    pub pty: bool,
    /// How long the call waits.
    pub wait: Duration,
    /// When the command is ended.
    pub timeout: Option<Duration>,
    /// Output beyond this many bytes is kept for later reading.
    pub shown_bytes: usize,
    /// Fires when the caller gives up.
    pub cancel: CancellationToken,
    /// Where the output can be watched while the command runs.
    pub watch: OutputWatch,
}

/// The output of a command that may not have started yet.
#[derive(Debug, Clone, Default)]
pub struct OutputWatch(Arc<OnceLock<SharedOutput>>);

impl OutputWatch {
    /// The output, once there is a command.
    pub fn get(&self) -> Option<&SharedOutput> {
        self.0.get()
    }

    /// Makes an output watchable.
    pub fn set(&self, output: SharedOutput) {
        // A command that was requeued before it was sent shows its first output, which stays empty.
        let _ = self.0.set(output);
    }
}

/// What became of a command.
#[derive(Debug, Clone)]
pub struct CommandReport {
    /// Name of the session.
    pub session: SessionName,
    /// Name of the job.
    pub job: String,
    /// The job, if it can still be asked for.
    pub record: Option<Arc<JobRecord>>,
    /// How it ended, or that it has not.
    pub outcome: Outcome,
    /// From the exec request to the end, or until now.
    pub elapsed: Duration,
    /// Directory as given.
    pub cwd: Option<String>,
    /// What it has printed.
    pub output: SharedOutput,
    /// It ran on a terminal.
    pub pty: bool,
    /// A process that it left behind still held its output.
    pub held_by_background: bool,
    /// The session had to connect first.
    pub reconnected: bool,
    /// Of a command of the session's shell.
    pub shell: Option<ShellFacts>,
}

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
    Signaled(String),
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
    ConnectionLost(String),
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

/// The output of one command, shared between its reader and those who look at it.
#[derive(Debug, Clone)]
pub struct SharedOutput {
    output: Arc<Mutex<Output>>,
    /// For those who wait for more.
    arrived: watch::Sender<Arrived>,
}

/// How much output there is, and since when.
#[derive(Debug, Clone, Copy)]
pub struct Arrived {
    /// Bytes of both streams.
    pub bytes: u64,
    /// When the last of them came, or when the command was made.
    pub at: Instant,
}

impl Default for SharedOutput {
    fn default() -> Self {
        Self {
            output: Arc::new(Mutex::new(Output::new(OutputLimits::default()))),
            arrived: watch::Sender::new(Arrived {
                bytes: 0,
                at: Instant::now(),
            }),
        }
    }
}

impl SharedOutput {
    /// Looks at the output. Keep it short: the reader of the channel waits meanwhile.
    pub fn lock(&self) -> MutexGuard<'_, Output> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells when more arrives.
    pub fn subscribe(&self) -> watch::Receiver<Arrived> {
        self.arrived.subscribe()
    }

    /// How much there is, and since when.
    pub fn arrived(&self) -> Arrived {
        *self.arrived.borrow()
    }

    pub(crate) fn append(&self, stream: Stream, bytes: &[u8]) {
        let bytes = {
            let mut output = self.lock();
            output.append(stream, bytes);
            output.len(None)
        };
        self.arrived.send_replace(Arrived {
            bytes,
            at: Instant::now(),
        });
    }
}
