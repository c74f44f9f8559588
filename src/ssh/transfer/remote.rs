//! Paths on the host: their meaning, and the reasons for failed requests.

use super::error::{Side, TransferError};
use super::names;
use crate::ssh::sftp::error::status;
use crate::ssh::sftp::wire::{FileKind, FreeSpace, file_kind};
use crate::ssh::sftp::{Sftp, SftpError};

/// Resolves a path parameter: relative paths and `~` start in the home directory of the account.
pub(super) async fn expand_path(sftp: &Sftp, given: &str) -> Result<String, TransferError> {
    if given.is_empty() {
        return Err(TransferError::remote(given, "the path is empty"));
    }
    if given.contains('\0') {
        return Err(TransferError::remote(
            given,
            "a path cannot hold a NUL byte",
        ));
    }
    match given.strip_prefix('~') {
        None => Ok(given.to_owned()),
        Some("" | "/") => Ok(".".to_owned()),
        Some(rest) if rest.starts_with('/') => Ok(format!("./{}", rest.trim_start_matches('/'))),
        Some(_) => {
            let unknown = || {
                let reason = "the server cannot tell the home of another user; give the whole path, or ./~… for a name that begins with ~";
                TransferError::remote(given, reason)
            };
            let expanded = sftp.expand(given).await;
            let path = expanded.map_err(|error| match error {
                SftpError::Status(_) => unknown(),
                error => TransferError::sftp(given, error),
            })?;
            let path = path.and_then(|path| String::from_utf8(path.to_vec()).ok());
            path.ok_or_else(unknown)
        }
    }
}

/// Finds the reason behind a status answer. OpenSSH answers "failure" for a full disk, a quota and a read-only file
/// system alike, so further requests look for the reason. `needed` is the number of bytes still to write.
pub(super) async fn explain(
    sftp: &Sftp,
    path: &str,
    error: SftpError,
    needed: u64,
) -> TransferError {
    let SftpError::Status(answer) = &error else {
        return TransferError::sftp(path, error);
    };
    let (directory, name) = names::split(path);
    match answer.code {
        status::NO_SUCH_FILE => explain_missing(sftp, path, directory).await,
        status::PERMISSION_DENIED => TransferError::remote(path, "permission denied"),
        status::BAD_MESSAGE if name.is_some_and(|name| name.len() > 255) || path.len() > 4095 => {
            TransferError::remote(path, "the name is too long")
        }
        status::FAILURE => {
            let space = match sftp.free_space(directory).await {
                Some(space) => Some(space),
                None => sftp.free_space("/").await,
            };
            explain_failure(path, space, needed, error)
        }
        _ => TransferError::sftp(path, error),
    }
}

async fn explain_missing(sftp: &Sftp, path: &str, directory: &str) -> TransferError {
    match sftp.stat(directory).await {
        Ok(above) if file_kind(&above) != FileKind::Directory => {
            TransferError::remote(path, format!("{directory:?} is not a directory"))
        }
        Err(error) if error.code() == Some(status::NO_SUCH_FILE) => {
            let reason = format!(
                "there is no directory {directory:?} (or a part of the path is a file); make it first, or set recursive: true"
            );
            TransferError::remote(path, reason)
        }
        _ => TransferError::remote(path, "no such file or directory"),
    }
}

fn explain_failure(
    path: &str,
    space: Option<FreeSpace>,
    needed: u64,
    error: SftpError,
) -> TransferError {
    match space {
        Some(space) if space.read_only => {
            TransferError::remote(path, "the file system is read-only")
        }
        Some(space) if space.free_bytes < needed.max(4096) => TransferError::DiskFull {
            side: Side::Remote,
            path: path.to_owned(),
            reason: format!("no space is left: {} bytes are free", space.free_bytes),
        },
        Some(space) if space.counts_files && space.free_files == 0 => TransferError::DiskFull {
            side: Side::Remote,
            path: path.to_owned(),
            reason: "the file system has no room for another file (inodes)".to_owned(),
        },
        _ if needed > 0 => {
            let reason =
                format!("{error}; a disk quota or a limit on the size of files may be reached");
            TransferError::remote(path, reason)
        }
        _ => TransferError::sftp(path, error),
    }
}
