//! A real OpenSSH server on a loopback port, with keys, configuration and log of its own.

mod config;
mod keys;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;
use tempfile::TempDir;

use super::processes::{self, Process};
use super::{eventually, readable_directory, run, set_mode};

pub use keys::KeyType;

/// Ports tried for the first start: another process may take a port between its choice and its use.
const PORT_ATTEMPTS: usize = 5;

/// How an [`Sshd`] is to be set up.
#[derive(Debug)]
pub struct SshdBuilder {
    host_keys: Vec<KeyType>,
    user_key: KeyType,
    extra: String,
}

impl SshdBuilder {
    /// Host keys of these types instead of one Ed25519 key; the first is the one of
    /// [`Sshd::known_hosts_line`].
    pub fn host_keys(mut self, types: &[KeyType]) -> Self {
        self.host_keys = types.to_vec();
        self
    }

    /// A user key of another type.
    pub fn user_key(mut self, key_type: KeyType) -> Self {
        self.user_key = key_type;
        self
    }

    /// Lines of sshd_config(5) that win over the fixture's own. A `Match` block comes last.
    pub fn config(mut self, lines: &str) -> Self {
        self.extra.push_str(lines);
        self.extra.push('\n');
        self
    }

    /// Makes the keys and starts the server.
    pub async fn start(self) -> Sshd {
        let mut sshd = Sshd::prepare(self);
        for _ in 0..PORT_ATTEMPTS {
            sshd.port = free_port();
            if sshd.launch().await {
                return sshd;
            }
        }
        panic!("sshd did not start:\n{}", sshd.log());
    }
}

/// A running server; dropping this ends the sessions and all their processes.
#[derive(Debug)]
pub struct Sshd {
    directory: TempDir,
    binary: PathBuf,
    port: u16,
    user: String,
    host_keys: Vec<KeyType>,
    user_key: KeyType,
    extra: String,
    /// The listening process while there is one.
    listener: Option<Child>,
    /// Sessions and commands whose listener was stopped: they descend from nobody that is known.
    orphans: Vec<Process>,
    /// A variable in the environment of every command, by which lost ones are found.
    marker: String,
}

impl Sshd {
    /// A server that the current user may log in to, with Ed25519 keys.
    pub async fn start_default() -> Self {
        Self::builder().start().await
    }

    /// A server with other settings.
    pub fn builder() -> SshdBuilder {
        SshdBuilder {
            host_keys: vec![KeyType::Ed25519],
            user_key: KeyType::Ed25519,
            extra: String::new(),
        }
    }

    fn prepare(builder: SshdBuilder) -> Self {
        let sshd = Self {
            directory: readable_directory(),
            binary: find_sshd(),
            port: 0,
            user: run(Command::new("id").arg("-un")).trim().to_owned(),
            host_keys: builder.host_keys,
            user_key: builder.user_key,
            extra: builder.extra,
            listener: None,
            orphans: Vec::new(),
            marker: format!("SSHD_FIXTURE={:032x}", rand::random::<u128>()),
        };
        fs::create_dir(sshd.server_path("")).expect("a new directory");
        fs::create_dir(sshd.remote_home()).expect("a new directory");
        fs::create_dir_all(sshd.home().join(".ssh")).expect("a new directory");
        set_mode(&sshd.home(), 0o700);
        set_mode(&sshd.home().join(".ssh"), 0o700);
        sshd.make_host_keys();
        keys::generate(&sshd.user_key_path(), sshd.user_key, "");
        sshd.authorize(&sshd.user_key_path());
        if rustix::process::geteuid().is_root() {
            // Where sshd locks up its unprivileged half; an init script makes it elsewhere.
            fs::create_dir_all("/run/sshd").expect("root may");
        }
        sshd
    }

    /// Starts the listener; false if sshd ended instead, for example because the port was taken.
    async fn launch(&mut self) -> bool {
        self.write_config();
        let seen = self.log().len();
        let mut command = Command::new(&self.binary);
        command.arg("-D");
        // Not `-e`: sshd's log lines between fork and exec would appear in the stderr of the command.
        command.arg("-E").arg(self.server_path("sshd.log"));
        command.arg("-f").arg(self.server_path("sshd_config"));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // Kept at once, so that a panic in the wait below ends the listener too.
        self.listener = Some(command.spawn().expect("sshd starts"));
        // Its own word, because a connection made to find out would count as one.
        let listening = format!("Server listening on 127.0.0.1 port {}.", self.port);
        eventually("sshd to listen or to end", || {
            let child = self.listener.as_mut().expect("just started");
            if child.try_wait().expect("own child").is_some() {
                self.listener = None;
            }
            self.listener.is_none() || self.log()[seen..].contains(&listening)
        })
        .await;
        self.listener.is_some()
    }

