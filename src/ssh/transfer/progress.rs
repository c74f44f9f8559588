//! How far a transfer is.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::metrics::{self, Direction};

/// How far a transfer is. Shared with those who report it.
#[derive(Debug)]
pub struct Progress {
    direction: Direction,
    bytes: AtomicU64,
    total: AtomicU64,
    files: AtomicU64,
    directories: AtomicU64,
    skipped: AtomicU64,
}

impl Progress {
    /// Of a transfer that is about to start.
    pub fn new(direction: Direction) -> Self {
        Self {
            direction,
            bytes: AtomicU64::new(0),
            total: AtomicU64::new(0),
            files: AtomicU64::new(0),
            directories: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
        }
    }

    /// Bytes that are there, those of an earlier call included.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Bytes of everything that is to be copied, as far as it is known.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Files that are whole at their targets, and links.
    pub fn files(&self) -> u64 {
        self.files.load(Ordering::Relaxed)
    }

    /// Directories that were made.
    pub(super) fn directories(&self) -> u64 {
        self.directories.load(Ordering::Relaxed)
    }

    /// Entries that were left out.
    pub(super) fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    /// Bytes that have been carried over.
    pub(super) fn add_bytes(&self, bytes: u64) {
        self.add_present(bytes);
        metrics::transfer_moved(self.direction, bytes);
    }

    /// Bytes that were there before.
    pub(super) fn add_present(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn add_total(&self, bytes: u64) {
        self.total.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn add_file(&self) {
        self.files.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_directory(&self) {
        self.directories.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_skipped(&self) {
        self.skipped.fetch_add(1, Ordering::Relaxed);
    }
}
