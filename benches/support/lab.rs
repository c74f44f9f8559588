//! The setup of both sides: one sshd, one configuration, a link of 50 ms, and the `ssh` to compare with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::Measured;
use testkit::link::TcpLink;
use testkit::sshd::{KeyType, Sshd};
use testkit::{eventually, readable_directory, run};

/// The host on loopback.
pub(crate) const NEAR: &str = "near";
/// The same with the default ciphers of each side.
pub(crate) const DEFAULTS: &str = "defaults";
/// The same host behind [`ROUND_TRIP`].
pub(crate) const FAR: &str = "far";
/// Time that the delayed link adds to a round trip.
pub(crate) const ROUND_TRIP: Duration = Duration::from_millis(50);
/// The configuration of both sides, in the directory of the run.
const CONFIG_FILE: &str = "ssh_config";
/// The cipher of both sides.
const CIPHER: &str = "aes128-gcm@openssh.com";
/// The key exchange of both sides.
const KEX: &str = "curve25519-sha256";
/// No limit of sshd's is to be measured, and no log that only tests read (its start needs level INFO).
const SSHD_CONFIG: &str = "LogLevel INFO\nMaxStartups 500\nMaxSessions 500";
/// bash reads ~/.bashrc for every command from sshd unless SHLVL marks an inner shell. The commands of a user
/// in there may take many times as long as all that is measured here, on both sides alike.
const INNER_SHELL: &str = "SHLVL=1";

/// The fixture of a run; dropping this ends every process of the fixture.
#[derive(Debug)]
pub(crate) struct Lab {
    /// First, because fields are dropped in order: masters end before their server.
    masters: Vec<Master>,
    sshd: Sshd,
    /// Kept for the sake of its connections.
    _link: TcpLink,
    /// Holds the configuration, the control sockets and the list of keys that may log in.
    directory: TempDir,
    server: PathBuf,
    runtime: Handle,
}

impl Lab {
    /// Starts the sshd and the link; `server` is the binary to measure.
    pub(crate) async fn start(server: PathBuf) -> Measured<Self> {
        if !server.is_file() {
            return Err(format!("there is no server at {}", server.display()).into());
        }
        let directory = readable_directory();
        let keys = directory.path().join("authorized_keys");
        let sshd = Sshd::builder()
            .config(SSHD_CONFIG)
            .config("PermitUserEnvironment yes")
            .config(&format!("AuthorizedKeysFile {}", keys.display()))
            .start()
            .await;
        let key = fs::read_to_string(sshd.user_key_path().with_extension("pub"))?;
        fs::write(&keys, format!("environment=\"{INNER_SHELL}\" {key}"))?;
        let link = TcpLink::start(sshd.address()).await;
        link.link.set_delay(ROUND_TRIP / 2);
        write_config(&sshd, &link, directory.path())?;
        Ok(Self {
            masters: Vec::new(),
            sshd,
            _link: link,
            directory,
            server,
            runtime: Handle::current(),
        })
    }

    /// The binary to measure.
    pub(crate) fn server(&self) -> &Path {
        &self.server
    }

    /// The configuration of both sides.
    pub(crate) fn ssh_config(&self) -> PathBuf {
        self.directory.path().join(CONFIG_FILE)
    }

    /// Lets time pass.
    pub(crate) fn pause(&self, time: Duration) {
        self.runtime
            .block_on(async { tokio::time::sleep(time).await });
    }

    /// `ssh HOST COMMAND` with a connection of its own.
    pub(crate) fn ssh(&self, host: &str, command: &str) -> Command {
        let mut ssh = self.ssh_command();
        ssh.args(["-o", "BatchMode=yes", host, command]);
        ssh
    }

    /// `ssh HOST COMMAND` over the connection of a master, which is started the first time.
    pub(crate) fn ssh_multiplexed(&mut self, host: &str, command: &str) -> Measured<Command> {
        if !self.masters.iter().any(|master| master.host == host) {
            let master = self.start_master(host)?;
            self.masters.push(master);
        }
        let mut ssh = self.ssh_command();
        ssh.arg("-S").arg(self.control_path(host));
        ssh.args(["-o", "ControlMaster=no", host, command]);
        Ok(ssh)
    }

