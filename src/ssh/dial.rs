//! Opening an authenticated [`Connection`]: resolve, connect, check the host key, authenticate.
//!
//! Each phase has a deadline and a name for error messages, and the connect timeout limits all phases
//! together. The number of concurrent handshakes is limited in total and for each destination.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_core::future::BoxFuture;
use russh::client;
use russh::keys::PublicKey;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::algorithms;
use super::auth;
use super::auth::failure::AuthFailure;
use super::auth::method::AuthMethod;
use super::connection::{
    ClientHandler, Connection, ConnectionFacts, HandlerEnds, HostKeyCheck, HostKeyFact,
};
use super::credentials::Credentials;
use super::disconnect::Disconnect;
use super::environment;
use super::error::{self, Phase, SshError};
use super::host_keys::{HostKeyPolicy, KnownHosts, order_host_key_algorithms};
use super::resolve::{ResolveRequest, ResolvedHost, Resolver};
use super::stream::{Severable, Stream};
use super::tcp::{self, QuickAck};
use crate::limits;

/// Resolves hosts and opens byte streams to them. Tests replace [`OpenSsh`] with a simulated network.
pub trait Network: Send + Sync + 'static {
    /// Applies the user's configuration to a request.
    fn resolve<'a>(
        &'a self,
        request: &'a ResolveRequest,
    ) -> BoxFuture<'a, Result<ResolvedHost, SshError>>;
    /// Opens a byte stream to the resolved host.
    fn connect<'a>(
        &'a self,
        host: &'a ResolvedHost,
    ) -> BoxFuture<'a, Result<Box<dyn Stream>, SshError>>;
}

/// The real network: `ssh -G` and TCP.
#[derive(Debug)]
pub struct OpenSsh {
    /// Runs `ssh -G`.
    pub resolver: Resolver,
}

impl Network for OpenSsh {
    fn resolve<'a>(
        &'a self,
        request: &'a ResolveRequest,
    ) -> BoxFuture<'a, Result<ResolvedHost, SshError>> {
        Box::pin(async move { Ok(self.resolver.resolve(request).await?) })
    }

    fn connect<'a>(
        &'a self,
        host: &'a ResolvedHost,
    ) -> BoxFuture<'a, Result<Box<dyn Stream>, SshError>> {
        Box::pin(async move {
            let stream: Box<dyn Stream> =
                Box::new(QuickAck::new(connect_with_attempts(host).await?));
            Ok(stream)
        })
    }
}

