//! A supervisor over hosts in memory, and short names for the requests of the tests. Every wait is bounded, on
//! the paused clock.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mcp_ssh_sessions::actors::job::report::CommandReport;
use mcp_ssh_sessions::actors::output::OutputWatch;
use mcp_ssh_sessions::actors::report::{ConnectReport, SessionStatus};
use mcp_ssh_sessions::actors::request::{ConnectRequest, ExecRequest};
use mcp_ssh_sessions::actors::supervisor::handle::DisconnectReport;
use mcp_ssh_sessions::actors::supervisor::list::SessionList;
use mcp_ssh_sessions::actors::{SessionError, SupervisorHandle};
use mcp_ssh_sessions::limits;
use mcp_ssh_sessions::output::Stream;
use mcp_ssh_sessions::ssh::credentials::{Credentials, Secret};
use mcp_ssh_sessions::ssh::dial::Dialer;
use mcp_ssh_sessions::ssh::error::SshError;
use mcp_ssh_sessions::store::{AuthKind, SessionName, SessionSpec, Store, StoreContent};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::network::{MemoryNetwork, Site};
use testkit::ssh_server::MemoryHost;
use testkit::virtually_bounded;

/// The answer of a command.
pub(crate) type ExecResult = Result<CommandReport, SessionError>;
/// Time between two looks at a state.
const LOOK: Duration = Duration::from_millis(20);
/// Bound of looking for a state: longer than the longest delay of a backoff and the longest connect.
const LOOKING: Duration = Duration::from_secs(180);

/// A supervisor with its hosts and its store.
pub(crate) struct World {
    /// The product.
    pub(crate) supervisor: SupervisorHandle,
    network: Arc<MemoryNetwork>,
    directory: Arc<TempDir>,
}

impl World {
    /// One host, `web`.
    pub(crate) async fn new() -> Self {
        Self::with_host("web", MemoryHost::new()).await
    }

    /// One host with options of its own.
    pub(crate) async fn with_host(name: &str, host: MemoryHost) -> Self {
        let world = Self::empty().await;
        world.add_host(name, host);
        world
    }

    /// Several hosts, all alike.
    pub(crate) async fn with_hosts(names: &[&str]) -> Self {
        let world = Self::empty().await;
        for name in names {
            world.add_host(name, MemoryHost::new());
        }
        world
    }

    async fn empty() -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let network = Arc::new(MemoryNetwork::default());
        let supervisor = start(&network, directory.path().join("store.json")).await;
        Self {
            supervisor,
            network,
            directory,
        }
    }

    /// Another process with the same hosts and the same store; this one lives on.
    pub(crate) async fn another_process(&self) -> Self {
        Self {
            supervisor: start(&self.network, self.store_path()).await,
            network: Arc::clone(&self.network),
            directory: Arc::clone(&self.directory),
        }
    }

    pub(crate) fn add_host(&self, name: &str, host: MemoryHost) -> Arc<Site> {
        self.network.add(name, host, self.directory.path())
    }

    pub(crate) fn site(&self, name: &str) -> Arc<Site> {
        self.network.site(name).expect("a host of this name")
    }

    /// The host of most tests.
    pub(crate) fn web(&self) -> Arc<Site> {
        self.site("web")
    }

    pub(crate) fn store_path(&self) -> PathBuf {
        self.directory.path().join("store.json")
    }

    pub(crate) fn stored(&self) -> StoreContent {
        Store::new(self.store_path()).load().unwrap()
    }

    /// Connects a session with the name of its host, which has to succeed.
    pub(crate) async fn connect(&self, host: &str) -> ConnectReport {
        self.ask(request(host, host))
            .await
            .unwrap_or_else(|error| panic!("{host} cannot be connected: {error}"))
    }

    pub(crate) async fn ask(&self, request: ConnectRequest) -> Result<ConnectReport, SessionError> {
        virtually_bounded("a connect", self.supervisor.connect(request)).await
    }

    pub(crate) async fn reconnect(&self, session: &str) -> Result<ConnectReport, SessionError> {
        let reconnect = self.supervisor.reconnect(Some(name(session)));
        virtually_bounded("a reconnect", reconnect).await
    }

    pub(crate) async fn disconnect(&self, session: &str) -> DisconnectReport {
        self.end(session, false).await
    }

    pub(crate) async fn forget(&self, session: &str) -> DisconnectReport {
        self.end(session, true).await
    }

    async fn end(&self, session: &str, forget: bool) -> DisconnectReport {
        let ending = self.supervisor.disconnect(Some(name(session)), forget);
        virtually_bounded("a disconnect", ending).await.unwrap()
    }

    /// Runs a command and waits for its answer.
    pub(crate) async fn exec(&self, session: &str, line: &str) -> ExecResult {
        self.run(session, command(line)).await
    }

    pub(crate) async fn run(&self, session: &str, request: ExecRequest) -> ExecResult {
        let running = self.supervisor.exec(Some(name(session)), request);
        virtually_bounded("a command", running).await
    }

    /// The output of a command, which has to exit with 0.
    pub(crate) async fn output_of(&self, session: &str, line: &str) -> String {
        let report = self.exec(session, line).await;
        let report = report.unwrap_or_else(|error| panic!("{line:?} was not run: {error}"));
        assert_eq!(report.outcome.as_str(), "exited", "{report:?}");
        stdout(&report)
    }

    /// Starts a call that is waited for later.
    pub(crate) fn start(&self, session: &str, line: &str) -> JoinHandle<ExecResult> {
        self.start_run(session, command(line))
    }

    pub(crate) fn start_run(&self, session: &str, request: ExecRequest) -> JoinHandle<ExecResult> {
        let (supervisor, session) = (self.supervisor.clone(), name(session));
        tokio::spawn(async move { supervisor.exec(Some(session), request).await })
    }

    pub(crate) fn start_connect(
        &self,
        request: ConnectRequest,
    ) -> JoinHandle<Result<ConnectReport, SessionError>> {
        let supervisor = self.supervisor.clone();
        tokio::spawn(async move { supervisor.connect(request).await })
    }

    pub(crate) async fn list(&self) -> SessionList {
        virtually_bounded("a list", self.supervisor.list()).await
    }

    pub(crate) async fn status(&self, session: &str) -> SessionStatus {
        let list = self.list().await;
        let mut sessions = list.sessions.into_iter();
        sessions
            .find(|status| status.session.as_str() == session)
            .unwrap_or_else(|| panic!("no session {session}"))
    }

    pub(crate) async fn state(&self, session: &str) -> &'static str {
        self.status(session).await.state.as_str()
    }

    /// Waits until a session is in a state; the clock moves on as far as that takes.
    pub(crate) async fn until_state(&self, session: &str, state: &str) {
        let start = Instant::now();
        loop {
            let status = self.status(session).await;
            if status.state.as_str() == state {
                return;
            }
            assert!(start.elapsed() < LOOKING, "not {state}: {status:?}");
            tokio::time::sleep(LOOK).await;
        }
    }
}

