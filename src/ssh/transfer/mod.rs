//! Files and trees between this machine and a host, over SFTP.
//!
//! A file is written to a temporary name beside its target and moved over it when it is whole: whoever looks sees
//! the old bytes or the new ones. [`upload`] and [`download`] carry one file, [`lanes`] decides over how many channels;
//! [`tree`] walks and carries many; [`window`] decides which block comes next. [`crate::policy`] says which local
//! paths are out of reach, [`names`] what a host may call its files, [`local`] writes through open directories.
//!
//! All of a transfer runs in one task (only file reads and writes have threads of their own), so that giving up is
//! one drop; then what is left of it is removed ([`run`]).

mod beside;
mod download;
mod download_blocks;
mod download_part;
mod error;
mod hash;
mod lanes;
mod local;
mod names;
mod remote;
mod source;
mod to_disk;
mod tree;
mod tree_download;
mod tree_upload;
mod upload;
mod upload_blocks;
mod upload_end;
mod upload_resume;
mod window;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

pub use self::error::{Side, TransferError, TransferFailure};
use super::sftp::pool::SftpPool;
use super::sftp::{Sftp, wire};
use crate::limits;
use crate::metrics;
pub use crate::metrics::Direction;
use crate::policy::LocalPolicy;

/// How what arrived is compared with what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// By its size.
    Size,
    /// By a hash that the other side computes.
    Sha256,
}

impl Verify {
    /// The word in parameters and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Sha256 => "sha256",
        }
    }
}

/// What is to be copied where.
#[derive(Debug, Clone)]
pub struct TransferSpec {
    /// Which way.
    pub direction: Direction,
    /// Path on this machine, as given.
    pub local: String,
    /// Path on the host, as given.
    pub remote: String,
    /// A directory with all that is in it.
    pub recursive: bool,
    /// What stands at the target is replaced.
    pub overwrite: bool,
    /// Goes on from a partial file, and leaves one.
    pub resume: bool,
    /// How the result is checked.
    pub verify: Verify,
    /// Permissions of the files instead of those of their sources.
    pub mode: Option<u32>,
    /// Which local paths may be touched.
    pub policy: Arc<LocalPolicy>,
}

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

    /// Bytes that have been carried over.
    fn add_bytes(&self, bytes: u64) {
        self.add_present(bytes);
        metrics::transfer_moved(self.direction, bytes);
    }

    /// Bytes that were there before.
    fn add_present(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn add_total(&self, bytes: u64) {
        self.total.fetch_add(bytes, Ordering::Relaxed);
    }

    fn add_file(&self) {
        self.files.fetch_add(1, Ordering::Relaxed);
    }

    fn add_directory(&self) {
        self.directories.fetch_add(1, Ordering::Relaxed);
    }

    fn add_skipped(&self) {
        self.skipped.fetch_add(1, Ordering::Relaxed);
    }
}

/// A transfer that is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The file or directory on this machine.
    pub local_path: String,
    /// The file or directory on the host.
    pub remote_path: String,
    /// Files and links.
    pub files: u64,
    /// Directories, the target itself included when it was made.
    pub directories: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// Bytes that an earlier call had brought.
    pub resumed_bytes: u64,
    /// What was left out: special files, names that are not text, private keys.
    pub skipped: u64,
    /// How the files were checked.
    pub verified: Verify,
    /// What is worth knowing.
    pub notes: Vec<String>,
}

/// Temporary files on a host that could not be removed because the link was gone. A session keeps them and
/// removes them over its next link.
#[derive(Debug, Clone, Default)]
pub struct Litter(Arc<Mutex<Vec<String>>>);

impl Litter {
    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is nothing to remove.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Removes all of it over a new link; what cannot be removed is kept for the one after.
    pub(crate) async fn sweep(&self, pool: &SftpPool) {
        let paths = std::mem::take(&mut *self.lock());
        let deadline = Instant::now() + limits::TRANSFER_CLEANUP_TIMEOUT;
        let left = match pool.take(deadline).await {
            Ok(sftp) => remove_all(&sftp, paths).await,
            Err(_) => paths,
        };
        self.lock().extend(left);
    }
}

