//! The store file on disk: read whole, changed under a lock, replaced whole.
//!
//! Readers take no lock: a rename puts the new file in place of the old one at once, so they see one or the
//! other. Writers hold a lock on `<file>.lock` beside it, read the file anew, change it, write
//! `<file>.unsaved-*`, flush it to the disk and rename it. The lock file stays, for a lock on a file that
//! comes and goes locks nothing.
//!
//! A link is followed if it is the user's own or root's, because people keep such files in a repository of
//! dotfiles; what is replaced is then the file it leads to. A second hard link is not followed by a rename: it
//! keeps the old content.

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
/// Opening never follows a link that was put there since it was looked at, and never waits for a FIFO's other
/// end.
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
    /// A store at this path. Nothing is touched.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The path as configured.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file. A missing or empty one has no sessions.
    pub fn load(&self) -> Result<StoreContent, StoreError> {
        read(&resolve(&self.path)?)
    }

    /// Reads the file as [`Self::load`] does and looks whether [`Self::update`] could replace it, without
    /// touching anything.
    pub fn check(&self) -> Result<StoreContent, StoreError> {
        let target = resolve(&self.path)?;
        let directory = directory_of(&target);
        check_directory(directory)?;
        let content = read(&target)?;
        rustix::fs::access(directory, Access::WRITE_OK | Access::EXEC_OK)
            .map_err(|error| StoreError::io("write to", directory)(error.into()))?;
        Ok(content)
    }

    /// Changes the file: what stands in it at that moment is given to `change` and written back if it comes out
    /// different. What `change` answers is returned once the change is on the disk.
    ///
    /// A file that cannot be read, is broken or newer is left untouched, and `change` is not called.
    pub fn update<R>(&self, change: impl FnOnce(&mut StoreContent) -> R) -> Result<R, StoreError> {
        let target = resolve(&self.path)?;
        check_directory(directory_of(&target))?;
        // Before the lock, so that a file that will not be changed gets no lock file beside it either.
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

/// Reads and understands a file.
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

/// Reads a file that is the user's own and not too large; nothing, if there is none.
fn read_text(target: &Path) -> Result<Vec<u8>, StoreError> {
    let file = match rustix::fs::open(target, OFlags::RDONLY | CAREFULLY, Mode::empty()) {
        Ok(descriptor) => File::from(descriptor),
        Err(rustix::io::Errno::NOENT) => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::io("open", target)(error.into())),
    };
    let metadata = file.metadata().map_err(StoreError::io("look at", target))?;
    check_file(target, &metadata)?;
    check_size(target, metadata.len())?;
    // The size is a snapshot, good for a first guess; the reading is bounded by itself.
    let mut text = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 1);
    file.take(STORE_MAX_BYTES + 1)
        .read_to_end(&mut text)
        .map_err(StoreError::io("read", target))?;
    check_size(target, text.len() as u64)?;
    Ok(text)
}

/// Refuses sizes that would not be read back.
fn check_size(target: &Path, bytes: u64) -> Result<(), StoreError> {
    if bytes > STORE_MAX_BYTES {
        return Err(StoreError::TooLarge {
            path: target.to_path_buf(),
            bytes,
        });
    }
    Ok(())
}

/// Waits for the lock, which ends with the returned file, or with the process.
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

/// Replaces the file. Whatever fails up to the rename leaves the old one as it was and nothing beside it.
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

/// Writes the text and waits until it is on the disk.
fn fill(file: &mut tempfile::NamedTempFile, text: &[u8]) -> io::Result<()> {
    // The umask may have taken more away than it should.
    file.as_file()
        .set_permissions(fs::Permissions::from_mode(PRIVATE))?;
    file.write_all(text)?;
    file.as_file().sync_all()
}

/// Removes what a killed writer has left. The lock is held, so none of it belongs to a living one.
fn sweep(directory: &Path, unsaved: &Path) {
    let prefix = unsaved.file_name().unwrap_or_default().as_encoded_bytes();
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(prefix) {
            // Litter that cannot be removed does no harm; the save matters more.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Makes a rename last through a power cut, where that is possible: not every file system knows how to, and a
/// directory that may be written may still be closed to readers.
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

/// The path of a companion of the file: its name with a suffix.
fn beside(target: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(target);
    name.push(suffix);
    name.into()
}
