//! An authenticated SSH connection: russh's handle, facts about the peer, and the notification of the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use russh::client::{self, DisconnectReason, Handle, Session};
use russh::keys::{HashAlg, PublicKey, PublicKeyOrCertificate};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::DropGuard;

use super::auth::method::AuthMethod;
use super::disconnect::{Disconnect, ServerMessage};
use super::error::{HandlerError, SshError};
use super::host_keys::{KnownHosts, NOT_RECORDED, Verdict};
use super::peer_text::one_line;
use super::processes::ProcessList;
use crate::limits;

/// The host key that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKeyFact {
    /// Algorithm as in known_hosts, for example `ssh-ed25519`.
    pub algorithm: String,
    /// `SHA256:…` as `ssh-keygen -l` prints it.
    pub fingerprint: String,
    /// `path:line`, or `added path` when this connect recorded it, or `not recorded`.
    pub source: String,
}

impl HostKeyFact {
    /// Whether a known_hosts file has the key.
    pub fn is_recorded(&self) -> bool {
        self.source != NOT_RECORDED
    }
}

/// The host key that a session was opened with: the only one that a reconnect takes.
pub type PinnedKey = PublicKey;

/// Facts about an established connection.
#[derive(Debug, Clone)]
pub struct ConnectionFacts {
    /// HostName after resolution.
    pub host: String,
    /// TCP port after resolution.
    pub port: u16,
    /// User after resolution.
    pub username: String,
    /// The method that the server accepted.
    pub auth: AuthMethod,
    /// The host key that the server proved to hold.
    pub host_key: HostKeyFact,
    /// The same key for the session's pin.
    pub public_key: PinnedKey,
    /// The server's identification string (RFC 4253 section 4.2).
    pub server_version: String,
    /// Variables that the configuration sends with every command (SetEnv, SendEnv). The server takes those
    /// that its AcceptEnv allows.
    pub environment: Vec<(String, String)>,
    /// Options of the configuration that are ignored on purpose, in words.
    pub notes: Vec<String>,
}

/// A live connection, shared by everything that runs over the connection. Ends with the link or on [`Self::close`].
pub struct Connection {
    handle: Handle<ClientHandler>,
    facts: ConnectionFacts,
    ended: watch::Receiver<Option<Disconnect>>,
    /// Cuts the stream when the connection is dropped, even if the peer takes no more bytes.
    _cut: DropGuard,
    /// The account does not run helper scripts: see `ending/process_group.rs`.
    helper_is_useless: AtomicBool,
    processes: ProcessList,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("host", &self.facts.host)
            .finish_non_exhaustive()
    }
}

impl Connection {
    pub(crate) fn new(
        handle: Handle<ClientHandler>,
        facts: ConnectionFacts,
        ended: watch::Receiver<Option<Disconnect>>,
        cut: DropGuard,
    ) -> Arc<Self> {
        Arc::new(Self {
            handle,
            facts,
            ended,
            _cut: cut,
            helper_is_useless: AtomicBool::new(false),
            processes: ProcessList::default(),
        })
    }

    /// Facts about the peer.
    pub fn facts(&self) -> &ConnectionFacts {
        &self.facts
    }

    /// Whether the end of the link has already been seen.
    pub fn is_closed(&self) -> bool {
        self.handle.is_closed()
            || self.ended.borrow().is_some()
            || self.ended.has_changed().is_err()
    }

    /// Waits for the end of the link and returns the reason.
    pub async fn ended(&self) -> Disconnect {
        self.watch_end().await
    }

    /// Like [`Self::ended`], without keeping the connection alive.
    pub fn watch_end(&self) -> impl Future<Output = Disconnect> + Send + 'static {
        let mut ended = self.ended.clone();
        async move {
            match ended.wait_for(Option::is_some).await {
                Ok(reason) => reason.clone().unwrap_or(Disconnect::ClosedHere),
                // The sender lives in the handler; russh drops it with the connection's task.
                Err(_) => Disconnect::ClosedHere,
            }
        }
    }

    /// Sends SSH_MSG_DISCONNECT (RFC 4253 section 11.1), which ends the link. Does not touch remote processes.
    pub async fn close(&self) {
        // A failure means that the connection is gone or blocked; the drop of the connection cuts the stream.
        let goodbye = self
            .handle
            .disconnect(russh::Disconnect::ByApplication, "", "en");
        let _ = timeout(limits::SEND_TIMEOUT, goodbye).await;
    }

    pub(crate) fn handle(&self) -> &Handle<ClientHandler> {
        &self.handle
    }

    /// Whether a helper script was tried on this connection and something else answered.
    pub(crate) fn helper_is_useless(&self) -> bool {
        self.helper_is_useless.load(Ordering::Relaxed)
    }

    pub(crate) fn note_useless_helper(&self) {
        self.helper_is_useless.store(true, Ordering::Relaxed);
    }

    /// The processes that were started on the host over this connection.
    pub(crate) fn processes(&self) -> &ProcessList {
        &self.processes
    }
}

/// Callbacks of a connection: the host-key check, and the notification of the end.
pub(crate) struct ClientHandler {
    /// Boxed, because russh moves its handler through four futures that each reserve the handler's size.
    check: Box<HostKeyCheck>,
    seen: watch::Sender<Seen>,
    ended: watch::Sender<Option<Disconnect>>,
}

/// Facts that the handshake showed, for the dialler.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    pub(crate) host_key: Option<(HostKeyFact, PublicKey)>,
    pub(crate) server_version: String,
    pub(crate) auth_banner: Option<String>,
}