/// What all parts of one transfer share.
struct Context {
    spec: TransferSpec,
    sftp: Sftp,
    pool: Arc<SftpPool>,
    progress: Arc<Progress>,
    /// Fires when the transfer is over, so that what is queued is not sent any more.
    over: CancellationToken,
    /// Temporary files on the host.
    temporary: Mutex<Vec<String>>,
    /// A partial file that stays.
    kept: Mutex<Option<String>>,
    resumed: AtomicU64,
    notes: Mutex<Vec<String>>,
    /// Channels beside the first one that are being opened.
    ahead: Mutex<beside::Opening>,
    /// The temporary file on the host, as soon as it was asked for.
    draft: watch::Sender<Option<String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Context {
    fn note(&self, text: String) {
        let mut notes = lock(&self.notes);
        if !notes.contains(&text) {
            notes.push(text);
        }
    }

    /// Something that is left out, with its reason.
    fn skip(&self, what: String) {
        let before = self.progress.skipped.load(Ordering::Relaxed);
        self.progress.add_skipped();
        if before < limits::SKIPPED_SHOWN as u64 {
            self.note(format!("skipped {what}"));
        }
    }

    /// A file on the host that is removed when the transfer fails.
    fn register(&self, path: &str) {
        lock(&self.temporary).push(path.to_owned());
    }

    /// It is at its target now.
    fn unregister(&self, path: &str) {
        lock(&self.temporary).retain(|other| other != path);
    }

    fn summary(&self, local_path: String, remote_path: String) -> Summary {
        Summary {
            local_path,
            remote_path,
            files: self.progress.files(),
            directories: self.progress.directories.load(Ordering::Relaxed),
            bytes: self.progress.bytes(),
            resumed_bytes: self.resumed.load(Ordering::Relaxed),
            skipped: self.progress.skipped.load(Ordering::Relaxed),
            verified: self.spec.verify,
            notes: lock(&self.notes).clone(),
        }
    }
}

/// Carries a transfer to its end. `deadline` bounds the wait for a channel; `stop` ends it at any time.
///
/// Whatever happens, the target is whole or as it was, and what is temporary is removed: at once, or over the next
/// link by way of `litter`.
pub(crate) async fn run(
    spec: TransferSpec,
    pool: Arc<SftpPool>,
    progress: Arc<Progress>,
    deadline: Instant,
    stop: CancellationToken,
    litter: &Litter,
) -> Result<Summary, TransferFailure> {
    let opening = async {
        let opened = pool.take(deadline).await;
        opened.map_err(|error| TransferError::sftp(&spec.remote, error))
    };
    let sftp = tokio::select! {
        biased;
        () = stop.cancelled() => Err(TransferError::Cancelled),
        sftp = opening => sftp,
    };
    let sftp = sftp.map_err(|error| TransferFailure {
        unstarted: matches!(error, TransferError::Lost(_)),
        ..TransferFailure::from(error)
    })?;
    let context = Context {
        spec,
        sftp,
        pool: Arc::clone(&pool),
        progress,
        over: CancellationToken::new(),
        temporary: Mutex::default(),
        kept: Mutex::default(),
        resumed: AtomicU64::new(0),
        notes: Mutex::default(),
        ahead: Mutex::default(),
        draft: watch::Sender::default(),
    };
    let _over = context.over.clone().drop_guard();
    let result = tokio::select! {
        biased;
        () = stop.cancelled() => Err(TransferError::Cancelled),
        result = carry(&context) => result,
    };
    context.over.cancel();
    match result {
        Ok(summary) => {
            let left = std::mem::take(&mut *lock(&context.temporary));
            litter.lock().extend(left);
            pool.put_back(context.sftp.clone());
            Ok(summary)
        }
        Err(error) => Err(clean_up(context, error, litter).await),
    }
}

async fn carry(context: &Context) -> Result<Summary, TransferError> {
    match context.spec.direction {
        Direction::Upload => upload::run(context).await,
        Direction::Download => download::run(context).await,
    }
}

async fn clean_up(context: Context, error: TransferError, litter: &Litter) -> TransferFailure {
    let paths = std::mem::take(&mut *lock(&context.temporary));
    let left = if paths.is_empty() || context.pool.channels().connection().is_closed() {
        paths
    } else if context.sftp.is_closed() {
        // Only the channel is gone: another one can do this.
        let deadline = Instant::now() + limits::TRANSFER_CLEANUP_TIMEOUT;
        match context.pool.take(deadline).await {
            Ok(sftp) => remove_all(&sftp, paths).await,
            Err(_) => paths,
        }
    } else {
        remove_all(&context.sftp, paths).await
    };
    let failure = TransferFailure {
        error,
        kept: lock(&context.kept).take(),
        left: left.first().cloned(),
        unstarted: false,
    };
    litter.lock().extend(left);
    failure
}

/// Removes files on the host; gives those of which that is not certain.
async fn remove_all(sftp: &Sftp, paths: Vec<String>) -> Vec<String> {
    let deadline = Instant::now() + limits::TRANSFER_CLEANUP_TIMEOUT;
    let mut left = Vec::new();
    for path in paths {
        let removing = async { sftp.remove(&path).await?.done().await };
        let remaining = deadline.saturating_duration_since(Instant::now());
        match timeout(remaining, removing).await {
            Ok(Ok(())) => {}
            // It is not there, or it was never made.
            Ok(Err(error)) if error.code() == Some(wire::status::NO_SUCH_FILE) => {}
            _ => left.push(path),
        }
    }
    left
}
