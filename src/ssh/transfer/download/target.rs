//! The target of a download on this machine.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use crate::policy;
use crate::ssh::transfer::error::TransferError;
use crate::ssh::transfer::local::{self, Dir};

/// The place of a downloaded file.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) directory: Dir,
    pub(super) name: OsString,
    /// Path for messages.
    pub(super) shown: String,
}

impl Target {
    /// The error of a system call about this file.
    pub(super) fn failed(&self, error: &io::Error) -> TransferError {
        TransferError::io(&self.shown, error)
    }
}

/// Resolves the target of a single file called `source_name`: in a directory, over a file, or under a new name. Checks
/// that the policy and `overwrite` allow the target. `has_slash`: the given path ends with a slash.
pub(super) fn resolve_target(
    path: &Path,
    has_slash: bool,
    source_name: OsString,
    rules: &policy::LocalPolicy,
    overwrite: bool,
    recursive: bool,
) -> Result<Target, TransferError> {
    let given = policy::shown(path);
    let is_directory = path.is_dir();
    if has_slash && !is_directory && !recursive {
        let reason =
            "there is no such directory; make it first, or leave the final / away to name the file";
        return Err(TransferError::local(&given, reason));
    }
    let (parent, name) = if is_directory || has_slash {
        (path.to_owned(), source_name)
    } else {
        let name = path.file_name().map(ToOwned::to_owned);
        let name =
            name.ok_or_else(|| TransferError::local(&given, "this is no name for a file"))?;
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        (parent.unwrap_or(Path::new(".")).to_owned(), name)
    };
    let real = policy::resolved(&absolute(&parent)?);
    rules.check_target(&real.join(&name))?;
    if recursive {
        std::fs::create_dir_all(&real).map_err(|error| TransferError::io(&given, &error))?;
    }
    let directory = Dir::open(&real).map_err(|error| open_failed(&real, &error))?;
    let shown = policy::shown(&real.join(&name));
    match directory.stat(&name) {
        Ok(stat) => match local::file_type(&stat) {
            FileType::Directory => {
                return Err(TransferError::local(&shown, "a directory is in the way"));
            }
            FileType::RegularFile | FileType::Symlink if overwrite => {}
            FileType::RegularFile | FileType::Symlink => {
                let reason = "it exists already; overwrite: true replaces it";
                return Err(TransferError::local(&shown, reason));
            }
            _ => return Err(TransferError::local(&shown, "a special file is in the way")),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(TransferError::io(&shown, &error)),
    }
    Ok(Target {
        directory,
        name,
        shown,
    })
}

/// Makes a path absolute; a relative path starts in the working directory.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, TransferError> {
    std::path::absolute(path).map_err(|error| TransferError::io(&policy::shown(path), &error))
}

/// The error for a target directory that does not open.
fn open_failed(directory: &Path, error: &io::Error) -> TransferError {
    let shown = policy::shown(directory);
    match error.kind() {
        io::ErrorKind::NotFound => TransferError::local(
            &shown,
            "there is no such directory; make it first, or set recursive: true",
        ),
        _ => TransferError::io(&shown, error),
    }
}
