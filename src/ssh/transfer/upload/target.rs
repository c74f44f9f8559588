//! The target of an upload on the host.

use crate::limits;
use crate::ssh::sftp::Sftp;
use crate::ssh::sftp::error::status;
use crate::ssh::sftp::wire::{Attributes, FileKind, file_kind};
use crate::ssh::transfer::error::TransferError;
use crate::ssh::transfer::names;
use crate::ssh::transfer::progress::Progress;
use crate::ssh::transfer::remote::explain;

/// The place of an uploaded file on the host.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// `directory` and `name` joined.
    pub(super) path: String,
    pub(super) directory: String,
    pub(super) name: String,
}

/// Attributes of a path, links followed; `None` if the path does not exist.
pub(super) async fn stat_existing(
    sftp: &Sftp,
    path: &str,
) -> Result<Option<Attributes>, TransferError> {
    match sftp.stat(path).await {
        Ok(attributes) => Ok(Some(attributes)),
        Err(error) if error.code() == Some(status::NO_SUCH_FILE) => Ok(None),
        Err(error) => Err(explain(sftp, path, error, 0).await),
    }
}

/// Resolves the target of a single file called `source_name`: in a directory, over a file, or under a new name.
pub(super) async fn resolve_target(
    sftp: &Sftp,
    path: &str,
    source_name: &str,
    overwrite: bool,
) -> Result<Target, TransferError> {
    let found = stat_existing(sftp, path).await?;
    let kind = found.as_ref().map(file_kind);
    let (path, exists) = match kind {
        Some(FileKind::Directory) => {
            let inner = names::join(path, source_name);
            let there = stat_existing(sftp, &inner).await?;
            match there.as_ref().map(file_kind) {
                Some(FileKind::Directory) => return Err(in_the_way(&inner, "a directory")),
                Some(FileKind::Special) => return Err(in_the_way(&inner, "a special file")),
                there => (inner, there.is_some()),
            }
        }
        Some(FileKind::Special) => return Err(in_the_way(path, "a special file")),
        None if path.ends_with('/') => {
            let reason = "there is no such directory; make it first, or leave the final / away to name the file";
            return Err(TransferError::remote(path, reason));
        }
        there => (path.to_owned(), there.is_some()),
    };
    let (directory, name) = names::split(&path);
    let Some(name) = name else {
        return Err(TransferError::remote(&path, "this is no name for a file"));
    };
    if exists && !overwrite {
        return Err(exists_already(&path));
    }
    Ok(Target {
        directory: directory.to_owned(),
        name: name.to_owned(),
        path,
    })
}

/// The error for an obstacle at the path of a file.
pub(super) fn in_the_way(path: &str, obstacle: &str) -> TransferError {
    TransferError::remote(path, format!("{obstacle} is in the way"))
}

/// The error for an existing target without `overwrite`.
pub(super) fn exists_already(path: &str) -> TransferError {
    TransferError::remote(path, "it exists already; overwrite: true replaces it")
}

/// Makes a directory and its missing parents.
pub(super) async fn make_directories(
    sftp: &Sftp,
    progress: &Progress,
    path: &str,
) -> Result<(), TransferError> {
    let mut missing = Vec::new();
    let mut at = path.to_owned();
    while stat_existing(sftp, &at).await?.is_none() {
        let (above, name) = names::split(&at);
        if name.is_none() || missing.len() > limits::TREE_DEPTH_MAX {
            break;
        }
        let above = above.to_owned();
        missing.push(std::mem::replace(&mut at, above));
    }
    for path in missing.iter().rev() {
        let made = async { sftp.make_directory(path, 0o777).await?.done().await };
        if let Err(error) = made.await {
            // Another process may have made the directory meanwhile.
            let there = stat_existing(sftp, path).await?;
            if there.as_ref().map(file_kind) != Some(FileKind::Directory) {
                return Err(explain(sftp, path, error, 0).await);
            }
            continue;
        }
        progress.add_directory();
    }
    Ok(())
}
