//! A system user of one test, for properties of real accounts: passwords, other login shells.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::{readable_directory, run};

/// Runs of a tool that another test may keep from the lock on the user database.
const ATTEMPTS: usize = 50;

/// A user with a random name and password, removed with its home directory when dropped. To be made before
/// the server for this account, so that all processes of the account have ended by then.
#[derive(Debug)]
pub struct TempUser {
    name: String,
    password: String,
    directory: tempfile::TempDir,
}

impl TempUser {
    /// Makes a user with this login shell; none when this process is not root, which alone can.
    pub fn create(shell: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let directory = readable_directory();
        let name = format!("ssht{:08x}", rand::random::<u32>());
        let password = format!("{:032x}", rand::random::<u128>());
        // From here on `Drop` cleans up, whichever step fails.
        let user = Self {
            name,
            password,
            directory,
        };
        persistently(|| {
            let mut command = Command::new("useradd");
            command.args(["--create-home", "--shell", shell, "--home-dir"]);
            command.arg(user.home()).arg(&user.name);
            command
        });
        user.set_password();
        Some(user)
    }

    /// Its login name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its password.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Its home directory.
    pub fn home(&self) -> PathBuf {
        self.directory.path().join("home")
    }

    fn set_password(&self) {
        for _ in 0..ATTEMPTS {
            let mut child = Command::new("chpasswd")
                .stdin(Stdio::piped())
                .spawn()
                .expect("chpasswd");
            let mut stdin = child.stdin.take().expect("a pipe");
            writeln!(stdin, "{}:{}", self.name, self.password).expect("chpasswd reads");
            drop(stdin);
            if child.wait().expect("chpasswd").success() {
                return;
            }
        }
        panic!("chpasswd failed for {}", self.name);
    }
}

impl Drop for TempUser {
    fn drop(&mut self) {
        let remove = || {
            let mut command = Command::new("userdel");
            command.arg("--force").arg(&self.name);
            command
        };
        if !(0..ATTEMPTS).any(|_| succeeds(remove())) {
            eprintln!("the user {} could not be removed", self.name);
        }
    }
}

/// Runs a tool of the user database until the tool gets the lock.
fn persistently(command: impl Fn() -> Command) {
    if !(1..ATTEMPTS).any(|_| succeeds(command())) {
        run(&mut command());
    }
}

fn succeeds(mut command: Command) -> bool {
    command
        .output()
        .expect("the tools of the package passwd")
        .status
        .success()
}
