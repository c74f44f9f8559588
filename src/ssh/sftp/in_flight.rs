//! Requests in flight on one SFTP channel: the state that the channel's users share with its I/O tasks.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::error::{SftpError, status};
use super::wire::{Attributes, Entry, Handle, Reply};
use crate::limits;
use crate::ssh::disconnect::Disconnect;

/// Factor on the limit of silence while a request is outstanding that makes the server work.
pub(super) const SLOW_FACTOR: u32 = 10;
/// Blocks in the queue that the channel has not taken: one on its way into the window, one behind it.
const BLOCKS_UNSENT: usize = 2;

/// State of one SFTP channel.
#[derive(Debug)]
pub(super) struct InFlight {
    /// Outstanding requests by their number.
    pending: Mutex<HashMap<u32, oneshot::Sender<Reply>>>,
    /// Waits for the first answer, which has no number.
    greeting: Mutex<Option<oneshot::Sender<Reply>>>,
    /// Why the channel ended.
    failure: OnceLock<SftpError>,
    /// Fires when the channel ends.
    pub(super) ended: CancellationToken,
    /// Fires when the server has closed its side, or is no longer waited for.
    pub(super) closed: CancellationToken,
    /// Number of the next request.
    next: AtomicU32,
    started: Instant,
    /// Milliseconds from `started` to the last sign of life.
    active: AtomicU64,
    /// Outstanding requests that may take long.
    slow: AtomicUsize,
    /// Permits for blocks that the channel has not taken.
    unsent: Arc<Semaphore>,
}

/// A packet in the queue of a channel.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) head: Bytes,
    pub(super) body: Bytes,
    /// The packet is dropped unsent once this fires.
    pub(super) unless: Option<CancellationToken>,
    /// Held until the channel has taken the whole packet.
    pub(super) slot: Option<Slot>,
}

/// Permission to queue one block of a file.
#[derive(Debug)]
pub(crate) struct Slot(
    #[expect(dead_code, reason = "given back when it is dropped")] OwnedSemaphorePermit,
);

impl InFlight {
    /// State of a new channel; `greeting` receives the server's version.
    pub(super) fn new(greeting: oneshot::Sender<Reply>) -> Self {
        Self {
            pending: Mutex::default(),
            greeting: Mutex::new(Some(greeting)),
            failure: OnceLock::new(),
            ended: CancellationToken::new(),
            closed: CancellationToken::new(),
            next: AtomicU32::new(1),
            started: Instant::now(),
            active: AtomicU64::new(0),
            slow: AtomicUsize::new(0),
            unsent: Arc::new(Semaphore::new(BLOCKS_UNSENT)),
        }
    }

    fn lock_pending(&self) -> MutexGuard<'_, HashMap<u32, oneshot::Sender<Reply>>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_greeting(&self) -> MutexGuard<'_, Option<oneshot::Sender<Reply>>> {
        self.greeting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the server has sent its version.
    pub(super) fn is_greeted(&self) -> bool {
        self.lock_greeting().is_none()
    }

    /// Restarts the measurement of silence.
    pub(super) fn mark_active(&self) {
        let now = self.started.elapsed().as_millis() as u64;
        self.active.store(now, Ordering::Relaxed);
    }

    fn silent_for(&self) -> Duration {
        let active = Duration::from_millis(self.active.load(Ordering::Relaxed));
        self.started.elapsed().saturating_sub(active)
    }

    /// Whether answers are outstanding and the limit of silence has passed.
    pub(super) fn is_silent(&self) -> bool {
        let slow = self.slow.load(Ordering::Relaxed) > 0;
        let limit = limits::SFTP_SILENCE * if slow { SLOW_FACTOR } else { 1 };
        let is_waiting = !self.lock_pending().is_empty() || !self.is_greeted();
        is_waiting && self.silent_for() >= limit
    }

    /// Ends the channel and fails all outstanding requests. Later calls do not change the reason.
    pub(super) fn fail(&self, error: SftpError) {
        // Errors after the first are consequences.
        let _ = self.failure.set(error);
        self.ended.cancel();
        self.unsent.close();
        self.lock_pending().clear();
        self.lock_greeting().take();
    }

    /// Why the channel ended.
    pub(super) fn failure(&self) -> SftpError {
        let error = self.failure.get().cloned();
        error.unwrap_or(SftpError::Lost(Disconnect::Channel(
            "the sftp channel ended",
        )))
    }

    /// Hands a reply to the request with this number, or to the greeting without a number.
    pub(super) fn dispatch(&self, id: Option<u32>, reply: Reply) {
        let waiting = match id {
            Some(id) => self.lock_pending().remove(&id),
            None => self.lock_greeting().take(),
        };
        // Replies to abandoned or unknown requests are dropped.
        if let Some(waiting) = waiting {
            let _ = waiting.send(reply);
        }
    }

    /// Numbers a request and prepares for its reply. `slow` marks a request that makes the server work.
    pub(super) fn register(self: &Arc<Self>, slow: bool) -> (u32, Pending) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        let mut pending = self.lock_pending();
        if pending.is_empty() {
            // Silence counts from the first outstanding request.
            self.mark_active();
        }
        // After the end no reply arrives: dropping the sender fails the request.
        if !self.ended.is_cancelled() {
            pending.insert(id, sender);
        }
        drop(pending);
        if slow {
            self.slow.fetch_add(1, Ordering::Relaxed);
        }
        let pending = Pending {
            in_flight: Arc::clone(self),
            receiver,
            slow,
        };
        (id, pending)
    }

