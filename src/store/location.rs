//! The file that the path of the store leads to, and the check that the file is safe to use.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::StoreError;
use crate::limits::STORE_LINKS_MAX;

/// Everybody may write.
const OTHERS_WRITE: u32 = 0o002;
/// In a directory: only the owner of an entry may rename or remove the entry.
const STICKY: u32 = 0o1000;

/// Follows links to their file. A path without a file is where the first save will create the file; a link to a
/// missing file is an error, because the cause may be a file system that is not mounted.
pub(super) fn resolve(path: &Path) -> Result<PathBuf, StoreError> {
    if path.file_name().is_none() {
        return Err(StoreError::refused(
            path,
            "it names no file: give the path of a file",
        ));
    }
    let mut target = path.to_path_buf();
    for _ in 0..=STORE_LINKS_MAX {
        let metadata = match fs::symlink_metadata(&target) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound && target == path => {
                return Ok(target);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(dangling(path, &target));
            }
            Err(error) => return Err(StoreError::io("look at", target)(error)),
        };
        if !metadata.is_symlink() {
            check_file(&target, &metadata)?;
            return Ok(target);
        }
        if ![our_uid(), 0].contains(&metadata.uid()) {
            return Err(foreign(&target, "link", metadata.uid()));
        }
        let next = fs::read_link(&target).map_err(StoreError::io("read the link", &target))?;
        target = directory_of(&target).join(next);
    }
    let reason = format!(
        "more than {STORE_LINKS_MAX} links follow each other: give the path of the file itself"
    );
    Err(StoreError::refused(path, reason))
}

/// Accepts regular files of the user. Opening a FIFO or a device may block or have side effects.
pub(super) fn check_file(path: &Path, metadata: &Metadata) -> Result<(), StoreError> {
    if !metadata.is_file() {
        let reason = format!(
            "it is a {}, not a regular file: move it away",
            kind_of(metadata)
        );
        return Err(StoreError::refused(path, reason));
    }
    if metadata.uid() != our_uid() {
        return Err(foreign(path, "file", metadata.uid()));
    }
    Ok(())
}

/// Accepts directories in which only the user and root can replace the file.
pub(super) fn check_directory(directory: &Path) -> Result<(), StoreError> {
    let metadata =
        fs::metadata(directory).map_err(StoreError::io("look at the directory", directory))?;
    if metadata.mode() & STICKY != 0 {
        return Ok(());
    }
    if metadata.mode() & OTHERS_WRITE != 0 {
        let reason =
            "everybody may write in this directory and replace the file: use chmod o-w on it";
        return Err(StoreError::refused(directory, reason));
    }
    if ![our_uid(), 0].contains(&metadata.uid()) {
        return Err(foreign(directory, "directory", metadata.uid()));
    }
    Ok(())
}

/// The directory that a file is in.
pub(super) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The user that this process acts as.
fn our_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Refuses a path of another user, for example after `sudo` with the home directory kept.
fn foreign(path: &Path, kind: &str, owner: u32) -> StoreError {
    let reason = format!(
        "the {kind} belongs to uid {owner} and this process runs as uid {}: run it as the owner",
        our_uid()
    );
    StoreError::refused(path, reason)
}

/// Refuses a link to a missing file.
fn dangling(path: &Path, target: &Path) -> StoreError {
    let reason = format!(
        "it is a link to {}, which does not exist: create that file or remove the link",
        target.display()
    );
    StoreError::refused(path, reason)
}

/// The kind of a file system entry, in a word.
fn kind_of(metadata: &Metadata) -> &'static str {
    let kind = metadata.file_type();
    match () {
        () if kind.is_dir() => "directory",
        () if kind.is_fifo() => "fifo",
        () if kind.is_socket() => "socket",
        () if kind.is_block_device() || kind.is_char_device() => "device",
        () => "special file",
    }
}
