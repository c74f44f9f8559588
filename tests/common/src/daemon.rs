//! The real binary as an HTTP daemon on a port of its own.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::processes::{self, Process};
use super::{binary, bounded, eventually, readable_directory};

/// How a daemon is to be started.
#[derive(Debug)]
pub struct DaemonBuilder {
    command: Command,
    home: Arc<TempDir>,
    port: u16,
}

impl DaemonBuilder {
    /// One more argument of the command line.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// One more variable of the environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Hosts are resolved with this configuration.
    pub fn ssh_config(self, path: &Path) -> Self {
        self.arg("--ssh-config").arg(path)
    }

    /// Runs a copy of the binary.
    pub fn program(mut self, path: &Path) -> Self {
        let arguments: Vec<_> = self.command.get_args().map(OsStr::to_owned).collect();
        let mut command = base(path, self.home.path());
        command.args(arguments);
        self.command = command;
        self
    }

    /// Runs as another user, who must be able to enter everything that is named.
    pub fn uid(mut self, uid: u32) -> Self {
        self.command.uid(uid).gid(uid);
        self
    }

    /// May have only so many files open.
    pub fn open_files(mut self, most: u32) -> Self {
        let arguments: Vec<_> = self.command.get_args().map(OsStr::to_owned).collect();
        let mut command = base(Path::new("/bin/sh"), self.home.path());
        command
            .arg("-c")
            .arg(format!("ulimit -n {most}; exec \"$0\" \"$@\""));
        command.arg(binary()).args(arguments);
        self.command = command;
        self
    }

    /// Listens where an earlier daemon did.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Uses the home directory of an earlier daemon, and with the directory the saved sessions.
    pub fn home(mut self, home: &Arc<TempDir>) -> Self {
        self.command
            .env("HOME", home.path())
            .current_dir(home.path());
        self.home = Arc::clone(home);
        self
    }

    /// Starts the daemon and waits until the port is open.
    pub async fn start(mut self) -> Daemon {
        self.command.arg("--http").arg(self.port.to_string());
        let mut child = self.command.spawn().expect("the binary starts");
        let stderr: Arc<Mutex<String>> = Arc::default();
        let pipe = child.stderr.take().expect("a pipe");
        let written = Arc::clone(&stderr);
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                let mut text = written.lock().unwrap();
                text.push_str(&line);
                text.push('\n');
            }
        });
        let mut daemon = Daemon {
            child,
            stderr,
            home: self.home,
            address: String::new(),
        };
        let announced = || {
            let text = daemon.stderr();
            let (_, rest) = text.split_once("listening on http://")?;
            let (address, _) = rest.split_once("/mcp\n")?;
            Some(address.to_owned())
        };
        eventually("the daemon to listen", || announced().is_some()).await;
        daemon.address = announced().expect("it was there a moment ago");
        daemon
    }

    /// Runs a daemon that must refuse to start, to the end. Returns exit status and stderr.
    pub async fn refused(mut self) -> (ExitStatus, String) {
        let running = tokio::task::spawn_blocking(move || self.command.output());
        let output = bounded("the daemon to give up", running).await;
        let output = output.expect("no panic").expect("the binary starts");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status, stderr)
    }
}

/// A command with next to no environment.
fn base(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("HOME", home)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .current_dir(home)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// A running daemon; dropping this kills the daemon and its children.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    stderr: Arc<Mutex<String>>,
    home: Arc<TempDir>,
    address: String,
}

impl Daemon {
    /// A daemon with a home directory of its own and next to no environment.
    pub fn builder() -> DaemonBuilder {
        let home = readable_directory();
        DaemonBuilder {
            command: base(Path::new(binary()), home.path()),
            home: Arc::new(home),
            port: 0,
        }
    }

    /// A daemon whose hosts are those of `config`.
    pub async fn start(config: &Path) -> Self {
        Self::builder().ssh_config(config).start().await
    }

    /// Address of the daemon, `ADDR:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The port of that.
    pub fn port(&self) -> u16 {
        let port = self.address.rsplit(':').next();
        port.and_then(|port| port.parse().ok()).expect("a port")
    }

    /// The address of a route.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Its home directory.
    pub fn home(&self) -> &Arc<TempDir> {
        &self.home
    }

    /// Text on stderr so far.
    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Its process.
    pub fn process(&self) -> Process {
        Process::find(self.child.id()).expect("the daemon runs")
    }

    /// A number of `/proc/PID/status`, in bytes where that says kB.
    pub fn status(&self, field: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let text = text.expect("the daemon runs");
        let line = text.lines().find(|line| line.starts_with(field));
        let mut words = line.expect("the field").split_whitespace().skip(1);
        let number: u64 = words
            .next()
            .and_then(|word| word.parse().ok())
            .expect("a number");
        if words.next() == Some("kB") {
            number * 1024
        } else {
            number
        }
    }

    /// Its open files.
    pub fn open_files(&self) -> usize {
        let entries = std::fs::read_dir(format!("/proc/{}/fd", self.child.id()));
        entries.expect("the daemon runs").count()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().expect("a process id"));
        kill_process(pid.expect("not zero"), signal).expect("the daemon runs");
    }

    /// Waits for the end, which something else has brought about.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        let child = &mut self.child;
        eventually("the daemon to end", || {
            status = child.try_wait().expect("own child");
            status.is_some()
        })
        .await;
        status.expect("it has ended")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("stderr of the daemon:\n{}", self.stderr());
        }
        // The daemon may have ended by itself. Its own process first, then the children.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let marker = format!("HOME={}", self.home.path().display());
        if Arc::strong_count(&self.home) == 1 {
            processes::kill_and_wait(&processes::with_environment(&marker));
        }
    }
}
