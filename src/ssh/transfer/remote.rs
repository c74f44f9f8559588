//! Paths of the host: what they mean, what stands there, and why something did not work.

use super::context::Context;
use super::error::{Side, TransferError};
use super::names;
use crate::ssh::sftp::error::status;
use crate::ssh::sftp::wire::{Attributes, FileKind, FreeSpace, file_kind};
use crate::ssh::sftp::{Pending, Sftp, SftpError};

/// Where a file goes on the host.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) path: String,
    pub(super) directory: String,
    pub(super) name: String,
}

/// The path that a parameter means: relative ones start in the account's home, and so does `~`.
pub(super) async fn expand(sftp: &Sftp, given: &str) -> Result<String, TransferError> {
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

/// What a path leads to; nothing if there is nothing.
pub(super) async fn look(
    context: &Context,
    path: &str,
) -> Result<Option<Attributes>, TransferError> {
    match context.sftp.stat(path).await {
        Ok(attributes) => Ok(Some(attributes)),
        Err(error) if error.code() == Some(status::NO_SUCH_FILE) => Ok(None),
        Err(error) => Err(explain(context, path, error, 0).await),
    }
}

/// Where a single file called `source_name` goes: into a directory, over a file, or to a new name.
pub(super) async fn target(
    context: &Context,
    path: &str,
    source_name: &str,
) -> Result<Target, TransferError> {
    let found = look(context, path).await?;
    let kind = found.as_ref().map(file_kind);
    let (path, exists) = match kind {
        Some(FileKind::Directory) => {
            let inner = names::join(path, source_name);
            let there = look(context, &inner).await?;
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
    if exists && !context.spec.overwrite {
        return Err(exists_already(&path));
    }
    Ok(Target {
        directory: directory.to_owned(),
        name: name.to_owned(),
        path,
    })
}

fn in_the_way(path: &str, what: &str) -> TransferError {
    TransferError::remote(path, format!("{what} is in the way"))
}

pub(super) fn exists_already(path: &str) -> TransferError {
    TransferError::remote(path, "it exists already; overwrite: true replaces it")
}

/// Makes a directory and those above it that are missing.
pub(super) async fn make_directories(context: &Context, path: &str) -> Result<(), TransferError> {
    let mut missing = Vec::new();
    let mut at = path.to_owned();
    while look(context, &at).await?.is_none() {
        let (above, name) = names::split(&at);
        if name.is_none() || missing.len() > crate::limits::TREE_DEPTH_MAX {
            break;
        }
        let above = above.to_owned();
        missing.push(std::mem::replace(&mut at, above));
    }
    for path in missing.iter().rev() {
        let made = async { context.sftp.make_directory(path, 0o777).await?.done().await };
        if let Err(error) = made.await {
            // Another call may have made it meanwhile.
            let there = look(context, path).await?;
            if there.as_ref().map(file_kind) != Some(FileKind::Directory) {
                return Err(explain(context, path, error, 0).await);
            }
            continue;
        }
        context.progress.add_directory();
    }
    Ok(())
}

/// Moves a finished file to its target in one step.
pub(super) async fn commit(
    context: &Context,
    temporary: &str,
    target: &str,
) -> Result<(), TransferError> {
    if context.spec.overwrite && !context.sftp.can_replace() {
        return commit_in_steps(context, temporary, target).await;
    }
    let sent = start_move(context, temporary, target).await;
    let sent = sent.map_err(|error| TransferError::sftp(target, error))?;
    moved(context, temporary, target, sent).await
}

/// Asks for the move; where it is to replace something, the server has to be able to.
pub(super) async fn start_move(
    context: &Context,
    temporary: &str,
    target: &str,
) -> Result<Pending, SftpError> {
    if context.spec.overwrite {
        context.sftp.posix_rename(temporary, target).await
    } else {
        // OpenSSH links and unlinks here, which replaces nothing.
        context.sftp.rename(temporary, target).await
    }
}

/// What became of the move.
pub(super) async fn moved(
    context: &Context,
    temporary: &str,
    target: &str,
    sent: Pending,
) -> Result<(), TransferError> {
    match sent.done().await {
        Ok(()) => {
            context.unregister(temporary);
            Ok(())
        }
        Err(error @ SftpError::Status(_)) => {
            let there = context.sftp.link_stat(target).await.ok();
            match there.as_ref().map(file_kind) {
                Some(FileKind::Directory) => Err(in_the_way(target, "a directory")),
                Some(_) if !context.spec.overwrite => Err(exists_already(target)),
                _ => Err(explain(context, target, error, 0).await),
            }
        }
        Err(error) => Err(TransferError::sftp(target, error)),
    }
}

async fn rename(sftp: &Sftp, from: &str, to: &str) -> Result<(), SftpError> {
    sftp.rename(from, to).await?.done().await
}

/// For servers without `posix-rename`: the old file is moved aside and comes back if the new one cannot take its
/// place.
async fn commit_in_steps(
    context: &Context,
    temporary: &str,
    target: &str,
) -> Result<(), TransferError> {
    let sftp = &context.sftp;
    if rename(sftp, temporary, target).await.is_ok() {
        context.unregister(temporary);
        return Ok(());
    }
    let (directory, name) = names::split(target);
    let aside = names::join(directory, &names::temporary(name.unwrap_or("old")));
    if let Err(error) = rename(sftp, target, &aside).await {
        return Err(explain(context, target, error, 0).await);
    }
    if let Err(error) = rename(sftp, temporary, target).await {
        return Err(match rename(sftp, &aside, target).await {
            Ok(()) => explain(context, target, error, 0).await,
            Err(_) => TransferError::remote(
                target,
                format!("the server could not finish the rename; the old file is {aside:?} now"),
            ),
        });
    }
    context.unregister(temporary);
    context.register(&aside);
    if let Ok(pending) = sftp.remove(&aside).await
        && pending.done().await.is_ok()
    {
        context.unregister(&aside);
    }
    context.note(
        "the server has no posix-rename: for a moment there was no file at the target".to_owned(),
    );
    Ok(())
}

/// What a status answer is about. OpenSSH says "failure" for a full disk, a quota, a read-only file system and
/// anything else, so the rest is looked up. `needed` is how many bytes were still to be written.
pub(super) async fn explain(
    context: &Context,
    path: &str,
    error: SftpError,
    needed: u64,
) -> TransferError {
    let SftpError::Status(answer) = &error else {
        return TransferError::sftp(path, error);
    };
    let (directory, name) = names::split(path);
    match answer.code {
        status::NO_SUCH_FILE => explain_missing(context, path, directory).await,
        status::PERMISSION_DENIED => TransferError::remote(path, "permission denied"),
        status::BAD_MESSAGE if name.is_some_and(|name| name.len() > 255) || path.len() > 4095 => {
            TransferError::remote(path, "the name is too long")
        }
        status::FAILURE => {
            let room = match context.sftp.free_space(directory).await {
                Some(room) => Some(room),
                None => context.sftp.free_space("/").await,
            };
            explain_failure(path, room, needed, error)
        }
        _ => TransferError::sftp(path, error),
    }
}

async fn explain_missing(context: &Context, path: &str, directory: &str) -> TransferError {
    match context.sftp.stat(directory).await {
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
    room: Option<FreeSpace>,
    needed: u64,
    error: SftpError,
) -> TransferError {
    match room {
        Some(room) if room.read_only => TransferError::remote(path, "the file system is read-only"),
        Some(room) if room.free_bytes < needed.max(4096) => TransferError::DiskFull {
            side: Side::Remote,
            path: path.to_owned(),
            reason: format!("no space is left: {} bytes are free", room.free_bytes),
        },
        Some(room) if room.counts_files && room.free_files == 0 => TransferError::DiskFull {
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
