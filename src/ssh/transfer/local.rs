//! Files of this machine. Everything is written through an open directory, so that a link which appears on the
//! way leads nowhere.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, Stat, Timespec, Timestamps, fchmod, fstat,
    fstatvfs, futimens, mkdirat, openat, readlinkat, renameat, renameat_with, statat, symlinkat,
    unlinkat,
};
use rustix::io::Errno;

/// Flags of every directory that is opened.
const DIRECTORY: OFlags = OFlags::DIRECTORY
    .union(OFlags::CLOEXEC)
    .union(OFlags::RDONLY);

/// An open directory.
#[derive(Debug, Clone)]
pub(super) struct Dir(Arc<OwnedFd>);

/// What is kept of a file besides its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Meta {
    /// Permissions without the type.
    pub(super) mode: u32,
    /// Seconds since 1970.
    pub(super) accessed: i64,
    /// The same.
    pub(super) modified: i64,
}

impl Dir {
    /// Opens a directory; links in its path are followed.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(Arc::new(openat(CWD, path, DIRECTORY, Mode::empty())?)))
    }

    /// A directory in this one; a link is none.
    pub(super) fn child(&self, name: &OsStr) -> io::Result<Self> {
        let opened = openat(&*self.0, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?;
        Ok(Self(Arc::new(opened)))
    }

    /// The directory at the end of these names.
    pub(super) fn descend<'a>(&self, names: impl Iterator<Item = &'a str>) -> io::Result<Self> {
        let mut directory = self.clone();
        for name in names {
            directory = directory.child(OsStr::new(name))?;
        }
        Ok(directory)
    }

    /// Makes a directory unless there is one; tells whether it was made.
    pub(super) fn make_child(&self, name: &OsStr) -> io::Result<bool> {
        match mkdirat(&*self.0, name, Mode::from_raw_mode(0o700)) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => {
                self.child(name)?;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A new file that only its owner can read.
    pub(super) fn create(&self, name: &OsStr) -> io::Result<File> {
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = openat(&*self.0, name, flags, Mode::from_raw_mode(0o600))?;
        Ok(opened.into())
    }

    /// A file that is there. Does not wait for a pipe to be opened at its other end.
    pub(super) fn open_file(&self, name: &OsStr, write: bool) -> io::Result<File> {
        let access = if write { OFlags::RDWR } else { OFlags::RDONLY };
        let flags = access | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        Ok(openat(&*self.0, name, flags, Mode::empty())?.into())
    }

    /// What stands at a name, be it a link.
    pub(super) fn stat(&self, name: &OsStr) -> io::Result<Stat> {
        Ok(statat(&*self.0, name, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    pub(super) fn read_link(&self, name: &OsStr) -> io::Result<OsString> {
        let text = readlinkat(&*self.0, name, Vec::new())?;
        Ok(OsStr::from_bytes(text.to_bytes()).to_owned())
    }

    pub(super) fn make_link(&self, text: &str, name: &OsStr) -> io::Result<()> {
        Ok(symlinkat(text, &*self.0, name)?)
    }

    /// Moves a finished file to its name.
    pub(super) fn rename(&self, from: &OsStr, to: &OsStr, overwrite: bool) -> io::Result<()> {
        if overwrite {
            return Ok(renameat(&*self.0, from, &*self.0, to)?);
        }
        match renameat_with(&*self.0, from, &*self.0, to, RenameFlags::NOREPLACE) {
            // Some file systems do not have it.
            Err(Errno::INVAL | Errno::NOSYS) => {
                if self.stat(to).is_ok() {
                    return Err(Errno::EXIST.into());
                }
                Ok(renameat(&*self.0, from, &*self.0, to)?)
            }
            result => Ok(result?),
        }
    }

    pub(super) fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&*self.0, name, AtFlags::empty())?)
    }

    /// Mode and times of a directory that was made.
    pub(super) fn set(&self, meta: Meta) -> io::Result<()> {
        futimens(&*self.0, &times(meta))?;
        Ok(fchmod(&*self.0, Mode::from_raw_mode(meta.mode))?)
    }

    /// Bytes that may still be written here.
    pub(super) fn free_bytes(&self) -> io::Result<u64> {
        let room = fstatvfs(&*self.0)?;
        Ok(room.f_frsize.saturating_mul(room.f_bavail))
    }
}

fn times(meta: Meta) -> Timestamps {
    let at = |seconds| Timespec {
        tv_sec: seconds,
        tv_nsec: 0,
    };
    Timestamps {
        last_access: at(meta.accessed),
        last_modification: at(meta.modified),
    }
}

/// Mode and times of an open file.
pub(super) fn set(file: &File, meta: Meta) -> io::Result<()> {
    fchmod(file, Mode::from_raw_mode(meta.mode))?;
    Ok(futimens(file, &times(meta))?)
}

/// Has the room of a new file set aside, which spares the file system a search at each write. The file's size stays
/// as it is. Where it cannot be done, writing shows whether there is room.
pub(super) fn reserve(file: &File, bytes: u64) {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{FallocateFlags, fallocate};
        let _ = fallocate(file, FallocateFlags::KEEP_SIZE, 0, bytes);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (file, bytes);
}

/// What tells whether a file is still the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) size: u64,
    modified: (i64, u64),
    inode: (u64, u64),
}

impl Identity {
    pub(super) fn of(stat: &Stat) -> Self {
        Self {
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            modified: (stat.st_mtime, stat.st_mtime_nsec),
            inode: (stat.st_dev, stat.st_ino),
        }
    }

    /// What is different of what is there now.
    pub(super) fn difference(&self, now: &Self) -> Option<String> {
        if self.inode != now.inode {
            Some("another file took its place".to_owned())
        } else if self.size != now.size {
            Some(format!("it had {} bytes and has {}", self.size, now.size))
        } else if self.modified != now.modified {
            Some("it was written to".to_owned())
        } else {
            None
        }
    }
}

pub(super) fn identity(file: &File) -> io::Result<Identity> {
    Ok(Identity::of(&fstat(file)?))
}

pub(super) fn meta(stat: &Stat) -> Meta {
    Meta {
        mode: stat.st_mode & 0o7777,
        accessed: stat.st_atime,
        modified: stat.st_mtime,
    }
}

pub(super) fn file_type(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// A temporary file; it is removed unless it was moved to its name or is to be kept.
#[derive(Debug)]
pub(super) struct Temporary {
    directory: Dir,
    name: OsString,
    removes: bool,
}

impl Temporary {
    pub(super) fn new(directory: Dir, name: OsString) -> Self {
        Self {
            directory,
            name,
            removes: true,
        }
    }

    pub(super) fn name(&self) -> &OsStr {
        &self.name
    }

    /// It stays, for a call that resumes.
    pub(super) fn keep(&mut self) {
        self.removes = false;
    }

    /// Moves it to its name.
    pub(super) fn commit(mut self, to: &OsStr, overwrite: bool) -> io::Result<()> {
        self.directory.rename(&self.name, to, overwrite)?;
        self.removes = false;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.removes {
            // Whoever removed it first has done what was wanted.
            let _ = self.directory.remove(&self.name);
        }
    }
}

/// Work that may wait for a disk, away from the runtime's threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, super::error::TransferError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| super::error::TransferError::Internal(error.to_string()))
}
