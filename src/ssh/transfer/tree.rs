//! What both directions of a tree share: listings of the host, the room of files in flight.

use tokio::sync::{Semaphore, SemaphorePermit};

use super::context::Context;
use super::error::TransferError;
use super::local;
use crate::limits;
use crate::ssh::sftp::{Entry, Handle, Sftp, SftpError};

/// Listings that are asked for before the first one is there.
const LISTINGS_AHEAD: usize = 3;
/// What one permit of a [`Budget`] stands for.
const PERMIT_BYTES: u64 = 1024;

/// A file of a tree, below its root.
#[derive(Debug, Clone)]
pub(super) struct FileNode {
    /// Names from the root, joined by slashes.
    pub(super) path: String,
    pub(super) size: u64,
}

/// A directory of a tree, with what it is to be given once it is full.
#[derive(Debug, Clone)]
pub(super) struct DirectoryNode {
    pub(super) path: String,
    pub(super) meta: Option<local::Meta>,
}

/// A link of a tree.
#[derive(Debug, Clone)]
pub(super) struct LinkNode {
    pub(super) path: String,
    pub(super) text: String,
}

/// What a walk has found. Directories stand before what is in them.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) directories: Vec<DirectoryNode>,
    pub(super) files: Vec<FileNode>,
    pub(super) links: Vec<LinkNode>,
}

impl Tree {
    /// Whether there is room for more names.
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

    /// The sizes of all files together.
    pub(super) fn bytes(&self) -> u64 {
        self.files
            .iter()
            .fold(0, |bytes, file| bytes.saturating_add(file.size))
    }
}

/// A path below a root, with one more name.
pub(super) fn below(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}/{name}")
    }
}

/// The directory of a path below a root, and its name.
pub(super) fn parts(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// How deep a path below a root is.
pub(super) fn check_depth(path: &str) -> Result<(), TransferError> {
    if path.bytes().filter(|byte| *byte == b'/').count() < limits::TREE_DEPTH_MAX {
        return Ok(());
    }
    Err(TransferError::Limit(format!(
        "the tree is more than {} directories deep",
        limits::TREE_DEPTH_MAX
    )))
}

/// All names of a directory on the host, with what is known of each; an error when there are more than `most`.
pub(super) async fn list(
    context: &Context,
    path: &str,
    most: usize,
) -> Result<Vec<Entry>, TransferError> {
    let opened = async { context.sftp.open_directory(path).await?.handle().await };
    let handle = match opened.await {
        Ok(handle) => handle,
        Err(error) => return Err(super::remote::explain(context, path, error, 0).await),
    };
    let listed = read_names(&context.sftp, &handle, most).await;
    if let Ok(closing) = context.sftp.close(&handle).await {
        // Nothing depends on it.
        drop(closing);
    }
    match listed {
        Ok(Some(entries)) => Ok(entries),
        Ok(None) => Err(TransferError::Limit(format!(
            "the directory {path:?} has more than {most} names, or its listing has no end"
        ))),
        Err(error) => Err(super::remote::explain(context, path, error, 0).await),
    }
}

async fn read_names(
    sftp: &Sftp,
    handle: &Handle,
    most: usize,
) -> Result<Option<Vec<Entry>>, SftpError> {
    let mut asked = std::collections::VecDeque::new();
    let mut entries: Vec<Entry> = Vec::new();
    // A listing that adds nothing, again and again, has no end either.
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

/// Bounds the bytes of the files in flight, as the window of one file does.
#[derive(Debug)]
pub(super) struct Budget(Semaphore);

impl Budget {
    pub(super) fn new() -> Self {
        Self(Semaphore::new(permits(limits::TRANSFER_SPAN_BYTES) as usize))
    }

    /// Room for a file of this size; a large one has all of it for itself.
    pub(super) async fn take(&self, size: u64) -> Result<SemaphorePermit<'_>, TransferError> {
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
