//! Hosts in memory behind the seam of the dialler: where names lead, who answers there, and who came when.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::future::BoxFuture;
use mcp_ssh_sessions::demo::{CommandRunner, DemoServer, ServerOptions};
use mcp_ssh_sessions::limits;
use mcp_ssh_sessions::ssh::dial::Network;
use mcp_ssh_sessions::ssh::error::SshError;
use mcp_ssh_sessions::ssh::host_keys::StrictHostKeyChecking;
use mcp_ssh_sessions::ssh::resolve::{
    AddressFamily, AlgorithmList, IdentityAgent, RekeyLimit, ResolveRequest, ResolvedHost,
};
use mcp_ssh_sessions::ssh::stream::Stream;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{PrivateKey, PublicKey};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::watch;
use tokio::time::Instant;

use testkit::set_mode;
use testkit::ssh_server::{MemoryHost, serve_over};

/// Keepalive interval of every host: short, so that a dead peer is known within a few virtual seconds.
pub(crate) const KEEPALIVE: Duration = Duration::from_secs(1);
/// Unanswered keepalives after which a peer is dead: known after one more interval.
pub(crate) const KEEPALIVE_COUNT: u32 = 2;
/// The time until a dead peer is known, and a little for the work.
pub(crate) const DEAD_PEER_KNOWN: Duration = Duration::from_millis(3_100);

/// Answers a connect in place of the host.
type Impostor = Arc<dyn Fn() -> DuplexStream + Send + Sync>;

/// A host, and the ways to reach the host.
pub(crate) struct Site {
    /// The server.
    pub(crate) host: MemoryHost,
    name: String,
    known_hosts: PathBuf,
    key_file: PathBuf,
    /// Connects wait while this is false, as if nobody answered a SYN.
    answers: watch::Sender<bool>,
    impostor: Mutex<Option<Impostor>>,
    /// Streams take no bytes from the client any more.
    clogged: Arc<AtomicBool>,
    /// When each connect came.
    dials: Mutex<Vec<Instant>>,
    /// When each handshake began: with the client's first word.
    handshakes: Arc<Mutex<Vec<Instant>>>,
    /// Connects that wait for an answer.
    waiting: AtomicUsize,
    configure: Mutex<Option<fn(&mut ResolvedHost)>>,
}

impl Site {
    fn new(name: &str, host: MemoryHost, directory: &Path) -> Self {
        let key_file = directory.join(format!("{name}.key"));
        write_key(&key_file, &host.user_key());
        let site = Self {
            known_hosts: directory.join(format!("{name}.known_hosts")),
            name: name.to_owned(),
            host,
            key_file,
            answers: watch::Sender::new(true),
            impostor: Mutex::default(),
            clogged: Arc::default(),
            dials: Mutex::default(),
            handshakes: Arc::default(),
            waiting: AtomicUsize::default(),
            configure: Mutex::default(),
        };
        site.record_host_key(site.host.host_key().public_key());
        site
    }

    /// Makes this the one key of the host in known_hosts.
    pub(crate) fn record_host_key(&self, key: &PublicKey) {
        let line = format!("{} {}\n", self.name, key.to_openssh().unwrap());
        std::fs::write(&self.known_hosts, line).unwrap();
    }

    /// Revokes a key in known_hosts, which goes on to list it.
    pub(crate) fn revoke_host_key(&self, key: &PublicKey) {
        let key = key.to_openssh().unwrap();
        let lines = format!("{} {key}\n@revoked {} {key}\n", self.name, self.name);
        std::fs::write(&self.known_hosts, lines).unwrap();
    }

    /// Puts another key into the file that is offered.
    pub(crate) fn set_user_key(&self, key: &PrivateKey) {
        write_key(&self.key_file, key);
    }

    /// Changes the address that a name resolves to.
    pub(crate) fn configure(&self, change: fn(&mut ResolvedHost)) {
        *self.configure.lock().unwrap() = Some(change);
    }

    /// Connects from now on wait for [`Site::answer`], as those to an address that drops packets.
    pub(crate) fn drop_syn(&self) {
        self.answers.send_replace(false);
    }

    /// Answers the connects that wait and those to come.
    pub(crate) fn answer(&self) {
        self.answers.send_replace(true);
    }

    /// Streams take no byte from the client from now on, as a socket whose send buffer is full.
    pub(crate) fn clog(&self) {
        self.clogged.store(true, Ordering::SeqCst);
    }

    /// Lets something else answer the connects to come.
    pub(crate) fn pose_as(&self, impostor: impl Fn() -> DuplexStream + Send + Sync + 'static) {
        *self.impostor.lock().unwrap() = Some(Arc::new(impostor));
    }

    /// Lets a server with the host's keys, over the same link, answer in its place and run this.
    pub(crate) fn pose_with(&self, runner: Arc<dyn CommandRunner>) {
        let user_key = self.host.user_key().public_key().clone();
        let options = ServerOptions::new(self.host.host_key(), user_key);
        let server = DemoServer::new(options, runner);
        let link = self.host.link.clone();
        self.pose_as(move || serve_over(&link, &server));
    }

    /// The host answers again.
    pub(crate) fn pose_as_itself(&self) {
        *self.impostor.lock().unwrap() = None;
    }

    /// Connects so far, whatever became of them.
    pub(crate) fn dials(&self) -> usize {
        self.dials.lock().unwrap().len()
    }

    /// When each connect came.
    pub(crate) fn dial_times(&self) -> Vec<Instant> {
        self.dials.lock().unwrap().clone()
    }

    /// When each handshake began.
    pub(crate) fn handshake_times(&self) -> Vec<Instant> {
        self.handshakes.lock().unwrap().clone()
    }

