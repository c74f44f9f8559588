//! The home directory of a server under test.

use std::path::Path;

use tempfile::TempDir;

use crate::processes::{self, Process};

/// A home directory, by which every process that was started with this home is found.
#[derive(Debug)]
pub struct Home(pub(super) TempDir);

impl Home {
    /// Path of the directory.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The server and its children that still run.
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
