//! Support for all tests here: a client with a configuration and a store of its own, commands and their output.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mcp_ssh_sessions::actors::job::outcome::Outcome;
use mcp_ssh_sessions::actors::job::report::CommandReport;
use mcp_ssh_sessions::actors::output::OutputWatch;
use mcp_ssh_sessions::actors::report::{ConnectReport, SessionStatus};
use mcp_ssh_sessions::actors::request::{ConnectRequest, ExecRequest};
use mcp_ssh_sessions::actors::{SessionError, SupervisorHandle};
use mcp_ssh_sessions::error::ErrorCode;
use mcp_ssh_sessions::limits;
use mcp_ssh_sessions::output::Stream;
use mcp_ssh_sessions::ssh::credentials::{Credentials, Secret};
use mcp_ssh_sessions::ssh::dial::{Dialer, OpenSsh};
use mcp_ssh_sessions::ssh::resolve::Resolver;
use mcp_ssh_sessions::store::{AuthKind, SessionName, SessionSpec, Store};
use tokio_util::sync::CancellationToken;

use testkit::link::TcpLink;
use testkit::processes::Process;
use testkit::sshd::Sshd;
use testkit::temp_user::TempUser;
use testkit::{bounded, eventually, readable_directory};

/// Name of the session and of the configured host that most tests use.
pub(crate) const TEST: &str = "test";

/// A supervisor with a configuration and a store of its own.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) handle: SupervisorHandle,
    pub(crate) directory: Arc<tempfile::TempDir>,
}

impl Client {
    /// A client with this ssh_config.
    pub(crate) async fn new(config: PathBuf) -> Self {
        let directory = readable_directory();
        let store = directory.path().join("store.json");
        Self::with_store(config, store, directory).await
    }

    /// A client whose store is somewhere else.
    pub(crate) async fn with_store(
        config: PathBuf,
        store: PathBuf,
        directory: tempfile::TempDir,
    ) -> Self {
        let network = OpenSsh {
            resolver: Resolver::new(Some(config)),
        };
        let handle = SupervisorHandle::start(Dialer::new(Arc::new(network)), Store::new(store))
            .await
            .expect("a supervisor");
        Self {
            handle,
            directory: Arc::new(directory),
        }
    }

    /// A client of one server, connected as session `test`.
    pub(crate) async fn connected(sshd: &Sshd) -> Self {
        let client = Self::new(sshd.ssh_config()).await;
        client.must_connect(TEST).await;
        client
    }

    /// Dials a configured host as a session of the same name.
    pub(crate) async fn connect(&self, host: &str) -> Result<ConnectReport, SessionError> {
        self.dial(request(host, host)).await
    }

    /// The same, which has to succeed.
    pub(crate) async fn must_connect(&self, host: &str) -> ConnectReport {
        self.connect(host)
            .await
            .unwrap_or_else(|error| panic!("{host}: {error}"))
    }

    /// Connects as the request says.
    pub(crate) async fn dial(
        &self,
        request: ConnectRequest,
    ) -> Result<ConnectReport, SessionError> {
        bounded("a connect", self.handle.connect(request)).await
    }

    /// Runs a command in a session and returns its report.
    pub(crate) async fn exec(
        &self,
        session: &str,
        request: ExecRequest,
    ) -> Result<CommandReport, SessionError> {
        let call = self.handle.exec(Some(name(session)), request);
        bounded("a command", call).await
    }

    /// Runs a command in session `test`; the call itself has to work.
    pub(crate) async fn run(&self, line: &str) -> CommandReport {
        self.run_in(TEST, command(line)).await
    }

