//! The request for a transfer, and the summary of a finished transfer.

use std::sync::Arc;

use crate::metrics::Direction;
use crate::policy::LocalPolicy;

/// How the copy is compared with its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// The sizes must be equal.
    Size,
    /// The SHA-256 hashes must be equal; each side hashes its own file.
    Sha256,
}

impl Verify {
    /// The name in parameters and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Sha256 => "sha256",
        }
    }
}

/// The request for a transfer.
#[derive(Debug, Clone)]
pub struct TransferSpec {
    /// Upload or download.
    pub direction: Direction,
    /// Path on this machine, as given by the caller.
    pub local: String,
    /// Path on the host, as given by the caller.
    pub remote: String,
    /// Copies a directory with its content, and makes missing parents of the target.
    pub recursive: bool,
    /// Replaces an existing target.
    pub overwrite: bool,
    /// Continues a partial file of an earlier call, and keeps the partial file on failure.
    pub resume: bool,
    /// How the copy is checked.
    pub verify: Verify,
    /// Permission bits of the copied files; `None` takes those of the sources.
    pub mode: Option<u32>,
    /// The local paths that may be read and written.
    pub policy: Arc<LocalPolicy>,
}

/// The result of a successful transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The file or directory on this machine.
    pub local_path: String,
    /// The file or directory on the host.
    pub remote_path: String,
    /// Copied files and links.
    pub files: u64,
    /// Directories that were made, including the target.
    pub directories: u64,
    /// Bytes of all copied files.
    pub bytes: u64,
    /// Bytes that an earlier call had copied.
    pub resumed_bytes: u64,
    /// Entries left out: special files, names that are not UTF-8, private keys.
    pub skipped: u64,
    /// How the files were checked.
    pub verified: Verify,
    /// Remarks for the caller.
    pub notes: Vec<String>,
}
