//! Counters of a transfer, shared with its observers.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::metrics::{self, Direction};

/// The progress of a transfer.
#[derive(Debug)]
pub struct Progress {
    direction: Direction,
    bytes: AtomicU64,
    total: AtomicU64,
    files: AtomicU64,
    directories: AtomicU64,
    skipped: AtomicU64,
    begun: AtomicBool,
}

impl Progress {
    /// Counters of a transfer before its start.
    pub fn new(direction: Direction) -> Self {
        Self {
            direction,
            bytes: AtomicU64::new(0),
            total: AtomicU64::new(0),
            files: AtomicU64::new(0),
            directories: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            begun: AtomicBool::new(false),
        }
    }

    /// Whether the transfer has a channel; until then the transfer waits.
    pub fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    pub(super) fn begin(&self) {
        self.begun.store(true, Ordering::Relaxed);
    }

    /// Bytes at the target, including those of an earlier call.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Bytes of all files to copy, as far as their sizes are known.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Links and complete files at their targets.
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

    /// Counts bytes that this transfer has copied.
    pub(super) fn add_bytes(&self, bytes: u64) {
        self.add_present(bytes);
        metrics::transfer_moved(self.direction, bytes);
    }

    /// Counts bytes that an earlier transfer has copied.
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
