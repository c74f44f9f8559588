//! The report of a transfer: its counters, and remarks for the caller.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::progress::Progress;
use super::spec::{Summary, Verify};
use crate::limits;

/// Collects the content of a [`Summary`].
pub(super) struct Report {
    pub(super) progress: Arc<Progress>,
    resumed_bytes: AtomicU64,
    notes: Mutex<Vec<String>>,
}

impl Report {
    pub(super) fn new(progress: Arc<Progress>) -> Self {
        Self {
            progress,
            resumed_bytes: AtomicU64::new(0),
            notes: Mutex::default(),
        }
    }

    /// Adds a remark, unless the same remark is there.
    pub(super) fn add_note(&self, text: impl Into<String>) {
        let text = text.into();
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        if !notes.contains(&text) {
            notes.push(text);
        }
    }

    /// Counts a skipped entry; the first few are named with their reasons.
    pub(super) fn add_skipped(&self, entry: &str) {
        let before = self.progress.skipped();
        self.progress.add_skipped();
        if before < limits::SKIPPED_SHOWN as u64 {
            self.add_note(format!("skipped {entry}"));
        }
    }

    /// Counts bytes of an earlier call, from which a file continues.
    pub(super) fn add_resumed(&self, bytes: u64) {
        self.progress.add_present(bytes);
        self.resumed_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn summary(
        &self,
        local_path: String,
        remote_path: String,
        verified: Verify,
    ) -> Summary {
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        Summary {
            local_path,
            remote_path,
            files: self.progress.files(),
            directories: self.progress.directories(),
            bytes: self.progress.bytes(),
            resumed_bytes: self.resumed_bytes.load(Ordering::Relaxed),
            skipped: self.progress.skipped(),
            verified,
            notes: notes.clone(),
        }
    }
}
