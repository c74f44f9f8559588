//! The embedded SSH server: its options, the connections that it serves over any stream, its counters.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::SshId;
use russh::keys::{PrivateKey, PublicKey};
use russh::server::{Config, run_stream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::command::CommandRunner;
use super::connection::{self, Connection};
use crate::limits::{DEMO_AUTH_TRIES_MAX, DEMO_SESSIONS_MAX};
use crate::ssh::stream::Severable;

/// Behaviour of a [`DemoServer`]. Open connections keep the options of their start.
#[derive(Clone)]
pub struct ServerOptions {
    /// The host key.
    pub host_key: PrivateKey,
    /// The only key that may log in, as any user.
    pub authorized_key: PublicKey,
    /// The password that may log in; `None` turns the method off.
    pub password: Option<String>,
    /// The answer to the prompt of keyboard-interactive; `None` turns the method off.
    pub keyboard_interactive: Option<String>,
    /// Session channels of a connection; further channels are refused, as by sshd.
    pub max_sessions: usize,
    /// Refused credentials after which the connection is ended.
    pub max_auth_tries: usize,
    /// Text shown before authentication.
    pub banner: Option<String>,
    /// Time that each answer to a credential takes.
    pub auth_delay: Duration,
}

impl ServerOptions {
    /// sshd's defaults, without passwords.
    pub fn new(host_key: PrivateKey, authorized_key: PublicKey) -> Self {
        Self {
            host_key,
            authorized_key,
            password: None,
            keyboard_interactive: None,
            max_sessions: DEMO_SESSIONS_MAX,
            max_auth_tries: DEMO_AUTH_TRIES_MAX,
            banner: None,
            auth_delay: Duration::ZERO,
        }
    }

    fn config(&self) -> Config {
        let version = concat!("SSH-2.0-mcp_ssh_sessions_", env!("CARGO_PKG_VERSION"));
        Config {
            server_id: SshId::Standard(version.into()),
            methods: connection::methods(self),
            keys: vec![self.host_key.clone()],
            max_auth_attempts: self.max_auth_tries,
            // Refusals are immediate, apart from `auth_delay`: there is no secret to protect from guessing.
            auth_rejection_time: Duration::ZERO,
            inactivity_timeout: None,
            ..Config::default()
        }
    }
}

impl fmt::Debug for ServerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerOptions")
            .field("max_sessions", &self.max_sessions)
            .field("max_auth_tries", &self.max_auth_tries)
            .field("auth_delay", &self.auth_delay)
            .finish_non_exhaustive()
    }
}

/// Errors of the embedded server.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// No loopback port could be bound.
    #[error("cannot listen on a port of 127.0.0.1: {0}")]
    Listen(#[source] std::io::Error),
    /// A connection ended other than by a disconnect.
    #[error("the connection to the embedded ssh server ended: {0}")]
    Connection(#[from] russh::Error),
}

/// Counters of a server.
#[derive(Debug, Default)]
pub(super) struct Counters {
    connections: AtomicUsize,
    auth_attempts: AtomicUsize,
    channels: AtomicUsize,
}

impl Counters {
    /// A credential was shown.
    pub(super) fn auth_attempt(&self) {
        self.auth_attempts.fetch_add(1, Ordering::Relaxed);
    }

    /// A session channel was opened.
    pub(super) fn channel(&self) {
        self.channels.fetch_add(1, Ordering::Relaxed);
    }
}

/// State that the connections of a server share.
pub(super) struct Shared {
    /// Runs the commands.
    pub(super) runner: Arc<dyn CommandRunner>,
    /// Every task of the server.
    pub(super) tasks: TaskTracker,
    /// Counters.
    pub(super) counters: Counters,
    options: Mutex<Arc<ServerOptions>>,
    /// Parent of the tokens of the connections that are open; replaced when they are dropped.
    connections: Mutex<CancellationToken>,
}

/// An SSH server inside this process. Clones are the same server.
#[derive(Clone)]
pub struct DemoServer {
    pub(super) shared: Arc<Shared>,
}

impl fmt::Debug for DemoServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DemoServer")
            .field("counters", &self.shared.counters)
            .finish_non_exhaustive()
    }
}

impl DemoServer {
    /// A server that runs its commands with `runner`. Connections are passed to [`Self::serve_stream`] or accepted by
    /// [`Self::listen`].
    pub fn new(options: ServerOptions, runner: Arc<dyn CommandRunner>) -> Self {
        let shared = Shared {
            runner,
            tasks: TaskTracker::new(),
            counters: Counters::default(),
            options: Mutex::new(Arc::new(options)),
            connections: Mutex::new(CancellationToken::new()),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Changes the options for the connections to come.
    pub fn set_options(&self, change: impl FnOnce(&mut ServerOptions)) {
        let mut options = self
            .shared
            .options
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut options));
    }

    /// Serves a connection to its end. Dropping the future cuts the connection.
    pub async fn serve_stream<S>(&self, stream: S) -> Result<(), DemoError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.shared
            .counters
            .connections
            .fetch_add(1, Ordering::Relaxed);
        let closed = self.connections_token().child_token();
        let _close = closed.clone().drop_guard();
        let options = self
            .shared
            .options
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let config = Arc::new(options.config());
        let handler = Connection::new(options, Arc::clone(&self.shared), closed.clone());
        let session = run_stream(config, Severable::new(stream, closed), handler).await?;
        Ok(session.await?)
    }

    /// Cuts every open connection. New connections are served as before.
    pub fn drop_connections(&self) {
        let mut connections = self
            .shared
            .connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *connections).cancel();
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.counters.connections.load(Ordering::Relaxed)
    }

    /// Credentials shown so far: keys offered, passwords and answers; `none` does not count.
    pub fn auth_attempts(&self) -> usize {
        self.shared.counters.auth_attempts.load(Ordering::Relaxed)
    }

    /// Session channels opened so far, refused ones not counted.
    pub fn channels(&self) -> usize {
        self.shared.counters.channels.load(Ordering::Relaxed)
    }

    fn connections_token(&self) -> CancellationToken {
        self.shared
            .connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
