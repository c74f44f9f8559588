//! Trees: their entries, their bounds, listings from the host.

use tokio::sync::{Semaphore, SemaphorePermit};

use super::error::TransferError;
use super::local::Metadata;
use super::remote::explain;
use crate::limits;
use crate::ssh::sftp::{Entry, Handle, Sftp, SftpError};

/// Requests for names in flight for each directory.
const LISTINGS_AHEAD: usize = 3;
/// Bytes for each permit of a [`Budget`].
const PERMIT_BYTES: u64 = 1024;

/// A file of a tree.
#[derive(Debug, Clone)]
pub(super) struct FileNode {
    /// Path below the root; names are joined by slashes.
    pub(super) path: String,
    pub(super) size: u64,
}

/// A directory of a tree.
#[derive(Debug, Clone)]
pub(super) struct DirectoryNode {
    pub(super) path: String,
    /// Mode and times to set after the directory is filled.
    pub(super) metadata: Option<Metadata>,
}

/// A symbolic link of a tree.
#[derive(Debug, Clone)]
pub(super) struct LinkNode {
    pub(super) path: String,
    pub(super) text: String,
}

/// All entries of a tree. Directories precede their content.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) directories: Vec<DirectoryNode>,
    pub(super) files: Vec<FileNode>,
    pub(super) links: Vec<LinkNode>,
}

impl Tree {
    /// Refuses a tree with more names than [`limits::TREE_NAMES_MAX`].
    pub(super) fn check_size(&self, more: usize) -> Result<(), TransferError> {
        let names = self.directories.len() + self.files.len() + self.links.len() + more;
        if names <= limits::TREE_NAMES_MAX {
            return Ok(());
        }
        Err(TransferError::Limit(format!(
            "the tree has more than {} names; copy it in parts, or as one archive (tar with ssh_exec)",
            limits::TREE_NAMES_MAX
        )))
    }

    /// Bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.files
            .iter()
            .fold(0, |bytes, file| bytes.saturating_add(file.size))
    }
}

/// Joins a path below the root and a name.
pub(super) fn join_below(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}/{name}")
    }
}

/// Splits a path below the root into directory and name.
pub(super) fn split_below(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// The names of a path below the root.
pub(super) fn components(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|name| !name.is_empty())
}

/// Refuses a path below the root that is deeper than [`limits::TREE_DEPTH_MAX`].
pub(super) fn check_depth(path: &str) -> Result<(), TransferError> {
    if path.bytes().filter(|byte| *byte == b'/').count() < limits::TREE_DEPTH_MAX {
        return Ok(());
    }
    Err(TransferError::Limit(format!(
        "the tree is more than {} directories deep",
        limits::TREE_DEPTH_MAX
    )))
}

/// Lists a directory on the host; fails for more than `most` names.
pub(super) async fn list_directory(
    sftp: &Sftp,
    path: &str,
    most: usize,
) -> Result<Vec<Entry>, TransferError> {
    let opened = async { sftp.open_directory(path).await?.handle().await };
    let handle = match opened.await {
        Ok(handle) => handle,
        Err(error) => return Err(explain(sftp, path, error, 0).await),
    };
    let listed = read_names(sftp, &handle, most).await;
    if let Ok(closing) = sftp.close(&handle).await {
        // The answer does not matter.
        drop(closing);
    }
    match listed {
        Ok(Some(entries)) => Ok(entries),
        Ok(None) => Err(TransferError::Limit(format!(
            "the directory {path:?} has more than {most} names, or its listing has no end"
        ))),
        Err(error) => Err(explain(sftp, path, error, 0).await),
    }
}

/// Reads all names of an open directory; `None` for more than `most` names or answers.
async fn read_names(
    sftp: &Sftp,
    handle: &Handle,
    most: usize,
) -> Result<Option<Vec<Entry>>, SftpError> {
    let mut asked = std::collections::VecDeque::new();
    let mut entries: Vec<Entry> = Vec::new();
    // A server may send empty answers without end.
    let mut answers = 0;
    loop {
        while asked.len() < LISTINGS_AHEAD {
            asked.push_back(sftp.read_directory(handle).await?);
        }
        let Some(next) = asked.pop_front() else {
            return Ok(Some(entries));
        };
        let Some(more) = next.names().await? else {
            return Ok(Some(entries));
        };
        answers += 1;
        entries.extend(more);
        if entries.len() > most || answers > most {
            return Ok(None);
        }
    }
}

/// Bounds the bytes of all files of a tree in flight, like the window of a single file.
#[derive(Debug)]
pub(super) struct Budget(Semaphore);

impl Budget {
    pub(super) fn new() -> Self {
        Self(Semaphore::new(permits(limits::TRANSFER_SPAN_BYTES) as usize))
    }

    /// Reserves room for a file of `size` bytes. A large file takes the whole budget.
    pub(super) async fn reserve(&self, size: u64) -> Result<SemaphorePermit<'_>, TransferError> {
        let wanted = permits(size.min(limits::TRANSFER_SPAN_BYTES));
        let taken = self.0.acquire_many(wanted).await;
        taken.map_err(|error| TransferError::Internal(error.to_string()))
    }
}

fn permits(bytes: u64) -> u32 {
    u32::try_from(bytes / PERMIT_BYTES)
        .unwrap_or(u32::MAX)
        .max(1)
}
