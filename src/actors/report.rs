//! Reports of sessions for the tools. Nothing here knows actors or russh.

use std::time::Duration;

use super::session::connection_state::state_name::StateName;
use crate::ssh::connection::HostKeyFact;
use crate::store::{AuthKind, SessionName};

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
    /// Calls without a name use this session.
    pub is_default: bool,
    /// The session was up already.
    pub reused: bool,
    /// Authentication method that succeeded.
    pub auth: &'static str,
    /// The method as the store records it.
    pub auth_kind: AuthKind,
    /// The host key that was accepted.
    pub host_key: HostKeyFact,
    /// The server's identification string.
    pub server_version: String,
    /// Jobs that `ssh_reconnect` told to end.
    pub ended_jobs: Vec<String>,
    /// Duration of the connect.
    pub connect_time: Duration,
    /// Notes for the user: options left out, a store that cannot be written.
    pub notes: Vec<String>,
}

/// One row of `ssh_sessions`.
#[derive(Debug, Clone)]
pub struct SessionStatus {
    /// Name of the session.
    pub session: SessionName,
    /// State of the connection.
    pub state: StateName,
    /// Host: resolved after a connect, else as given.
    pub host: String,
    /// Port, where it is known.
    pub port: Option<u16>,
    /// User, where it is known.
    pub username: Option<String>,
    /// How long the connection has been up.
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
    /// `exec`, `shell`, `upload` or `download`.
    pub kind: &'static str,
    /// The job waits for a channel or for its turn.
    pub is_waiting: bool,
    /// The command as given.
    pub command: String,
    /// How long the job has been running or waiting.
    pub running_for: Duration,
}