    /// Connects that wait for an answer now.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    fn resolved(&self, request: &ResolveRequest) -> ResolvedHost {
        let explicit = request.private_key_path.clone();
        let mut resolved = ResolvedHost {
            alias: self.name.clone(),
            host_name: self.name.clone(),
            port: request.port.or(request.target.port).unwrap_or(22),
            user: request.username.clone().unwrap_or("tester".to_owned()),
            identity_files: vec![explicit.unwrap_or_else(|| self.key_file.clone())],
            user_known_hosts_files: vec![self.known_hosts.clone()],
            server_alive_interval: Some(KEEPALIVE),
            server_alive_count_max: KEEPALIVE_COUNT,
            ..nowhere()
        };
        if let Some(change) = *self.configure.lock().unwrap() {
            change(&mut resolved);
        }
        resolved
    }

    async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        self.dials.lock().unwrap().push(Instant::now());
        let waiting = Waiting::new(&self.waiting);
        let mut answers = self.answers.subscribe();
        let _ = answers.wait_for(|answers| *answers).await;
        drop(waiting);
        let impostor = self.impostor.lock().unwrap().clone();
        let stream = match impostor {
            Some(impostor) => impostor(),
            None => self.host.connect()?,
        };
        Ok(Box::new(Cloggable {
            stream,
            clogged: Arc::clone(&self.clogged),
            handshakes: Some(Arc::clone(&self.handshakes)),
        }))
    }
}

/// Counts a connect as waiting until the connect is given up or answered.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn write_key(path: &Path, key: &PrivateKey) {
    std::fs::write(path, key.to_openssh(LineEnding::LF).unwrap()).unwrap();
    set_mode(path, 0o600);
}

/// OpenSSH's defaults for a host that is not named yet, without agent and without files.
fn nowhere() -> ResolvedHost {
    ResolvedHost {
        alias: String::new(),
        host_name: String::new(),
        port: 22,
        user: String::new(),
        identity_files: Vec::new(),
        identity_files_explicit: true,
        identities_only: true,
        identity_agent: IdentityAgent::None,
        certificate_files: Vec::new(),
        proxy_jump: None,
        proxy_command: None,
        user_known_hosts_files: Vec::new(),
        global_known_hosts_files: Vec::new(),
        host_key_alias: None,
        revoked_host_keys: Vec::new(),
        host_key_algorithms: AlgorithmList::default(),
        ca_signature_algorithms: AlgorithmList::default(),
        strict_host_key_checking: StrictHostKeyChecking::Yes,
        hash_known_hosts: false,
        connect_timeout: None,
        connection_attempts: 1,
        server_alive_interval: None,
        server_alive_count_max: 3,
        kex_algorithms: AlgorithmList::default(),
        ciphers: AlgorithmList::default(),
        macs: AlgorithmList::default(),
        pubkey_accepted_algorithms: AlgorithmList::default(),
        preferred_authentications: ["publickey", "keyboard-interactive", "password"]
            .map(str::to_owned)
            .to_vec(),
        number_of_password_prompts: 3,
        set_env: Vec::new(),
        send_env: Vec::new(),
        bind_address: None,
        address_family: AddressFamily::Any,
        compression: false,
        rekey_limit: RekeyLimit::default(),
        required_rsa_size: limits::RSA_MIN_BITS,
        notes: Vec::new(),
        unsupported_options: Vec::new(),
    }
}

/// All hosts that there are.
#[derive(Default)]
pub(crate) struct MemoryNetwork {
    sites: Mutex<BTreeMap<String, Arc<Site>>>,
}

impl MemoryNetwork {
    /// Puts a host under a name.
    pub(crate) fn add(&self, name: &str, host: MemoryHost, directory: &Path) -> Arc<Site> {
        let site = Arc::new(Site::new(name, host, directory));
        let mut sites = self.sites.lock().unwrap();
        sites.insert(name.to_owned(), Arc::clone(&site));
        site
    }

    /// The host of a name.
    pub(crate) fn site(&self, name: &str) -> Option<Arc<Site>> {
        self.sites.lock().unwrap().get(name).cloned()
    }
}

impl Network for MemoryNetwork {
    fn resolve<'a>(
        &'a self,
        request: &'a ResolveRequest,
    ) -> BoxFuture<'a, Result<ResolvedHost, SshError>> {
        let name = &request.target.host;
        let site = self.site(name);
        let resolved = site
            .map(|site| site.resolved(request))
            .ok_or_else(|| SshError::Config(format!("no host {name} in this world")));
        Box::pin(async move { resolved })
    }

    fn connect<'a>(
        &'a self,
        host: &'a ResolvedHost,
    ) -> BoxFuture<'a, Result<Box<dyn Stream>, SshError>> {
        Box::pin(async move {
            let unreachable = |reason: String| SshError::Unreachable {
                host: host.host_name.clone(),
                port: host.port,
                reason,
            };
            let site = self.site(&host.alias);
            let site = site.ok_or_else(|| unreachable("no such host".to_owned()))?;
            let stream = site.connect().await;
            stream.map_err(|error| unreachable(error.to_string()))
        })
    }
}

/// A stream that can stop to take bytes, and notes its first use.
struct Cloggable {
    stream: DuplexStream,
    clogged: Arc<AtomicBool>,
    /// Where the beginning of the handshake is to be noted, once.
    handshakes: Option<Arc<Mutex<Vec<Instant>>>>,
}

impl AsyncRead for Cloggable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Cloggable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(handshakes) = self.handshakes.take() {
            handshakes.lock().unwrap().push(Instant::now());
        }
        // Nobody wakes the writer: a clogged stream stays clogged.
        if self.clogged.load(Ordering::SeqCst) {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