async fn start(network: &Arc<MemoryNetwork>, store: PathBuf) -> SupervisorHandle {
    let network = Arc::clone(network);
    let started = SupervisorHandle::start(Dialer::new(network), Store::new(store));
    started.await.unwrap()
}

/// Waits for a call that was started.
pub(crate) async fn answer<T>(call: JoinHandle<T>) -> T {
    let answered = virtually_bounded("the answer to a call", call).await;
    answered.expect("a call that does not panic")
}

/// Why a dial failed.
pub(crate) fn dial_failure(error: &SessionError) -> &SshError {
    match error {
        SessionError::Dial { error, .. } => error,
        other => panic!("not the failure of a dial: {other}"),
    }
}

/// Lets everything that can happen at this moment happen, and a little time pass.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

pub(crate) fn name(text: &str) -> SessionName {
    SessionName::parse(text).unwrap()
}

/// A connect with a key.
pub(crate) fn request(session: &str, host: &str) -> ConnectRequest {
    ConnectRequest {
        name: name(session),
        spec: SessionSpec::new(host, AuthKind::Agent),
        credentials: Credentials::default(),
        make_default: false,
        connect_timeout: None,
    }
}

/// A connect with a password, as the tool makes it.
pub(crate) fn request_with_password(session: &str, password: &str) -> ConnectRequest {
    ConnectRequest {
        spec: SessionSpec::new(session, AuthKind::Password),
        credentials: Credentials {
            password: Some(Secret::new(password.to_owned())),
            passphrase: None,
        },
        ..request(session, session)
    }
}

pub(crate) fn command(line: &str) -> ExecRequest {
    ExecRequest {
        command: line.to_owned(),
        cwd: None,
        env: Default::default(),
        stdin: None,
        interactive: false,
        pty: false,
        wait: limits::WAIT_DEFAULT,
        timeout: None,
        shown_bytes: limits::OUTPUT_DEFAULT_BYTES,
        cancel: CancellationToken::new(),
        watch: OutputWatch::default(),
        hand_over: Default::default(),
    }
}

pub(crate) fn stdout(report: &CommandReport) -> String {
    text(report, Stream::Stdout)
}

pub(crate) fn stderr(report: &CommandReport) -> String {
    text(report, Stream::Stderr)
}

fn text(report: &CommandReport, stream: Stream) -> String {
    let output = report.output.lock();
    let page = output.read(Some(stream), 0, limits::OUTPUT_MAX_BYTES);
    String::from_utf8(page.bytes().to_vec()).unwrap()
}
