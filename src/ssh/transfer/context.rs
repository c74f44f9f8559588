//! State that all parts of a transfer share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::extra_channels;
use super::progress::Progress;
use super::spec::{Summary, TransferSpec};
use crate::limits;
use crate::ssh::sftp::Sftp;
use crate::ssh::sftp::pool::SftpPool;

/// What all parts of one transfer share.
pub(super) struct Context {
    pub(super) spec: TransferSpec,
    pub(super) sftp: Sftp,
    pub(super) pool: Arc<SftpPool>,
    pub(super) progress: Arc<Progress>,
    /// Fires when the transfer is over, so that what is queued is not sent any more.
    pub(super) over: CancellationToken,
    /// Temporary files on the host.
    pub(super) temporary: Mutex<Vec<String>>,
    /// A partial file that stays.
    pub(super) kept: Mutex<Option<String>>,
    pub(super) resumed: AtomicU64,
    pub(super) notes: Mutex<Vec<String>>,
    /// Channels beside the first one that are being opened.
    pub(super) ahead: Mutex<extra_channels::Opening>,
    /// The temporary file on the host, as soon as it was asked for.
    pub(super) draft: watch::Sender<Option<String>>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Context {
    pub(super) fn note(&self, text: String) {
        let mut notes = lock(&self.notes);
        if !notes.contains(&text) {
            notes.push(text);
        }
    }

    /// Something that is left out, with its reason.
    pub(super) fn skip(&self, what: String) {
        let before = self.progress.skipped();
        self.progress.add_skipped();
        if before < limits::SKIPPED_SHOWN as u64 {
            self.note(format!("skipped {what}"));
        }
    }

    /// A file on the host that is removed when the transfer fails.
    pub(super) fn register(&self, path: &str) {
        lock(&self.temporary).push(path.to_owned());
    }

    /// It is at its target now.
    pub(super) fn unregister(&self, path: &str) {
        lock(&self.temporary).retain(|other| other != path);
    }

    pub(super) fn summary(&self, local_path: String, remote_path: String) -> Summary {
        Summary {
            local_path,
            remote_path,
            files: self.progress.files(),
            directories: self.progress.directories(),
            bytes: self.progress.bytes(),
            resumed_bytes: self.resumed.load(Ordering::Relaxed),
            skipped: self.progress.skipped(),
            verified: self.spec.verify,
            notes: lock(&self.notes).clone(),
        }
    }
}
