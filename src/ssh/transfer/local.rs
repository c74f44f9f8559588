//! Local files. All writes go through open directories, so that a link that replaces a directory meanwhile has no
//! effect.

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

/// Flags for opening directories.
const DIRECTORY: OFlags = OFlags::DIRECTORY
    .union(OFlags::CLOEXEC)
    .union(OFlags::RDONLY);

/// An open directory.
#[derive(Debug, Clone)]
pub(super) struct Dir(Arc<OwnedFd>);

/// Mode and times of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Metadata {
    /// Permission bits.
    pub(super) mode: u32,
    /// Time of the last access, in seconds since 1970.
    pub(super) accessed: i64,
    /// Time of the last modification, in seconds since 1970.
    pub(super) modified: i64,
}

impl Dir {
    /// Opens a directory; links in the path are followed.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(Arc::new(openat(CWD, path, DIRECTORY, Mode::empty())?)))
    }

    /// Opens a subdirectory; fails for a link.
    pub(super) fn open_child(&self, name: &OsStr) -> io::Result<Self> {
        let opened = openat(&*self.0, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?;
        Ok(Self(Arc::new(opened)))
    }

    /// Opens the directory at the end of these names, one by one; fails for a link.
    pub(super) fn descend<'a>(&self, names: impl Iterator<Item = &'a str>) -> io::Result<Self> {
        let mut directory = self.clone();
        for name in names {
            directory = directory.open_child(OsStr::new(name))?;
        }
        Ok(directory)
    }

    /// Makes a subdirectory; `false` if the directory existed.
    pub(super) fn make_child(&self, name: &OsStr) -> io::Result<bool> {
        match mkdirat(&*self.0, name, Mode::from_raw_mode(0o700)) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => {
                self.open_child(name)?;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Creates a file that only its owner can access; fails if the name exists.
    pub(super) fn create_file(&self, name: &OsStr) -> io::Result<File> {
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = openat(&*self.0, name, flags, Mode::from_raw_mode(0o600))?;
        Ok(opened.into())
    }

    /// Opens an existing file, for reading and with `write` also for writing. Opening a pipe does not block.
    pub(super) fn open_file(&self, name: &OsStr, write: bool) -> io::Result<File> {
        let access = if write { OFlags::RDWR } else { OFlags::RDONLY };
        let flags = access | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        Ok(openat(&*self.0, name, flags, Mode::empty())?.into())
    }

    /// Attributes of an entry; a link is not followed.
    pub(super) fn stat(&self, name: &OsStr) -> io::Result<Stat> {
        Ok(statat(&*self.0, name, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// The text of a link.
    pub(super) fn read_link(&self, name: &OsStr) -> io::Result<OsString> {
        let text = readlinkat(&*self.0, name, Vec::new())?;
        Ok(OsStr::from_bytes(text.to_bytes()).to_owned())
    }

    /// Makes a symbolic link.
    pub(super) fn make_link(&self, text: &str, name: &OsStr) -> io::Result<()> {
        Ok(symlinkat(text, &*self.0, name)?)
    }

    /// Renames an entry; without `overwrite`, fails if `to` exists.
    pub(super) fn rename(&self, from: &OsStr, to: &OsStr, overwrite: bool) -> io::Result<()> {
        if overwrite {
            return Ok(renameat(&*self.0, from, &*self.0, to)?);
        }
        match renameat_with(&*self.0, from, &*self.0, to, RenameFlags::NOREPLACE) {
            // Some file systems do not support the flag.
            Err(Errno::INVAL | Errno::NOSYS) => {
                if self.stat(to).is_ok() {
                    return Err(Errno::EXIST.into());
                }
                Ok(renameat(&*self.0, from, &*self.0, to)?)
            }
            result => Ok(result?),
        }
    }

    /// Removes a file or a link.
    pub(super) fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&*self.0, name, AtFlags::empty())?)
    }

    /// Sets mode and times of this directory.
    pub(super) fn set_metadata(&self, metadata: Metadata) -> io::Result<()> {
        futimens(&*self.0, &timestamps(metadata))?;
        Ok(fchmod(&*self.0, Mode::from_raw_mode(metadata.mode))?)
    }

    /// Free bytes of the file system.
    pub(super) fn free_bytes(&self) -> io::Result<u64> {
        let room = fstatvfs(&*self.0)?;
        Ok(room.f_frsize.saturating_mul(room.f_bavail))
    }
}

fn timestamps(metadata: Metadata) -> Timestamps {
    let at = |seconds| Timespec {
        tv_sec: seconds,
        tv_nsec: 0,
    };
    Timestamps {
        last_access: at(metadata.accessed),
        last_modification: at(metadata.modified),
    }
}

/// Sets mode and times of an open file.
pub(super) fn set_metadata(file: &File, metadata: Metadata) -> io::Result<()> {
    fchmod(file, Mode::from_raw_mode(metadata.mode))?;
    Ok(futimens(file, &timestamps(metadata))?)
}

/// Allocates disk space for a new file, so that the file system need not search at each write. The size of the file
/// does not change. Errors are ignored: a full disk fails the writes.
pub(super) fn preallocate(file: &File, bytes: u64) {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{FallocateFlags, fallocate};
        let _ = fallocate(file, FallocateFlags::KEEP_SIZE, 0, bytes);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (file, bytes);
}

/// Identifies the content of a file, to notice changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) size: u64,
    modified: (i64, u64),
    inode: (u64, u64),
}

impl Identity {
    pub(super) fn from_stat(stat: &Stat) -> Self {
        Self {
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            modified: (stat.st_mtime, stat.st_mtime_nsec),
            inode: (stat.st_dev, stat.st_ino),
        }
    }

    /// Describes the difference to a later identity; `None` if both are equal.
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

/// The identity of an open file.
pub(super) fn identity(file: &File) -> io::Result<Identity> {
    Ok(Identity::from_stat(&fstat(file)?))
}

impl Metadata {
    pub(super) fn from_stat(stat: &Stat) -> Self {
        Self {
            mode: stat.st_mode & 0o7777,
            accessed: stat.st_atime,
            modified: stat.st_mtime,
        }
    }
}

pub(super) fn file_type(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}