    fn ssh_command(&self) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.arg("-F").arg(self.ssh_config());
        ssh.env("HOME", self.sshd.home())
            .env_remove("SSH_AUTH_SOCK");
        ssh.stdin(Stdio::null()).stdout(Stdio::null());
        ssh
    }

    fn control_path(&self, host: &str) -> PathBuf {
        self.directory.path().join(format!("{host}.sock"))
    }

    fn start_master(&self, host: &str) -> Measured<Master> {
        let mut ssh = self.ssh_command();
        ssh.args(["-M", "-N", "-o", "BatchMode=yes", "-S"]);
        let child = ssh.arg(self.control_path(host)).arg(host).spawn()?;
        let mut master = Master {
            host: host.to_owned(),
            child,
        };
        let path = self.control_path(host);
        let waiting = eventually("the control socket of the master", || {
            path.exists() || master.child.try_wait().is_ok_and(|end| end.is_some())
        });
        self.runtime.block_on(waiting);
        if !path.exists() {
            return Err("the master ended".into());
        }
        Ok(master)
    }

    /// The conditions of the numbers, in one line.
    pub(crate) fn machine(&self) -> Measured<String> {
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = info.lines().find(|line| line.starts_with("model name"));
        let model = model
            .and_then(|line| line.split(": ").nth(1))
            .unwrap_or("unknown");
        let version = Command::new("ssh").arg("-V").output()?.stderr;
        let version = String::from_utf8_lossy(&version);
        let version = version.split(',').next().unwrap_or_default();
        Ok(format!(
            "{} cores ({model}), Linux {}, {version}, server and clients on this machine; both sides with {KEX}, {CIPHER}, ssh-ed25519, and a login shell without start-up files.",
            std::thread::available_parallelism()?,
            run(Command::new("uname").arg("-r")).trim(),
        ))
    }
}

/// `ssh -M`; dropping this ends the process.
#[derive(Debug)]
struct Master {
    host: String,
    child: Child,
}

impl Drop for Master {
    fn drop(&mut self) {
        // The process may have ended by itself, as intended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command to its successful end and tells how long that took, the start of the process included.
pub(crate) fn timed(mut command: Command) -> Measured<Duration> {
    let started = Instant::now();
    let status = command.status()?;
    let took = started.elapsed();
    if !status.success() {
        return Err(format!("{command:?}: {status}").into());
    }
    Ok(took)
}

fn write_config(sshd: &Sshd, link: &TcpLink, directory: &Path) -> Measured<()> {
    let known_hosts = directory.join("known_hosts");
    let key = sshd.host_public_key(KeyType::Ed25519);
    let (near, far) = (sshd.port(), link.port());
    fs::write(
        &known_hosts,
        format!("[127.0.0.1]:{near} {key}\n[127.0.0.1]:{far} {key}\n"),
    )?;
    let text = format!(
        "Host {NEAR} {DEFAULTS}\n\
         Port {near}\n\
         Host {FAR}\n\
         Port {far}\n\
         Host {NEAR} {FAR}\n\
         Ciphers {CIPHER}\n\
         Host *\n\
         HostName 127.0.0.1\n\
         User {}\n\
         IdentityFile {}\n\
         IdentitiesOnly yes\n\
         IdentityAgent none\n\
         UserKnownHostsFile {}\n\
         GlobalKnownHostsFile /dev/null\n\
         StrictHostKeyChecking yes\n\
         ConnectTimeout 15\n\
         KexAlgorithms {KEX}\n\
         HostKeyAlgorithms ssh-ed25519\n",
        sshd.user(),
        sshd.user_key_path().display(),
        known_hosts.display(),
    );
    Ok(fs::write(directory.join(CONFIG_FILE), text)?)
}