    /// The same in any session.
    pub(crate) async fn run_in(&self, session: &str, request: ExecRequest) -> CommandReport {
        let line = request.command.clone();
        self.exec(session, request)
            .await
            .unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    /// Starts a command in session `test` and goes on.
    pub(crate) fn start(&self, request: ExecRequest) -> Running {
        let (client, cancel, output) =
            (self.clone(), request.cancel.clone(), request.watch.clone());
        let call = tokio::spawn(async move { client.exec(TEST, request).await });
        Running {
            call,
            cancel,
            output,
        }
    }

    /// The session's row, if the session is known.
    pub(crate) async fn status(&self, session: &str) -> Option<SessionStatus> {
        let list = bounded("the list of sessions", self.handle.list()).await;
        let mut rows = list.sessions.into_iter();
        rows.find(|row| row.session.as_str() == session)
    }

    /// Waits until the session's row fulfils a condition.
    pub(crate) async fn until(
        &self,
        session: &str,
        what: &str,
        condition: impl Fn(&SessionStatus) -> bool,
    ) -> SessionStatus {
        let look = async {
            loop {
                match self.status(session).await {
                    Some(row) if condition(&row) => return row,
                    _ => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        };
        bounded(what, look).await
    }
}

/// A command that was started and not awaited.
pub(crate) struct Running {
    pub(crate) call: tokio::task::JoinHandle<Result<CommandReport, SessionError>>,
    pub(crate) cancel: CancellationToken,
    pub(crate) output: OutputWatch,
}

impl Running {
    /// Waits until the command has written a line and gives the first one.
    pub(crate) async fn first_line(&self) -> String {
        let line = || {
            let output = self.output.get()?;
            let page = output.lock().read(Some(Stream::Stdout), 0, 1000);
            let text = String::from_utf8(page.bytes()).ok()?;
            Some(text.split_once('\n')?.0.to_owned())
        };
        eventually("the command's first line", || line().is_some()).await;
        line().unwrap_or_default()
    }

    /// The process whose id the command has written.
    pub(crate) async fn process(&self) -> Process {
        let line = self.first_line().await;
        let found = line.parse().ok().and_then(Process::find);
        found.unwrap_or_else(|| panic!("no process {line:?}"))
    }

    /// Waits for the answer.
    pub(crate) async fn answer(self) -> Result<CommandReport, SessionError> {
        bounded("the answer", self.call).await.expect("no panic")
    }
}

/// A session name.
pub(crate) fn name(text: &str) -> SessionName {
    SessionName::parse(text).expect("a session name")
}

/// A call of `ssh_connect` with a host alone.
pub(crate) fn request(session: &str, host: &str) -> ConnectRequest {
    ConnectRequest {
        name: name(session),
        spec: SessionSpec::new(host, AuthKind::Agent),
        credentials: Credentials::default(),
        make_default: false,
        connect_timeout: None,
    }
}

/// The same with a private key file and its passphrase.
pub(crate) fn request_with_key(path: &Path, passphrase: Option<&str>) -> ConnectRequest {
    let mut request = request(TEST, TEST);
    request.spec.private_key_path = Some(path.display().to_string());
    request.credentials.passphrase = passphrase.map(|text| Secret::new(text.to_owned()));
    request
}

/// The same with a user and a password.
pub(crate) fn request_with_password(user: &str, password: &str) -> ConnectRequest {
    let mut request = request(TEST, TEST);
    request.spec.username = Some(user.to_owned());
    request.spec.auth = AuthKind::Password;
    request.credentials.password = Some(Secret::new(password.to_owned()));
    request
}

/// A call of `ssh_exec` with a command alone, and a wait longer than any test.
pub(crate) fn command(line: &str) -> ExecRequest {
    ExecRequest {
        command: line.to_owned(),
        cwd: None,
        env: BTreeMap::new(),
        stdin: None,
        wait: limits::WAIT_MAX,
        timeout: None,
        shown_bytes: limits::OUTPUT_DEFAULT_BYTES,
        cancel: CancellationToken::new(),
        interactive: false,
        pty: false,
        watch: OutputWatch::default(),
        hand_over: Default::default(),
    }
}

/// The same in a directory.
pub(crate) fn command_in(cwd: &str, line: &str) -> ExecRequest {
    ExecRequest {
        cwd: Some(cwd.to_owned()),
        ..command(line)
    }
}

/// Everything that a command wrote to one stream.
pub(crate) fn bytes(report: &CommandReport, stream: Stream) -> Vec<u8> {
    report
        .output
        .lock()
        .read(Some(stream), 0, usize::MAX)
        .bytes()
}

/// The stdout of a command, as text.
pub(crate) fn stdout(report: &CommandReport) -> String {
    String::from_utf8_lossy(&bytes(report, Stream::Stdout)).into_owned()
}

/// The stderr of a command, as text.
pub(crate) fn stderr(report: &CommandReport) -> String {
    String::from_utf8_lossy(&bytes(report, Stream::Stderr)).into_owned()
}

/// Asserts that a command ended with status 0 and gives its stdout.
#[track_caller]
pub(crate) fn succeeded(report: &CommandReport) -> String {
    assert_eq!(
        report.outcome,
        Outcome::Exited(0),
        "stdout {:?}, stderr {:?}",
        stdout(report),
        stderr(report)
    );
    stdout(report)
}

/// Asserts the code of a refusal and gives its text.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(
    result: Result<T, SessionError>,
    code: ErrorCode,
) -> String {
    let error = result.expect_err("it must be refused");
    assert_eq!(error.code(), code, "{error}");
    error.to_string()
}

/// Asserts that a text holds all of these.
#[track_caller]
pub(crate) fn assert_says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "no {word:?} in: {text}");
    }
}