/// Input for the verdict on the server's key.
pub(crate) struct HostKeyCheck {
    pub(crate) known_hosts: Arc<KnownHosts>,
    /// Whether a new key is recorded; `doctor` accepts a new key and leaves the file unchanged.
    pub(crate) record: bool,
    /// The key that the session was opened with, on a reconnect.
    pub(crate) pin: Option<PinnedKey>,
    /// Host name for messages.
    pub(crate) host: String,
}

/// The two ends that the dialler keeps of a handler.
pub(crate) struct HandlerEnds {
    pub(crate) seen: watch::Receiver<Seen>,
    pub(crate) ended: watch::Receiver<Option<Disconnect>>,
}

impl ClientHandler {
    pub(crate) fn new(check: HostKeyCheck) -> (Self, HandlerEnds) {
        let (seen, seen_receiver) = watch::channel(Seen::default());
        let (ended, ended_receiver) = watch::channel(None);
        let ends = HandlerEnds {
            seen: seen_receiver,
            ended: ended_receiver,
        };
        let check = Box::new(check);
        (Self { check, seen, ended }, ends)
    }
}

impl client::Handler for ClientHandler {
    type Error = HandlerError;

    async fn check_server_key(
        &mut self,
        key: &PublicKeyOrCertificate,
    ) -> Result<bool, HandlerError> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = key else {
            // No host certificate was requested, so a server that sends a certificate is broken.
            return Err(russh::Error::Kex.into());
        };
        let fact = self
            .check
            .judge(key)
            .await
            .map_err(|error| HandlerError::Verdict(Box::new(error)))?;
        self.seen
            .send_modify(|seen| seen.host_key = Some((fact, key.clone())));
        Ok(true)
    }

    async fn kex_done(
        &mut self,
        _shared_secret: Option<&[u8]>,
        _names: &russh::Names,
        session: &mut Session,
    ) -> Result<(), HandlerError> {
        let version = String::from_utf8_lossy(session.remote_sshid())
            .trim()
            .to_owned();
        self.seen
            .send_modify(|seen| seen.server_version = one_line(&version));
        Ok(())
    }

    async fn auth_banner(
        &mut self,
        banner: &str,
        _session: &mut Session,
    ) -> Result<(), HandlerError> {
        self.seen
            .send_modify(|seen| seen.auth_banner = Some(one_line(banner)));
        Ok(())
    }

    async fn disconnected(
        &mut self,
        reason: DisconnectReason<HandlerError>,
    ) -> Result<(), HandlerError> {
        let (ended, result) = match reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                let message = ServerMessage::new(info.reason_code as u32, &info.message);
                (Disconnect::ByServer(message), Ok(()))
            }
            DisconnectReason::Error(error) => (handler_end(&error), Err(error)),
        };
        self.ended.send_replace(Some(ended));
        result
    }

    // This client forwards nothing, so a server may open no channel. russh accepts by default; dropping the reply
    // refuses the channel (RFC 4254 section 5.1, administratively prohibited).

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _channel: russh::Channel<client::Msg>,
        _connected_address: &str,
        _connected_port: u32,
        _originator_address: &str,
        _originator_port: u32,
        _reply: client::ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), HandlerError> {
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _channel: russh::Channel<client::Msg>,
        _socket_path: &str,
        _reply: client::ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), HandlerError> {
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _channel: russh::Channel<client::Msg>,
        _reply: client::ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), HandlerError> {
        Ok(())
    }

    async fn server_channel_open_session(
        &mut self,
        _channel: russh::Channel<client::Msg>,
        _reply: client::ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), HandlerError> {
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _channel: russh::Channel<client::Msg>,
        _host_to_connect: &str,
        _port_to_connect: u32,
        _originator_address: &str,
        _originator_port: u32,
        _reply: client::ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), HandlerError> {
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _channel: russh::Channel<client::Msg>,
        _socket_path: &str,
        _reply: client::ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), HandlerError> {
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        _channel: russh::Channel<client::Msg>,
        _originator_address: &str,
        _originator_port: u32,
        _reply: client::ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), HandlerError> {
        Ok(())
    }
}

/// Why a connection whose handler failed with this error ended.
fn handler_end(error: &HandlerError) -> Disconnect {
    match error {
        HandlerError::Russh(error) => error.into(),
        HandlerError::Verdict(error) => Disconnect::HostKeyRefused(error.to_string()),
    }
}

impl HostKeyCheck {
    /// The pin first: a known_hosts file that was edited meanwhile must not move a session to another key.
    async fn judge(&self, key: &PublicKey) -> Result<HostKeyFact, SshError> {
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        if let Some(pin) = &self.pin
            && pin.key_data() != key.key_data()
        {
            return Err(SshError::PinnedKeyChanged {
                host: self.host.clone(),
                expected: pin.fingerprint(HashAlg::Sha256).to_string(),
                actual: fingerprint,
            });
        }
        let source = match self.known_hosts.verify(key) {
            Verdict::Accept { source } => source.to_string(),
            Verdict::Refuse(refusal) => return Err(refusal.into()),
            Verdict::Learn if !self.record => NOT_RECORDED.to_owned(),
            Verdict::Learn => self.learn(key.clone()).await?,
        };
        Ok(HostKeyFact {
            algorithm: key.algorithm().to_string(),
            fingerprint,
            source,
        })
    }

    async fn learn(&self, key: PublicKey) -> Result<String, SshError> {
        let known_hosts = Arc::clone(&self.known_hosts);
        let learned = tokio::task::spawn_blocking(move || known_hosts.learn(&key)).await;
        // A verifier that fails refuses: never "unknown, so learn".
        let source = learned
            .map_err(|error| SshError::Config(format!("host key check failed: {error}")))??;
        Ok(source.to_string())
    }
}
