//! The stage of the walk-through: two embedded hosts, a home directory with keys for the client's side, and the
//! product's own MCP server with a client. All files are in a single temporary directory.

mod home;

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::keys::PrivateKey;
use russh::keys::ssh_key::LineEnding;
use serde_json::Value;
use tempfile::TempDir;

use self::home::Home;
use super::client::{Client, ClientError};
use super::key::generate_key;
use super::listening::Listening;
use super::process::LocalProcess;
use super::server::{DemoError, DemoServer, ServerOptions};
use crate::limits::QUOTED_TEXT_MAX_CHARS;
use crate::text::visible_line;

/// Lines of the MCP server's log that are shown when a step failed.
const LOG_LINES: usize = 5;

/// Reason why the walk-through cannot begin.
#[derive(Debug, thiserror::Error)]
pub(super) enum StageError {
    /// A file or directory could not be created.
    #[error("the temporary directory cannot be filled: {0}")]
    Files(#[from] io::Error),
    /// A key could not be written as text.
    #[error("a key cannot be written: {0}")]
    Key(#[from] russh::keys::ssh_key::Error),
    /// The embedded server did not start.
    #[error(transparent)]
    Server(#[from] DemoError),
    /// The MCP server did not start.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// A host of the walk-through.
pub(super) struct Host {
    /// The embedded server, for its counters.
    pub(super) server: DemoServer,
    /// The server's port.
    pub(super) listening: Listening,
    /// Arguments of `ssh_connect` for the host.
    pub(super) arguments: Value,
}

/// Everything that the walk-through uses.
pub(super) struct Stage {
    /// Client of the MCP server.
    pub(super) client: Client,
    /// The host whose key is in known_hosts.
    pub(super) host: Host,
    /// A host whose key is not recorded.
    pub(super) stranger: Host,
    /// Directory of the hosts' commands.
    pub(super) remote: PathBuf,
    /// Log file of the MCP server.
    pub(super) log: PathBuf,
    directory: TempDir,
}

impl Stage {
    /// Sets everything up.
    pub(super) async fn set_up() -> Result<Self, StageError> {
        let directory = temporary_directory()?;
        let remote = directory.path().join("host");
        let log = directory.path().join("server.log");
        private_directory(&remote)?;
        let user_key = generate_key();
        let host = Embedded::start(&user_key, &remote).await?;
        let stranger = Embedded::start(&user_key, &remote).await?;
        let mut home = Home::new(directory.path().join("client"))?;
        home.write("id_ed25519", &user_key.to_openssh(LineEnding::LF)?)?;
        home.write("known_hosts", &host.known_hosts_line()?)?;
        home.configure(&[("demo", host.port()), ("stranger", stranger.port())])?;
        let mut server = home.mcp_server(directory.path(), &log)?;
        Ok(Self {
            client: Client::start(&mut server)?,
            host: host.reached_from(&home, "demo"),
            stranger: stranger.reached_from(&home, "stranger"),
            remote,
            log,
            directory,
        })
    }

    /// The directory of all files.
    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Ends the client and its server, then the hosts with all of their commands, and removes the directory.
    /// Returns how the MCP server ended, and the directory if it is left.
    pub(super) async fn close(self) -> Result<Closed, ClientError> {
        let ended = self.client.end().await;
        self.host.listening.stop().await;
        self.stranger.listening.stop().await;
        let path = self.directory.path().to_owned();
        let removed = self.directory.close();
        let (status, took) = ended?;
        Ok(Closed {
            status,
            took,
            left: removed
                .err()
                .map(|error| format!("{}: {error}", path.display())),
        })
    }
}

/// The end of the stage.
pub(super) struct Closed {
    /// Exit status of the MCP server.
    pub(super) status: std::process::ExitStatus,
    /// Time from the end of the server's input to the server's exit.
    pub(super) took: std::time::Duration,
    /// The error for a directory that could not be removed.
    pub(super) left: Option<String>,
}

/// The last lines of a log.
pub(super) fn tail(log: &Path) -> Vec<String> {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let skipped = text.lines().count().saturating_sub(LOG_LINES);
    let lines = text.lines().skip(skipped);
    lines
        .map(|line| visible_line(line, QUOTED_TEXT_MAX_CHARS))
        .collect()
}

/// The system's directory for temporary files, unless the path has characters with a meaning in ssh_config(5).
fn temporary_directory() -> io::Result<TempDir> {
    let builder = || {
        let mut builder = tempfile::Builder::new();
        builder.prefix("mcp-ssh-sessions-demo-");
        builder
    };
    let place = std::env::temp_dir();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    match place.to_str() {
        Some(path) if place.is_absolute() && path.chars().all(plain) => {
            builder().tempdir_in(&place)
        }
        _ => builder().tempdir_in("/tmp"),
    }
}

fn private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).recursive(true).create(path)
}

/// A server that listens, before its host key is recorded anywhere.
struct Embedded {
    server: DemoServer,
    listening: Listening,
    host_key: PrivateKey,
}

impl Embedded {
    /// Starts a server that accepts this key and runs its commands in this directory.
    async fn start(user_key: &PrivateKey, directory: &Path) -> Result<Self, DemoError> {
        let host_key = generate_key();
        let options = ServerOptions::new(host_key.clone(), user_key.public_key().clone());
        let server = DemoServer::new(options, Arc::new(LocalProcess::new(directory)));
        Ok(Self {
            listening: server.listen().await?,
            server,
            host_key,
        })
    }

    fn port(&self) -> u16 {
        self.listening.address.port()
    }

    fn known_hosts_line(&self) -> Result<String, StageError> {
        let key = self.host_key.public_key().to_openssh()?;
        Ok(format!("[127.0.0.1]:{} {key}\n", self.port()))
    }

    fn reached_from(self, home: &Home, name: &str) -> Host {
        Host {
            arguments: home.connect_arguments(name, self.port()),
            server: self.server,
            listening: self.listening,
        }
    }
}
