//! Recording a new key: one line, added whole, under a lock, after looking once more.

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
    /// Records a key that [`KnownHosts::verify`] wants learned. Blocks: on file access, and for a limited
    /// time on the lock.
    ///
    /// Everything is read again under the lock. What another process has recorded meanwhile decides: the
    /// same key is accepted and not written twice, another one is a changed key. S6: under `accept-new` a
    /// key that cannot be recorded is refused; under `no` it is accepted unrecorded, as in OpenSSH.
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

    /// What it means that a key cannot be recorded.
    fn not_added(&self, path: &Path, error: &io::Error) -> Result<Source, HostKeyRefusal> {
        let refusal = HostKeyRefusal::unwritable(path, error);
        match self.policy.strict {
            StrictHostKeyChecking::No => Ok(Source::NotRecorded(refusal.to_string())),
            _ => Err(refusal),
        }
    }

    /// The line as OpenSSH writes it: name, type, key, no comment.
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

/// The end of a verdict that asks for no learning.
fn settled(verdict: Verdict) -> Option<Result<Source, HostKeyRefusal>> {
    match verdict {
        Verdict::Learn => None,
        Verdict::Accept { source } => Some(Ok(source)),
        Verdict::Refuse(refusal) => Some(Err(refusal)),
    }
}

/// A verdict asks for no learning where there is no file. Should it ever do so, this refuses.
fn no_file() -> HostKeyRefusal {
    let error = io::Error::other("there is no file to record a key in");
    HostKeyRefusal::unwritable(Path::new("none"), &error)
}

/// The file, open for adding and locked until it is closed. The lock holds between processes of this
/// program; OpenSSH takes none, and is kept out of our lines by adding each in one write.
fn lock(path: &Path) -> io::Result<File> {
    let attempts = KNOWN_HOSTS_LOCK_TIMEOUT.as_millis() / KNOWN_HOSTS_LOCK_POLL.as_millis();
    for _ in 0..attempts {
        let file = open_or_create(path)?;
        match file.try_lock() {
            // ssh-keygen -R renames a new file over the old one: a line added to the old one is lost.
            Ok(()) if is_still(path, &file)? => return Ok(file),
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => std::thread::park_timeout(KNOWN_HOSTS_LOCK_POLL),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::Error::new(
        io::ErrorKind::TimedOut,
        "another process holds its lock",
    ))
}

/// Opens the file for adding; what is missing of it and of its directory is created for its owner alone.
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

/// Makes the directory of the file, but not the one above it: `~/.ssh`, not a whole home.
fn create_parent(path: &Path) -> io::Result<()> {
    let Some(parent) = path.parent() else {
        return Ok(());
    };
    match DirBuilder::new().mode(0o700).create(parent) {
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

/// Does the path still lead to this file?
fn is_still(path: &Path, file: &File) -> io::Result<bool> {
    let opened = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (opened.dev(), opened.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Adds one line in one write, after a newline if the file lacks its last one.
fn append(file: &File, line: &str) -> io::Result<()> {
    let length = file.metadata()?.len();
    let mut text = Vec::with_capacity(line.len() + 1);
    if lacks_newline(file, length)? {
        text.push(b'\n');
    }
    text.extend_from_slice(line.as_bytes());
    if length + text.len() as u64 > KNOWN_HOSTS_MAX_BYTES {
        // The next reader would refuse the file as a whole.
        return Err(file::too_large());
    }
    write_whole(file, &text, length)
}

/// Does the file end within a line?
fn lacks_newline(file: &File, length: u64) -> io::Result<bool> {
    let Some(last) = length.checked_sub(1) else {
        return Ok(false);
    };
    let mut byte = [0];
    file.read_exact_at(&mut byte, last)?;
    Ok(byte != *b"\n")
}

/// Writes all of it or nothing: half a line would be a damaged one. A file that somebody else has added to
/// meanwhile is not cut.
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
        "the line was not written whole",
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
