//! A real sshd whose commands know nothing of the account that runs the tests.
//!
//! The login shell reads the start-up files of its home directory, which take their time, print, and may even
//! wait for a lock that a killed one of them left behind. So the commands get an empty home directory.

use tempfile::TempDir;

use super::processes::{self, Process};
use super::readable_directory;
use super::sshd::{Sshd, SshdBuilder};

/// A server, and the home directory of what runs on it.
#[derive(Debug)]
pub struct Host {
    /// The server. It goes first: nothing new begins while the rest is looked for.
    pub sshd: Sshd,
    home: TempDir,
}

impl Host {
    /// A server with the fixture's settings.
    pub async fn start() -> Self {
        Self::start_with(Sshd::builder()).await
    }

    /// A server with other settings; an own `SetEnv` is not among them.
    pub async fn start_with(builder: SshdBuilder) -> Self {
        let home = readable_directory();
        let line = format!("SetEnv {}", marker(&home));
        let sshd = builder.config(&line).start().await;
        Self { sshd, home }
    }

    /// The processes that sessions have started and that have not ended, lost ones included.
    pub fn commands(&self) -> Vec<Process> {
        processes::with_environment(&marker(&self.home))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.sshd.stop();
        processes::kill_and_wait(&self.commands());
    }
}

fn marker(home: &TempDir) -> String {
    format!("HOME={}", home.path().display())
}