    /// Stops listening, at once and without a word. Sessions that are open go on.
    pub fn stop(&mut self) {
        self.end_listener().expect("own child");
    }

    fn end_listener(&mut self) -> std::io::Result<()> {
        let listener = self.listener_process();
        let Some(mut child) = self.listener.take() else {
            return Ok(());
        };
        // Frozen first, so that no session begins after they were listed.
        listener
            .iter()
            .for_each(|listener| listener.signal(Signal::STOP));
        self.orphans
            .extend(processes::descendants(listener.as_slice()));
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Listens again, on the same port and with the keys that stand in the directory.
    pub async fn start(&mut self) {
        if self.listener.is_none() {
            assert!(
                self.launch().await,
                "sshd did not start again:\n{}",
                self.log()
            );
        }
    }

    /// Stops, replaces every host key and starts again on the same port.
    pub async fn restart_with_new_host_key(&mut self) {
        self.stop();
        self.make_host_keys();
        self.start().await;
    }

    /// Kills the processes that serve connections, so that these break; the listener lives, and so do the
    /// commands that ran in them.
    pub async fn kill_sessions(&self) {
        let mut sessions = self.processes();
        let listener = self.listener_process();
        sessions.retain(|process| Some(*process) != listener && is_sshd(*process));
        for session in &sessions {
            session.signal(Signal::KILL);
        }
        let gone = || !sessions.iter().any(|session| session.is_alive());
        eventually("the sessions to end", gone).await;
    }

    /// Freezes the listener, the sessions and their commands: a host that no longer answers.
    pub fn pause(&self) {
        // Twice, for those that were born while the first round went on.
        for _ in 0..2 {
            self.processes()
                .into_iter()
                .for_each(|process| process.signal(Signal::STOP));
        }
    }

    /// Ends [`Sshd::pause`].
    pub fn resume(&self) {
        self.processes()
            .into_iter()
            .for_each(|process| process.signal(Signal::CONT));
    }

    /// The processes that sessions have started and that have not ended, lost ones included.
    pub fn commands(&self) -> Vec<Process> {
        self.processes()
            .into_iter()
            .filter(|process| !is_sshd(*process))
            .collect()
    }

    fn listener_process(&self) -> Option<Process> {
        self.listener
            .as_ref()
            .and_then(|child| Process::find(child.id()))
    }

    /// Everything that belongs to this fixture and has not ended, the listener first.
    fn processes(&self) -> Vec<Process> {
        let mut found: Vec<Process> = self
            .listener_process()
            .into_iter()
            .chain(self.orphans.iter().copied())
            .collect();
        let more = processes::descendants(&found);
        for process in more
            .into_iter()
            .chain(processes::with_environment(&self.marker))
        {
            if !found.contains(&process) {
                found.push(process);
            }
        }
        found.retain(|process| process.is_alive());
        found
    }

    /// Port of the server.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Address of the server.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The user who runs the server and may log in.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The log so far, at level DEBUG1.
    pub fn log(&self) -> String {
        let bytes = fs::read(self.server_path("sshd.log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// A directory that stands for the home of the user at the client's side.
    pub fn home(&self) -> PathBuf {
        self.directory.path().join("home")
    }

    /// `HOME` of the current user's commands. Commands start in the real home, as sshd decides.
    pub fn remote_home(&self) -> PathBuf {
        self.server_path("home")
    }

    fn server_path(&self, name: &str) -> PathBuf {
        self.directory.path().join("server").join(name)
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // The listener goes first, so that the list of the others is complete. A failure shows in the wait.
        let _ = self.end_listener();
        processes::kill_and_wait(&self.processes());
    }
}

/// Whether a process is sshd's own: the listener, or a session (`sshd-session` since OpenSSH 9.8).
fn is_sshd(process: Process) -> bool {
    process.name().starts_with("sshd")
}

fn find_sshd() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    // Absolute, because sshd starts itself again for each connection.
    let mut candidates = directories
        .filter(|path| path.is_absolute())
        .map(|path| path.join("sshd"));
    candidates
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| {
            panic!("no sshd in PATH or /usr/sbin; install it with `apt-get install openssh-server`")
        })
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port");
    listener.local_addr().expect("a bound address").port()
}

/// The public half of a key file.
fn public_key_path(private: &Path) -> PathBuf {
    let mut path = private.as_os_str().to_owned();
    path.push(".pub");
    path.into()
}
