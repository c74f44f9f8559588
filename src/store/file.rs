//! The store file on disk: read whole, changed under a lock, replaced whole.
//!
//! Readers take no lock: a rename replaces the old file atomically, so a reader sees the old file or the new
//! file. A writer holds a lock on `<file>.lock`, reads the file anew, changes the content, writes
//! `<file>.unsaved-*`, flushes that file to the disk and renames it. The lock file stays: a lock on a file that
//! is removed and created again excludes nobody.
//!
//! A symbolic link is followed if the user or root owns the link, because people keep such files in a repository
//! of dotfiles; the rename then replaces the target of the link. A rename does not reach a second hard link,
//! which keeps the old content.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, Mode, OFlags};

use super::content::Fault;
use super::location::{check_directory, check_file, directory_of, resolve};
use super::{StoreContent, StoreError};
use crate::limits::{STORE_LOCK_POLL, STORE_LOCK_TIMEOUT, STORE_MAX_BYTES};

/// Only the user may read and write.
const PRIVATE: u32 = 0o600;
/// Opening never follows a link that replaced the file after the check, and never waits for the other end of a
/// FIFO.
const CAREFULLY: OFlags = OFlags::NOFOLLOW
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// The store file of a user; any number of these may be at work on one file, in any number of processes.
///
/// All calls block, for [`STORE_LOCK_TIMEOUT`] and a few disk accesses at most.
#[derive(Debug, Clone)]
pub struct Store {
    /// The path as configured.
    path: PathBuf,
}

impl Store {
    /// A store at this path. Touches no file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The path as configured.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file. A missing or empty file has no sessions.
    pub fn load(&self) -> Result<StoreContent, StoreError> {
        read(&resolve(&self.path)?)
    }

    /// Reads the file like [`Self::load`] and checks whether [`Self::update`] could replace the file, without
    /// writing anything.
    pub fn check(&self) -> Result<StoreContent, StoreError> {
        let target = resolve(&self.path)?;
        let directory = directory_of(&target);
        check_directory(directory)?;
        let content = read(&target)?;
        rustix::fs::access(directory, Access::WRITE_OK | Access::EXEC_OK)
            .map_err(|error| StoreError::io("write to", directory)(error.into()))?;
        Ok(content)
    }

    /// Gives the present content to `change` and writes the content back if `change` altered something. Returns
    /// the result of `change` when the new content is on the disk.
    ///
    /// A file that is unreadable, broken or newer is left untouched, and `change` is not called.
    pub fn update<R>(&self, change: impl FnOnce(&mut StoreContent) -> R) -> Result<R, StoreError> {
        let target = resolve(&self.path)?;
        check_directory(directory_of(&target))?;
        // Before the lock, so that a file that will not be changed gets no lock file either.
        read(&target)?;
        let _lock = lock(&beside(&target, ".lock"))?;
        let before = read(&target)?;
        let mut content = before.clone();
        let answer = change(&mut content);
        if content != before {
            let text = content.render().map_err(io::Error::from);
            write(&target, &text.map_err(StoreError::io("write", &target))?)?;
        }
        Ok(answer)
    }
}

/// Reads and parses a file.
fn read(target: &Path) -> Result<StoreContent, StoreError> {
    let text = read_text(target)?;
    let path = || target.to_path_buf();
    StoreContent::parse(&text).map_err(|fault| match fault {
        Fault::Newer(version) => StoreError::Newer {
            path: path(),
            version,
        },
        Fault::Broken(line, reason) => StoreError::Broken {
            path: path(),
            line,
            reason,
        },
    })
}

/// Reads a file that belongs to the user and is not too large; a missing file reads as empty.
fn read_text(target: &Path) -> Result<Vec<u8>, StoreError> {
    let file = match rustix::fs::open(target, OFlags::RDONLY | CAREFULLY, Mode::empty()) {
        Ok(descriptor) => File::from(descriptor),
        Err(rustix::io::Errno::NOENT) => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::io("open", target)(error.into())),
    };
    let metadata = file.metadata().map_err(StoreError::io("look at", target))?;
    check_file(target, &metadata)?;
    check_size(target, metadata.len())?;
    // The size is a snapshot and serves as a first guess; `take` bounds the reading.
    let mut text = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 1);
    file.take(STORE_MAX_BYTES + 1)
        .read_to_end(&mut text)
        .map_err(StoreError::io("read", target))?;
    check_size(target, text.len() as u64)?;
    Ok(text)
}

