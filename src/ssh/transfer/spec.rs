//! The request for a transfer, and its summary.

use std::sync::Arc;

use crate::metrics::Direction;
use crate::policy::LocalPolicy;

/// How what arrived is compared with what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// By its size.
    Size,
    /// By a hash that the other side computes.
    Sha256,
}

impl Verify {
    /// The word in parameters and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Sha256 => "sha256",
        }
    }
}

/// What is to be copied where.
#[derive(Debug, Clone)]
pub struct TransferSpec {
    /// Which way.
    pub direction: Direction,
    /// Path on this machine, as given.
    pub local: String,
    /// Path on the host, as given.
    pub remote: String,
    /// A directory with all that is in it.
    pub recursive: bool,
    /// What stands at the target is replaced.
    pub overwrite: bool,
    /// Goes on from a partial file, and leaves one.
    pub resume: bool,
    /// How the result is checked.
    pub verify: Verify,
    /// Permissions of the files instead of those of their sources.
    pub mode: Option<u32>,
    /// Which local paths may be touched.
    pub policy: Arc<LocalPolicy>,
}

/// A transfer that is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The file or directory on this machine.
    pub local_path: String,
    /// The file or directory on the host.
    pub remote_path: String,
    /// Files and links.
    pub files: u64,
    /// Directories, the target itself included when it was made.
    pub directories: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// Bytes that an earlier call had brought.
    pub resumed_bytes: u64,
    /// What was left out: special files, names that are not text, private keys.
    pub skipped: u64,
    /// How the files were checked.
    pub verified: Verify,
    /// What is worth knowing.
    pub notes: Vec<String>,
}