    /// Waits until the channel has taken most of the blocks in its queue.
    pub(super) async fn reserve_slot(&self) -> Result<Slot, SftpError> {
        let permit = Arc::clone(&self.unsent).acquire_owned().await;
        permit.map(Slot).map_err(|_| self.failure())
    }
}

/// A request whose answer is outstanding. Dropping the value abandons the answer, not the request.
#[derive(Debug)]
pub(crate) struct Pending {
    in_flight: Arc<InFlight>,
    receiver: oneshot::Receiver<Reply>,
    slow: bool,
}

impl Drop for Pending {
    fn drop(&mut self) {
        if self.slow {
            self.in_flight.slow.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Pending {
    async fn reply(mut self) -> Result<Reply, SftpError> {
        match (&mut self.receiver).await {
            Ok(Reply::Status(status)) if status.code != status::OK => {
                Err(SftpError::Status(status))
            }
            Ok(reply) => Ok(reply),
            Err(_) => Err(self.in_flight.failure()),
        }
    }

    /// Waits until the request is done.
    pub(crate) async fn done(self) -> Result<(), SftpError> {
        match self.reply().await? {
            Reply::Status(_) => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Waits for an open file or directory.
    pub(crate) async fn handle(self) -> Result<Handle, SftpError> {
        match self.reply().await? {
            Reply::Handle(handle) => Ok(handle),
            other => Err(unexpected(&other)),
        }
    }

    /// Waits for the attributes of a path.
    pub(crate) async fn attributes(self) -> Result<Attributes, SftpError> {
        match self.reply().await? {
            Reply::Attributes(attributes) => Ok(*attributes),
            other => Err(unexpected(&other)),
        }
    }

    /// Waits for a block of a file; `None` at the end of the file.
    pub(crate) async fn data(self) -> Result<Option<Vec<Bytes>>, SftpError> {
        match self.reply().await {
            Ok(Reply::Data(pieces)) => Ok(Some(pieces)),
            Ok(other) => Err(unexpected(&other)),
            Err(error) if error.code() == Some(status::EOF) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Waits for a part of a listing; `None` at the end of the listing.
    pub(crate) async fn names(self) -> Result<Option<Vec<Entry>>, SftpError> {
        match self.reply().await {
            Ok(Reply::Names(names)) => Ok(Some(names)),
            Ok(other) => Err(unexpected(&other)),
            Err(error) if error.code() == Some(status::EOF) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Waits for the body of an extended answer.
    pub(super) async fn extended(self) -> Result<Bytes, SftpError> {
        match self.reply().await? {
            Reply::Extended(body) => Ok(body),
            other => Err(unexpected(&other)),
        }
    }

    /// Waits for an answer that holds a single name.
    pub(crate) async fn single_name(self) -> Result<Bytes, SftpError> {
        let names = self.names().await?.unwrap_or_default();
        let name = names.into_iter().next().map(|entry| entry.name);
        name.ok_or_else(|| SftpError::Protocol("an answer without a name".to_owned()))
    }
}

/// The error for a reply of the wrong type.
pub(super) fn unexpected(reply: &Reply) -> SftpError {
    let found = match reply {
        Reply::Version(_) => "a version",
        Reply::Status(_) => "a status",
        Reply::Handle(_) => "a handle",
        Reply::Data(_) => "data",
        Reply::Names(_) => "names",
        Reply::Attributes(_) => "attributes",
        Reply::Extended(_) => "an extended answer",
    };
    SftpError::Protocol(format!("{found} where something else was asked for"))
}
