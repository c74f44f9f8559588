//! The client's side: a home directory, and the MCP server that runs there.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tokio::process::Command;

use crate::ssh::resolve::Resolver;

/// The user that the client logs in as: the embedded server takes any name.
const USER: &str = "demo";

/// The home directory of the client's side.
pub(super) struct Home {
    path: PathBuf,
    /// The directory `.ssh`.
    ssh: PathBuf,
    /// The configuration, once written.
    config: Option<PathBuf>,
}

impl Home {
    /// Creates the directory.
    pub(super) fn new(path: PathBuf) -> io::Result<Self> {
        let ssh = path.join(".ssh");
        super::private_directory(&ssh)?;
        Ok(Self {
            path,
            ssh,
            config: None,
        })
    }

    /// Writes a private file into `.ssh`.
    pub(super) fn write(&self, name: &str, text: &str) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        options
            .open(self.ssh.join(name))?
            .write_all(text.as_bytes())
    }

    /// Writes the hosts into a configuration, if an `ssh` is installed to read the file.
    ///
    /// For `ssh`, `~` in the configuration is the home directory of the password database and not `$HOME`: only a file
    /// that names every path keeps the user's own known_hosts out. Without `ssh`, no configuration can be read, and
    /// OpenSSH's defaults lead below `$HOME`, which is this directory.
    pub(super) fn configure(&mut self, hosts: &[(&str, u16)]) -> io::Result<()> {
        if Resolver::new(None).find_ssh().is_none() {
            return Ok(());
        }
        let mut text = format!(
            "Host *\n\
             HostName 127.0.0.1\n\
             User {USER}\n\
             IdentityFile {}\n\
             IdentitiesOnly yes\n\
             IdentityAgent none\n\
             UserKnownHostsFile {}\n\
             GlobalKnownHostsFile none\n\
             StrictHostKeyChecking yes\n",
            self.ssh.join("id_ed25519").display(),
            self.ssh.join("known_hosts").display(),
        );
        for (name, port) in hosts {
            text.push_str(&format!("Host {name}\nPort {port}\n"));
        }
        self.write("config", &text)?;
        self.config = Some(self.ssh.join("config"));
        Ok(())
    }

    /// The arguments of `ssh_connect`: the alias, or all values of the configuration.
    pub(super) fn connect_arguments(&self, name: &str, port: u16) -> Value {
        if self.config.is_some() {
            return json!({"host": name});
        }
        json!({
            "host": format!("127.0.0.1:{port}"),
            "name": name,
            "username": USER,
            "privateKeyPath": self.ssh.join("id_ed25519"),
        })
    }

    /// This program as an MCP server, without the user's environment.
    pub(super) fn mcp_server(&self, temporary: &Path, log: &Path) -> io::Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.path)
            .env("TMPDIR", temporary)
            .current_dir(&self.path)
            .arg("--store")
            .arg(self.path.join("sessions.json"))
            .arg("--ssh-config")
            .arg(self.config.as_deref().unwrap_or(Path::new("none")))
            .stderr(File::create(log)?);
        Ok(command)
    }
}
