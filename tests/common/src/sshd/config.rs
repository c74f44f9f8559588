//! The configuration files of both sides.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use super::Sshd;

impl Sshd {
    /// Writes sshd_config: the lines of the test, then the fixture's own where these leave a choice, then
    /// the test's `Match` blocks, which would swallow all lines behind them.
    pub(super) fn write_config(&self) {
        let starts_block = |line: &&str| keyword(line) == "match";
        let block_at = self.extra.lines().position(|line| starts_block(&line));
        let lines: Vec<&str> = self.extra.lines().collect();
        let (own, blocks) = lines.split_at(block_at.unwrap_or(lines.len()));
        let is_set = |line: &str| own.iter().any(|set| keyword(set) == keyword(line));
        let path = self.server_path("sshd_config");
        let mut text = own.join("\n") + "\n";
        for line in self.defaults().lines().filter(|line| !is_set(line)) {
            text += &format!("{line}\n");
        }
        if !is_set("PerSourcePenalties") && knows_penalties(&self.binary) {
            // Tests that fail to log in on purpose would lock out the others.
            text += "PerSourcePenalties no\n";
        }
        text += &blocks.join("\n");
        text += &self.environment_blocks();
        fs::write(path, text + "\n").expect("own directory");
    }

    fn defaults(&self) -> String {
        let file = |name| self.server_path(name).display().to_string();
        let mut text = format!(
            "Port {}\n\
             ListenAddress 127.0.0.1\n\
             PidFile {}\n\
             AuthorizedKeysFile {}\n\
             StrictModes no\n\
             UsePAM no\n\
             UseDNS no\n\
             PermitRootLogin yes\n\
             PasswordAuthentication no\n\
             KbdInteractiveAuthentication no\n\
             PrintMotd no\n\
             PrintLastLog no\n\
             AcceptEnv LANG LC_*\n\
             Subsystem sftp internal-sftp\n\
             LogLevel DEBUG1\n",
            self.port,
            file("sshd.pid"),
            file("authorized_keys"),
        );
        for key_type in &self.host_keys {
            text += &format!("HostKey {}\n", self.host_key_path(*key_type).display());
        }
        text
    }

    /// Marks every command, and gives those of the current user a home directory of the fixture: a start-up
    /// file in the real one may take seconds, print, or wait for something. Only the first SetEnv counts, so
    /// that each account has a line of its own.
    fn environment_blocks(&self) -> String {
        let (user, marker, home) = (&self.user, &self.marker, self.remote_home());
        let home = home.display();
        format!("\nMatch User {user}\nSetEnv {marker} HOME={home}\nMatch all\nSetEnv {marker}\n")
    }

    /// Writes `~/.ssh/config` and `~/.ssh/known_hosts` below [`Sshd::home`]; `ssh -F` with the path that is
    /// returned reaches this server as `test`.
    pub fn ssh_config(&self) -> PathBuf {
        self.ssh_config_with("")
    }

    /// The same with lines of ssh_config(5) that win over the fixture's own.
    pub fn ssh_config_with(&self, lines: &str) -> PathBuf {
        let directory = self.home().join(".ssh");
        let known_hosts = directory.join("known_hosts");
        self.write_known_hosts(&known_hosts);
        let text = format!(
            "Host test\n\
             {lines}\n\
             HostName 127.0.0.1\n\
             Port {}\n\
             User {}\n\
             IdentityFile {}\n\
             IdentitiesOnly yes\n\
             IdentityAgent none\n\
             UserKnownHostsFile {}\n\
             GlobalKnownHostsFile /dev/null\n\
             StrictHostKeyChecking yes\n",
            self.port,
            self.user,
            self.user_key_path().display(),
            known_hosts.display(),
        );
        let path = directory.join("config");
        fs::write(&path, text).expect("own directory");
        path
    }

    /// The `ssh` client with the configuration of [`Sshd::ssh_config`], about to run `command`.
    pub fn ssh(&self, command: &str) -> tokio::process::Command {
        let mut ssh = tokio::process::Command::new("ssh");
        ssh.arg("-F")
            .arg(self.ssh_config())
            .args(["-o", "BatchMode=yes", "test", command]);
        ssh.env("HOME", self.home())
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true);
        ssh
    }
}

/// The first word of a line, as sshd compares it.
fn keyword(line: &str) -> String {
    let end = |c: char| c.is_whitespace() || c == '=';
    line.trim_start()
        .split(end)
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase()
}

/// Whether this sshd locks out addresses (9.8 and later); older ones refuse the option.
fn knows_penalties(sshd: &std::path::Path) -> bool {
    static KNOWS: OnceLock<bool> = OnceLock::new();
    *KNOWS.get_or_init(|| {
        let mut command = Command::new(sshd);
        command.args(["-t", "-o", "PerSourcePenalties=no", "-f", "/dev/null"]);
        let output = command.output().expect("sshd runs");
        // Host keys may be missing as well, which does not matter here.
        !String::from_utf8_lossy(&output.stderr).contains("Bad configuration option")
    })
}
