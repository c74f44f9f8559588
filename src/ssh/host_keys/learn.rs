//! Recording a new key in a known_hosts file.
//!
//! The file is locked and read again, so that a key which another process has recorded meanwhile is
//! respected. The line is then appended in a single write.

use super::file;
use super::known_hosts::KnownHosts;
use super::pattern;
use super::policy::StrictHostKeyChecking;
use super::refusal::HostKeyRefusal;
use super::verdict::{Source, Verdict};
use crate::limits::{KNOWN_HOSTS_LOCK_POLL, KNOWN_HOSTS_LOCK_TIMEOUT, KNOWN_HOSTS_MAX_BYTES};
use russh::keys::PublicKey;
use rustix::fs::OFlags;
use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _};
use std::path::Path;

impl KnownHosts {
    /// Records a key for which [`KnownHosts::verify`] returned [`Verdict::Learn`]. Blocks on file access,
    /// and up to [`KNOWN_HOSTS_LOCK_TIMEOUT`] on the lock.
    ///
    /// All files are read again under the lock. If another process has recorded the same key meanwhile, the
    /// key is accepted and not written twice; if another key, the presented key is refused as changed. A key
    /// that cannot be recorded is refused under `accept-new` (S6) and accepted under `no`, as in OpenSSH.
    pub fn learn(&self, key: &PublicKey) -> Result<Source, HostKeyRefusal> {
        if let Some(settled) = settled(self.verify(key)) {
            return settled;
        }
        let path = self.target.as_deref().ok_or_else(no_file)?;
        let locked = lock(path);
        if let Some(settled) = settled(Self::load(self.policy.clone())?.verify(key)) {
            return settled;
        }
        match locked.and_then(|file| append(&file, &self.line(key)?)) {
            Ok(()) => Ok(Source::Added(path.into())),
            Err(error) => self.not_added(path, &error),
        }
    }

    /// The outcome for a key that cannot be recorded.
    fn not_added(&self, path: &Path, error: &io::Error) -> Result<Source, HostKeyRefusal> {
        let refusal = HostKeyRefusal::unwritable(path, error);
        match self.policy.strict {
            StrictHostKeyChecking::No => Ok(Source::NotRecorded(refusal.to_string())),
            _ => Err(refusal),
        }
    }

    /// The line for a key, in the form that OpenSSH writes: name, type and key, without a comment.
    fn line(&self, key: &PublicKey) -> io::Result<String> {
        let bare = PublicKey::from(key.key_data().clone());
        let text = bare.to_openssh().map_err(io::Error::other)?;
        let name = if self.policy.hash_known_hosts {
            pattern::hashed(&rand::random(), &self.names.exact)
        } else {
            self.names.exact.clone()
        };
        Ok(format!("{name} {}\n", text.trim_end()))
    }
}

/// The outcome of a verdict other than [`Verdict::Learn`].
fn settled(verdict: Verdict) -> Option<Result<Source, HostKeyRefusal>> {
    match verdict {
        Verdict::Learn => None,
        Verdict::Accept { source } => Some(Ok(source)),
        Verdict::Refuse(refusal) => Some(Err(refusal)),
    }
}

/// The refusal for a policy without a file to record keys in. [`KnownHosts::verify`] returns no
/// [`Verdict::Learn`] for such a policy; if that ever changes, the key is refused and not silently accepted.
fn no_file() -> HostKeyRefusal {
    let error = io::Error::other("there is no file to record a key in");
    HostKeyRefusal::unwritable(Path::new("none"), &error)
}

/// Opens the file for appending and locks the file until the returned handle is closed.
///
/// The lock excludes other processes of this program. OpenSSH takes no lock; lines of both programs do not
/// mix, because each line is appended in a single write.
fn lock(path: &Path) -> io::Result<File> {
    let attempts = KNOWN_HOSTS_LOCK_TIMEOUT.as_millis() / KNOWN_HOSTS_LOCK_POLL.as_millis();
    for _ in 0..attempts {
        let file = open_or_create(path)?;
        match file.try_lock() {
            // `ssh-keygen -R` renames a new file over the old file. A line appended to the old file would be lost.
            Ok(()) if is_still(path, &file)? => return Ok(file),
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => std::thread::park_timeout(KNOWN_HOSTS_LOCK_POLL),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::Error::new(
        io::ErrorKind::TimedOut,
        "another process holds the lock of the file",
    ))
}

/// Opens the file for appending. Creates the file and its directory if missing, accessible to the owner
/// alone.
fn open_or_create(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE;
    match file::open_without_waiting(path, flags) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create_parent(path)?;
            file::open_without_waiting(path, flags)
        }
        result => result,
    }
}

/// Creates the directory of the file but no directories above: `~/.ssh`, not a missing home directory.
fn create_parent(path: &Path) -> io::Result<()> {
    let Some(parent) = path.parent() else {
        return Ok(());
    };
    match DirBuilder::new().mode(0o700).create(parent) {
        // Another process has created the directory meanwhile.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

/// Whether the path still leads to this file.
fn is_still(path: &Path, file: &File) -> io::Result<bool> {
    let opened = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (opened.dev(), opened.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Appends a line in a single write, after a newline if the file does not end with a newline.
fn append(file: &File, line: &str) -> io::Result<()> {
    let length = file.metadata()?.len();
    let mut text = Vec::with_capacity(line.len() + 1);
    if lacks_newline(file, length)? {
        text.push(b'\n');
    }
    text.extend_from_slice(line.as_bytes());
    if length + text.len() as u64 > KNOWN_HOSTS_MAX_BYTES {
        // Readers refuse a file over the size limit, which would block every host.
        return Err(file::too_large());
    }
    write_whole(file, &text, length)
}

/// Whether the file is not empty and its last byte is not a newline.
fn lacks_newline(file: &File, length: u64) -> io::Result<bool> {
    let Some(last) = length.checked_sub(1) else {
        return Ok(false);
    };
    let mut byte = [0];
    file.read_exact_at(&mut byte, last)?;
    Ok(byte != *b"\n")
}

/// Writes the whole text or nothing, because part of a line would be a damaged line.
///
/// After a partial write, the file is cut back to its old length, unless another program has appended to
/// the file meanwhile.
fn write_whole(mut file: &File, text: &[u8], length: u64) -> io::Result<()> {
    let written = file.write(text)?;
    if written == text.len() {
        return Ok(());
    }
    if file.metadata()?.len() == length + written as u64 {
        file.set_len(length)?;
    }
    Err(io::Error::new(
        io::ErrorKind::WriteZero,
        "only a part of the line was written",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_replaced_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let (path, other) = (directory.path().join("a"), directory.path().join("b"));
        let file = open_or_create(&path).unwrap();
        assert!(is_still(&path, &file).unwrap());
        std::fs::write(&other, "").unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert!(!is_still(&path, &file).unwrap());
        std::fs::remove_file(&path).unwrap();
        assert!(!is_still(&path, &file).unwrap());
    }
}
