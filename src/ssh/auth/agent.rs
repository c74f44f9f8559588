//! The SSH agent: its possible sockets, its keys, and its signatures.

use std::path::PathBuf;
use std::time::Duration;

use russh::Signer;
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{HashAlg, PublicKey};
use thiserror::Error;
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::limits;
use crate::ssh::resolve::IdentityAgent;

/// Why an agent cannot be used.
#[derive(Debug, Error)]
pub enum AgentError {
    /// IdentityAgent none.
    #[error("the agent is disabled by IdentityAgent none")]
    Disabled,
    /// No socket led to an agent.
    #[error("no agent ({0})")]
    NotFound(String),
    /// The agent refused or failed.
    #[error("the agent declined to sign: {0}")]
    Declined(String),
    /// The agent did not answer.
    #[error("the agent did not answer within {0} s; a confirmation or a touch may be pending")]
    Silent(u64),
    /// The SSH connection, not the agent, failed.
    #[error(transparent)]
    Connection(#[from] russh::Error),
}

impl From<russh::SendError> for AgentError {
    fn from(_: russh::SendError) -> Self {
        Self::Connection(russh::Error::SendError)
    }
}

/// A connected agent and the plain keys that it holds.
pub(crate) struct Agent {
    client: AgentClient<UnixStream>,
    identities: Vec<PublicKey>,
    /// Path of the socket, and the source that named the path.
    place: String,
}

impl Agent {
    /// Tries the possible sockets of an agent, each for a bounded time.
    pub(crate) async fn find(configured: &IdentityAgent) -> Result<Self, AgentError> {
        let mut tried = Vec::new();
        for socket in sockets(configured)? {
            match timeout(limits::AGENT_TIMEOUT, open(&socket)).await {
                Ok(Ok(agent)) => return Ok(agent),
                Ok(Err(error)) => tried.push(format!("{}: {error}", socket.label())),
                Err(_) => tried.push(format!("{}: no answer", socket.label())),
            }
        }
        if tried.is_empty() {
            tried.push("SSH_AUTH_SOCK is not set and no desktop agent was found".to_owned());
        }
        Err(AgentError::NotFound(tried.join("; ")))
    }

    /// The source that named the socket, and the path, for a report.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// The keys that can be offered.
    pub(crate) fn identities(&self) -> &[PublicKey] {
        &self.identities
    }
}

async fn open(socket: &Socket) -> Result<Agent, String> {
    let stream = UnixStream::connect(&socket.path)
        .await
        .map_err(|error| error.to_string())?;
    let mut client = AgentClient::connect(stream);
    let identities = client
        .request_identities()
        .await
        .map_err(|error| error.to_string())?;
    let plain = identities
        .into_iter()
        .filter_map(|identity| match identity {
            AgentIdentity::PublicKey { key, .. } => Some(key),
            // Certificates are offered by a later release.
            AgentIdentity::Certificate { .. } => None,
        });
    Ok(Agent {
        identities: plain.collect(),
        client,
        place: socket.label(),
    })
}

/// A socket on which an agent may listen.
struct Socket {
    path: PathBuf,
    source: &'static str,
}

impl Socket {
    fn label(&self) -> String {
        format!("{} {}", self.source, self.path.display())
    }
}

/// IdentityAgent, else SSH_AUTH_SOCK, else the usual sockets of desktop agents: several MCP clients start their
/// servers with a scrubbed environment.
fn sockets(configured: &IdentityAgent) -> Result<Vec<Socket>, AgentError> {
    match configured {
        IdentityAgent::None => return Err(AgentError::Disabled),
        IdentityAgent::Path(path) => {
            return Ok(vec![Socket {
                path: path.clone(),
                source: "IdentityAgent",
            }]);
        }
        IdentityAgent::FromEnvironment => {}
    }
    if let Some(path) = std::env::var_os("SSH_AUTH_SOCK").filter(|path| !path.is_empty()) {
        return Ok(vec![Socket {
            path: path.into(),
            source: "SSH_AUTH_SOCK",
        }]);
    }
    Ok(desktop_sockets())
}

fn desktop_sockets() -> Vec<Socket> {
    let mut paths = Vec::new();
    if let Some(runtime) = std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .or_else(runtime_directory)
    {
        for name in [
            "ssh-agent.socket",
            "keyring/ssh",
            "gcr/ssh",
            "gnupg/S.gpg-agent.ssh",
            "openssh_agent",
        ] {
            paths.push(runtime.join(name));
        }
    }
    if let Some(home) = std::env::home_dir() {
        paths.push(home.join(".1password/agent.sock"));
        paths.push(home.join("Library/Group Containers/2BUA8C4S2C.com.1password/t/agent.sock"));
    }
    let present = paths.into_iter().filter(|path| path.exists());
    present
        .map(|path| Socket {
            path,
            source: "desktop agent",
        })
        .collect()
}

/// The usual place of XDG_RUNTIME_DIR when the variable was scrubbed.
fn runtime_directory() -> Option<PathBuf> {
    let path = PathBuf::from(format!("/run/user/{}", rustix::process::getuid().as_raw()));
    path.is_dir().then_some(path)
}

/// A signature may need a touch or a confirmation, so it has more time than a question.
const SIGN_TIMEOUT: Duration = Duration::from_secs(25);

impl Signer for Agent {
    type Error = AgentError;

    async fn auth_sign(
        &mut self,
        key: &AgentIdentity,
        hash_alg: Option<HashAlg>,
        to_sign: Vec<u8>,
    ) -> Result<Vec<u8>, AgentError> {
        match timeout(
            SIGN_TIMEOUT,
            self.client.sign_request(key, hash_alg, to_sign),
        )
        .await
        {
            Ok(Ok(signature)) => Ok(signature),
            Ok(Err(error)) => Err(AgentError::Declined(error.to_string())),
            Err(_) => Err(AgentError::Silent(SIGN_TIMEOUT.as_secs())),
        }
    }
}
