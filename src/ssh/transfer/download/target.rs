//! The place of a downloaded file on this machine, and the version of its source.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use crate::policy;
use crate::ssh::sftp::wire::Attributes;
use crate::ssh::transfer::error::{Side, TransferError};
use crate::ssh::transfer::local::{self, Dir, Temporary};
use crate::ssh::transfer::names;

/// Where a file goes on this machine.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) directory: Dir,
    pub(super) name: OsString,
    /// For messages.
    pub(super) shown: String,
}

impl Target {
    pub(super) fn failed(&self, error: &io::Error) -> TransferError {
        TransferError::io(&self.shown, error)
    }
}

/// Finds the directory and the name of the target, and makes sure that it may be written.
pub(super) fn find(
    path: &Path,
    slash: bool,
    source_name: OsString,
    rules: &policy::LocalPolicy,
    overwrite: bool,
    recursive: bool,
) -> Result<Target, TransferError> {
    let given = policy::shown(path);
    let is_directory = path.is_dir();
    if slash && !is_directory && !recursive {
        let reason =
            "there is no such directory; make it first, or leave the final / away to name the file";
        return Err(TransferError::local(&given, reason));
    }
    let (parent, name) = if is_directory || slash {
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

/// A path from the root; a relative one starts in the working directory.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, TransferError> {
    std::path::absolute(path).map_err(|error| TransferError::io(&policy::shown(path), &error))
}

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

/// What is known of a source once it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) size: u64,
    pub(super) modified: Option<u32>,
}

impl Version {
    pub(super) fn of(attributes: &Attributes) -> Self {
        Self {
            size: attributes.size.unwrap_or_default(),
            modified: attributes.mtime,
        }
    }

    pub(super) fn check(self, now: Self, path: &str) -> Result<(), TransferError> {
        let what = if self.size != now.size {
            format!("it had {} bytes and has {}", self.size, now.size)
        } else if self.modified != now.modified {
            "it was written to".to_owned()
        } else {
            return Ok(());
        };
        Err(changed(path, what))
    }
}

pub(super) fn changed(path: &str, what: String) -> TransferError {
    TransferError::Changed {
        side: Side::Remote,
        path: path.to_owned(),
        what,
    }
}

pub(super) fn new_temporary(target: &Target) -> io::Result<(File, Temporary)> {
    let name = OsString::from(names::temporary(&target.name.to_string_lossy()));
    let temporary = Temporary::new(target.directory.clone(), name);
    match target.directory.create(temporary.name()) {
        Ok(file) => Ok((file, temporary)),
        Err(error) => {
            let mut temporary = temporary;
            // What could not be made is not ours to remove.
            temporary.keep();
            Err(error)
        }
    }
}