/// Refuses a size that [`read_text`] would refuse.
fn check_size(target: &Path, bytes: u64) -> Result<(), StoreError> {
    if bytes > STORE_MAX_BYTES {
        return Err(StoreError::TooLarge {
            path: target.to_path_buf(),
            bytes,
        });
    }
    Ok(())
}

/// Waits for the lock. Dropping the returned file, or the end of the process, releases the lock.
fn lock(path: &Path) -> Result<File, StoreError> {
    let flags = OFlags::RDWR | OFlags::CREATE | CAREFULLY;
    let file = rustix::fs::open(path, flags, Mode::from_raw_mode(PRIVATE))
        .map(File::from)
        .map_err(|error| StoreError::io("open the lock", path)(error.into()))?;
    let metadata = file.metadata().map_err(StoreError::io("look at", path))?;
    if !metadata.is_file() {
        return Err(StoreError::refused(
            path,
            "the lock is not a regular file: remove it",
        ));
    }
    let tries = STORE_LOCK_TIMEOUT.as_millis() / STORE_LOCK_POLL.as_millis();
    for _ in 0..tries {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => pause(),
            Err(TryLockError::Error(error)) => return Err(StoreError::io("lock", path)(error)),
        }
    }
    Err(StoreError::Locked {
        path: path.to_path_buf(),
        waited: STORE_LOCK_TIMEOUT,
    })
}

/// Waits between two tries.
#[allow(
    clippy::disallowed_methods,
    reason = "a lock of another process has no condition to wait for with a limit"
)]
fn pause() {
    std::thread::sleep(STORE_LOCK_POLL);
}

/// Replaces the file. A failure before the rename leaves the old file unchanged and removes the new file.
fn write(target: &Path, text: &[u8]) -> Result<(), StoreError> {
    check_size(target, text.len() as u64)?;
    let directory = directory_of(target);
    let unsaved = beside(target, ".unsaved-");
    sweep(directory, &unsaved);
    let mut file = tempfile::Builder::new()
        .prefix(unsaved.file_name().unwrap_or_default())
        .permissions(fs::Permissions::from_mode(PRIVATE))
        .tempfile_in(directory)
        .map_err(StoreError::io("write to", directory))?;
    fill(&mut file, text).map_err(StoreError::io("write", target))?;
    file.persist(target)
        .map_err(|error| StoreError::io("replace", target)(error.error))?;
    sync_directory(directory).map_err(StoreError::io("flush", directory))
}

/// Writes the text and waits until the text is on the disk.
fn fill(file: &mut tempfile::NamedTempFile, text: &[u8]) -> io::Result<()> {
    // The umask may have removed permissions of the owner.
    file.as_file()
        .set_permissions(fs::Permissions::from_mode(PRIVATE))?;
    file.write_all(text)?;
    file.as_file().sync_all()
}

/// Removes the temporary files of killed writers. The caller holds the lock, so no living writer owns any.
fn sweep(directory: &Path, unsaved: &Path) {
    let prefix = unsaved.file_name().unwrap_or_default().as_encoded_bytes();
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(prefix) {
            // A leftover file does no harm; the save matters more.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Makes a rename survive a power cut where that is possible: some file systems cannot sync a directory, and a
/// writable directory may be unreadable.
fn sync_directory(directory: &Path) -> io::Result<()> {
    let Ok(directory) = File::open(directory) else {
        return Ok(());
    };
    match directory.sync_all() {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        other => other,
    }
}

/// The path of a companion file: the file's name with a suffix.
fn beside(target: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(target);
    name.push(suffix);
    name.into()
}