/// How often a text stands in a server's log.
pub(crate) fn logged(sshd: &Sshd, text: &str) -> usize {
    sshd.log().matches(text).count()
}

/// Connections that the server has seen.
pub(crate) fn connections(sshd: &Sshd) -> usize {
    logged(sshd, "Connection from ")
}

/// The processes on the host whose command line holds a text.
pub(crate) fn processes(sshd: &Sshd, text: &str) -> Vec<Process> {
    let mut found = sshd.commands();
    found.retain(|process| process.command_line().contains(text));
    found
}

/// Waits until nothing of ours runs on the host.
pub(crate) async fn nothing_left(sshd: &Sshd) {
    eventually("every process on the host to end", || {
        sshd.commands().is_empty()
    })
    .await;
}

/// The fixture's configuration of a server under another alias, for files with several hosts. Lines of the
/// test come first and win.
pub(crate) fn host_block(sshd: &Sshd, alias: &str, lines: &str) -> String {
    let text = fs::read_to_string(sshd.ssh_config_with(lines)).expect("the fixture's config");
    text.replacen("Host test\n", &format!("Host {alias}\n"), 1)
}

/// The configuration of a server that is reached through a link, under its own host key.
pub(crate) fn through(sshd: &Sshd, link: &TcpLink, lines: &str) -> String {
    let text = host_block(
        sshd,
        TEST,
        &format!("Port {}\nHostKeyAlias fixture\n{lines}", link.port()),
    );
    let path = sshd.home().join(".ssh/known_hosts");
    let known = fs::read_to_string(&path).expect("just written");
    let name = format!("[127.0.0.1]:{}", sshd.port());
    fs::write(path, known.replace(&name, "fixture")).expect("own file");
    text
}

/// Writes a configuration beside the server's own.
pub(crate) fn write_config(sshd: &Sshd, text: &str) -> PathBuf {
    let path = sshd.home().join(".ssh/other_config");
    fs::write(&path, text).expect("own directory");
    path
}

/// An account of its own, which only root can make. Make the account before the server.
pub(crate) fn user(shell: &str) -> TempUser {
    TempUser::create(shell)
        .expect("run this test as root: it makes an account with another login shell or a password")
}

/// The path of an installed shell.
pub(crate) fn shell(name: &str) -> String {
    let candidates = ["/bin", "/usr/bin", "/usr/sbin"].map(|path| format!("{path}/{name}"));
    let mut found = candidates
        .into_iter()
        .filter(|path| Path::new(path).exists());
    found.next().unwrap_or_else(|| {
        panic!("{name} is not installed; these tests need bash, dash, zsh, fish and tcsh")
    })
}
