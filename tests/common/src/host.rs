//! A real sshd, with an end to everything that its sessions have started.

use super::processes::{self, Process};
use super::sshd::{Sshd, SshdBuilder};

/// A server.
#[derive(Debug)]
pub struct Host {
    /// The server.
    pub sshd: Sshd,
}

impl Host {
    /// A server with the usual settings.
    pub async fn start() -> Self {
        Self::start_with(Sshd::builder()).await
    }

    /// A server with other settings; an own `SetEnv` is not among them.
    pub async fn start_with(builder: SshdBuilder) -> Self {
        Self {
            sshd: builder.start().await,
        }
    }

    /// The processes that sessions have started and that have not ended, lost ones included.
    pub fn commands(&self) -> Vec<Process> {
        self.sshd.commands()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.sshd.stop();
        processes::kill_and_wait(&self.commands());
    }
}
