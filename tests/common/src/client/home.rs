//! The home directory of a server under test.

use std::path::Path;

use tempfile::TempDir;

use crate::processes::{self, Process};

/// A home directory, by which everything that was started with it is found.
#[derive(Debug)]
pub struct Home(pub(super) TempDir);

impl Home {
    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The server and what it has started, as long as it runs.
    pub fn processes(&self) -> Vec<Process> {
        processes::with_environment(&format!("HOME={}", self.path().display()))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // Nothing, unless the test has failed.
        processes::kill_and_wait(&self.processes());
    }
}