/// Tries to connect as often as ConnectionAttempts of ssh_config(5) allows, a second apart.
async fn connect_with_attempts(host: &ResolvedHost) -> Result<tokio::net::TcpStream, SshError> {
    let mut tries = host.connection_attempts.max(1);
    loop {
        match tcp::connect(host).await {
            Err(SshError::Unreachable { .. }) if tries > 1 => tries -= 1,
            result => return result,
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// The parameters of a dial.
#[derive(Debug, Clone)]
pub struct DialRequest {
    /// The host and the parameters of `ssh_connect`.
    pub target: ResolveRequest,
    /// Password and passphrase of the call, if any.
    pub credentials: Credentials,
    /// Limit of the whole dial. If absent, the configured ConnectTimeout or the default.
    pub connect_timeout: Option<Duration>,
    /// On a reconnect, the only acceptable host key.
    pub pin: Option<PublicKey>,
}

/// A completed step of a dial.
#[derive(Debug, Clone, Copy)]
pub enum DialStep<'a> {
    /// The configuration, known_hosts and keys have been read, and the TCP connect starts.
    Prepared,
    /// A byte stream to the host is open.
    Connected,
    /// The key exchange is complete, and this host key has been accepted.
    Verified(&'a HostKeyFact),
}

/// Opens the connections of all sessions of a process.
#[derive(Clone)]
pub struct Dialer {
    network: Arc<dyn Network>,
    slots: Arc<HandshakeSlots>,
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Dialer")
    }
}

impl Dialer {
    /// A dialler over the given network.
    pub fn new(network: Arc<dyn Network>) -> Self {
        Self {
            network,
            slots: Arc::new(HandshakeSlots::default()),
        }
    }

    /// Resolves a host. The number of concurrent `ssh -G` processes is limited, so that a thousand sessions
    /// that lose the network together do not start a thousand processes.
    async fn resolve(&self, target: &ResolveRequest) -> Result<ResolvedHost, SshError> {
        let _slot = self.slots.for_resolution().await;
        self.network.resolve(target).await
    }

    /// Connects, checks the host key and authenticates, within the connect timeout.
    pub async fn dial(&self, request: &DialRequest) -> Result<Arc<Connection>, SshError> {
        self.dial_in_phases(request, true, &mut |_| {}).await
    }

    /// Like [`Dialer::dial`], for a report: calls `completed` after each step and records no host key.
    pub async fn rehearse(
        &self,
        request: &DialRequest,
        completed: &mut (dyn FnMut(DialStep<'_>) + Send),
    ) -> Result<Arc<Connection>, SshError> {
        self.dial_in_phases(request, false, completed).await
    }

    async fn dial_in_phases(
        &self,
        request: &DialRequest,
        record: bool,
        completed: &mut (dyn FnMut(DialStep<'_>) + Send),
    ) -> Result<Arc<Connection>, SshError> {
        let host = self.resolve(&request.target).await?;
        host.require_supported()?;
        let whole = request
            .connect_timeout
            .or(host.connect_timeout)
            .unwrap_or(limits::CONNECT_TIMEOUT_DEFAULT)
            .min(limits::CONNECT_TIMEOUT_MAX);
        let clock = PhaseClock {
            host: &host,
            started: Instant::now(),
            whole,
        };
        let policy = host_key_policy(&host);
        let load = tokio::task::spawn_blocking(move || KnownHosts::load(policy));
        let known_hosts = clock
            .limit(Phase::Keys, whole, load)
            .await?
            .map_err(|error| SshError::Config(format!("host key check failed: {error}")))??;
        let known_hosts = Arc::new(known_hosts);
        let config = Arc::new(client_config(&host, &known_hosts)?);
        let load = auth::load_keys(&host, &request.target, &request.credentials);
        let keys = clock
            .limit(Phase::Keys, limits::AUTH_TIMEOUT, load)
            .await??;

        // The slot of the destination is taken before the TCP connect. The global slot is taken afterwards, so
        // that unreachable hosts do not block the dials to other hosts.
        let _destination = clock
            .limit(Phase::Queue, whole, self.slots.for_destination(&host))
            .await?;
        completed(DialStep::Prepared);
        let stream = clock
            .limit(Phase::Tcp, whole, self.network.connect(&host))
            .await??;
        let _handshake = clock
            .limit(Phase::Queue, whole, self.slots.for_handshake())
            .await?;
        completed(DialStep::Connected);
        let check = HostKeyCheck {
            known_hosts,
            record,
            pin: request.pin.clone(),
            host: host.host_name.clone(),
        };
        let (handler, ends) = ClientHandler::new(check);
        let cut = CancellationToken::new();
        let stall_limit =
            config.keepalive_interval.unwrap_or_default() * (config.keepalive_max as u32 + 1);
        let stream = Severable::new(stream, cut.clone()).with_stall_limit(stall_limit);
        let cut = cut.drop_guard();
        let handshake = client::connect_stream(config, stream, handler);
        let mut handle = clock
            .limit(Phase::Handshake, limits::HANDSHAKE_TIMEOUT, handshake)
            .await?
            .map_err(|error| error::from_handshake(error, &host.host_name, host.port))?;
        if let Some((host_key, _)) = &ends.seen.borrow().host_key {
            completed(DialStep::Verified(host_key));
        }
        let authenticate = auth::authenticate(&mut handle, &host, &request.credentials, keys);
        let method = clock
            .limit(Phase::Authentication, limits::AUTH_TIMEOUT, authenticate)
            .await?;
        let method = method.map_err(|failure| login_failed(failure, &ends))?;
        Ok(Connection::new(
            handle,
            facts(host, method, &ends)?,
            ends.ended,
            cut,
        ))
    }
}

/// Limits each phase to the smaller of its own limit and the remaining connect timeout.
struct PhaseClock<'a> {
    host: &'a ResolvedHost,
    started: Instant,
    whole: Duration,
}

impl PhaseClock<'_> {
    async fn limit<T>(
        &self,
        phase: Phase,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, SshError> {
        let now = Instant::now();
        let deadline = (now + limit).min(self.started + self.whole);
        timeout_at(deadline, work)
            .await
            .map_err(|_| SshError::PhaseTimeout {
                host: self.host.host_name.clone(),
                port: self.host.port,
                phase,
                after: deadline.saturating_duration_since(now),
            })
    }
}

fn host_key_policy(host: &ResolvedHost) -> HostKeyPolicy {
    HostKeyPolicy {
        host: host.host_name.clone(),
        port: host.port,
        alias: host.host_key_alias.clone(),
        user_files: host.user_known_hosts_files.clone(),
        global_files: host.global_known_hosts_files.clone(),
        revoked_files: host.revoked_host_keys.clone(),
        strict: host.strict_host_key_checking,
        hash_known_hosts: host.hash_known_hosts,
        required_rsa_bits: host.required_rsa_size,
    }
}

fn client_config(
    host: &ResolvedHost,
    known_hosts: &KnownHosts,
) -> Result<client::Config, SshError> {
    let configured = algorithms::host_key_algorithms(&host.host_key_algorithms)?;
    let ordered = order_host_key_algorithms(
        &known_hosts.recorded_algorithms(),
        &configured,
        host.host_key_algorithms.explicit,
    );
    Ok(client::Config {
        limits: algorithms::rekey_limits(host.rekey_limit),
        window_size: limits::CHANNEL_WINDOW_BYTES,
        preferred: algorithms::preferred(host, ordered)?,
        keepalive_interval: Some(
            host.server_alive_interval
                .unwrap_or(limits::KEEPALIVE_INTERVAL),
        ),
        keepalive_max: (host.server_alive_count_max as usize).max(1),
        nodelay: true,
        ..client::Config::default()
    })
}

/// The error of a failed login. If the connection ended meanwhile, includes the reason for the end.
fn login_failed(mut failure: AuthFailure, ends: &HandlerEnds) -> SshError {
    if let Some(reason) = ends.ended.borrow().clone() {
        failure.hung_up = Some(reason);
    }
    SshError::Auth(Box::new(failure))
}

fn facts(
    host: ResolvedHost,
    auth: AuthMethod,
    ends: &HandlerEnds,
) -> Result<ConnectionFacts, SshError> {
    let seen = ends.seen.borrow().clone();
    let Some((host_key, public_key)) = seen.host_key else {
        return Err(SshError::Lost(Disconnect::Defect(
            "the connection ended before the host key was checked",
        )));
    };
    Ok(ConnectionFacts {
        host: host.host_name,
        port: host.port,
        username: host.user,
        auth,
        host_key,
        public_key,
        server_version: seen.server_version,
        environment: environment::for_commands(&host.set_env, &host.send_env),
        notes: host.notes,
    })
}

/// Limits the number of concurrent handshakes, in total and for each destination, and of `ssh -G` processes.
struct HandshakeSlots {
    all: Arc<Semaphore>,
    resolutions: Arc<Semaphore>,
    by_destination: Mutex<HashMap<(String, u16), Weak<Semaphore>>>,
}

impl Default for HandshakeSlots {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(limits::HANDSHAKES_MAX)),
            resolutions: Arc::new(Semaphore::new(limits::RESOLUTIONS_MAX)),
            by_destination: Mutex::new(HashMap::new()),
        }
    }
}

impl HandshakeSlots {
    async fn for_destination(&self, host: &ResolvedHost) -> Option<OwnedSemaphorePermit> {
        let slots = self.destination(&host.host_name, host.port);
        // The semaphores are never closed.
        slots.acquire_owned().await.ok()
    }

    async fn for_handshake(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.all).acquire_owned().await.ok()
    }

    async fn for_resolution(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.resolutions).acquire_owned().await.ok()
    }

    fn destination(&self, host: &str, port: u16) -> Arc<Semaphore> {
        let mut map = self
            .by_destination
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        map.retain(|_, slots| slots.strong_count() > 0);
        let key = (host.to_ascii_lowercase(), port);
        if let Some(slots) = map.get(&key).and_then(Weak::upgrade) {
            return slots;
        }
        let slots = Arc::new(Semaphore::new(limits::HANDSHAKES_PER_DESTINATION_MAX));
        map.insert(key, Arc::downgrade(&slots));
        slots
    }
}
