//! One SFTP channel: requests go out in order, any number of answers may be outstanding.
//!
//! A task writes and a task reads, so that neither waits for the other: a writer that nobody reads beside fills
//! both windows and stops for good. Requests are whole when they enter the queue; a caller that is dropped in
//! the middle leaves no half of a packet behind.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::io_tasks::{read_all, write_all};
use super::wire::{self, Attributes, Entry, Handle, Reply, Status, extension, status};
use crate::limits;
use crate::ssh::channel::{ChannelError, Channels, Lease};
use crate::ssh::disconnect::Disconnect;
use crate::ssh::peer_text::one_line;

/// Times that the limit of silence is stretched for a request that makes the server work.
pub(super) const SLOW_FACTOR: u32 = 10;
/// Blocks in the queue that the channel has not taken: one on its way into the window, one behind it.
const BLOCKS_UNSENT: usize = 2;
/// Blocks of a server that does not tell its limits: what every server has to take (section 3).
const BLOCK_DEFAULT_BYTES: u64 = 32 * 1024;
/// Servers that take a request before they have answered the first one.
const OPENSSH: &str = "SSH-2.0-OpenSSH";

/// Why a request was not served.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum SftpError {
    /// The server said no.
    #[error("the server answered {}{}", status_name(.0.code), words(.0))]
    Status(Status),
    /// The account has no SFTP.
    #[error("the server offers no sftp subsystem ({0})")]
    NoSubsystem(String),
    /// The server does not keep to the protocol.
    #[error("the server breaks the SFTP protocol: {0}")]
    Protocol(String),
    /// The channel or its connection ended.
    #[error("{0}")]
    Lost(Disconnect),
    /// Requests are outstanding and nothing comes.
    #[error("the server has not answered for {} s", limits::SFTP_SILENCE.as_secs())]
    Silent,
    /// No channel could be had.
    #[error("{0}")]
    Channel(#[from] ChannelError),
}

fn status_name(code: u32) -> &'static str {
    match code {
        status::EOF => "that there is no more",
        status::NO_SUCH_FILE => "\"no such file\"",
        status::PERMISSION_DENIED => "\"permission denied\"",
        status::FAILURE => "\"failure\"",
        status::BAD_MESSAGE => "\"bad message\"",
        status::UNSUPPORTED => "\"operation unsupported\"",
        _ => "an error",
    }
}

/// The server's own words where they say more than the code.
fn words(status: &Status) -> String {
    let said = one_line(&status.message);
    let plain = [
        "",
        "Failure",
        "No such file",
        "Permission denied",
        "Bad message",
    ];
    if plain.contains(&said.as_str()) {
        String::new()
    } else {
        format!(" ({said})")
    }
}

impl SftpError {
    /// The code of a status answer.
    pub(crate) fn code(&self) -> Option<u32> {
        match self {
            Self::Status(status) => Some(status.code),
            _ => None,
        }
    }
}

/// What a server told about itself.
#[derive(Debug, Clone, Default)]
struct Features {
    extensions: HashMap<String, Bytes>,
    read_block: u64,
    write_block: u64,
}

/// One SFTP channel. Clones share it; it is closed with the last one.
#[derive(Debug, Clone)]
pub(crate) struct Sftp {
    shared: Arc<Shared>,
    queue: mpsc::Sender<Outgoing>,
    features: Arc<OnceLock<Features>>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pending: Mutex<HashMap<u32, oneshot::Sender<Reply>>>,
    /// Waits for the first answer, which has no number.
    greeting: Mutex<Option<oneshot::Sender<Reply>>>,
    failure: OnceLock<SftpError>,
    pub(super) ended: CancellationToken,
    next: AtomicU32,
    started: Instant,
    /// Milliseconds from `started` to the last sign of life.
    active: AtomicU64,
    /// Requests that may take long.
    slow: AtomicUsize,
    /// Room for blocks that the channel has not taken.
    unsent: Arc<Semaphore>,
}

/// A packet on its way, unless what it is for is given up first.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) head: Bytes,
    pub(super) body: Bytes,
    pub(super) unless: Option<CancellationToken>,
    /// Held until the channel has taken all of it.
    pub(super) slot: Option<Slot>,
}

/// Room for one block in the queue of a channel.
#[derive(Debug)]
pub(crate) struct Slot(
    #[expect(dead_code, reason = "given back when it is dropped")] OwnedSemaphorePermit,
);

impl Shared {
    fn pending(&self) -> MutexGuard<'_, HashMap<u32, oneshot::Sender<Reply>>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note_life(&self) {
        let now = self.started.elapsed().as_millis() as u64;
        self.active.store(now, Ordering::Relaxed);
    }

    fn silent_for(&self) -> Duration {
        let active = Duration::from_millis(self.active.load(Ordering::Relaxed));
        self.started.elapsed().saturating_sub(active)
    }

    pub(super) fn is_silent(&self) -> bool {
        let slow = self.slow.load(Ordering::Relaxed) > 0;
        let limit = limits::SFTP_SILENCE * if slow { SLOW_FACTOR } else { 1 };
        let waits = !self.pending().is_empty() || self.greeting().is_some();
        waits && self.silent_for() >= limit
    }

    pub(super) fn greeting(&self) -> MutexGuard<'_, Option<oneshot::Sender<Reply>>> {
        self.greeting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the channel for everybody who waits; the first reason stands.
    pub(super) fn fail(&self, error: SftpError) {
        // Only the first one is the cause.
        let _ = self.failure.set(error);
        self.ended.cancel();
        self.unsent.close();
        self.pending().clear();
        self.greeting().take();
    }

    pub(super) fn failure(&self) -> SftpError {
        let error = self.failure.get().cloned();
        error.unwrap_or(SftpError::Lost(Disconnect::Channel(
            "the sftp channel ended",
        )))
    }

    pub(super) fn dispatch(&self, id: Option<u32>, reply: Reply) {
        let waiting = match id {
            Some(id) => self.pending().remove(&id),
            None => self.greeting().take(),
        };
        // An answer to a request that was given up, or that nobody asked for, is for nobody.
        if let Some(waiting) = waiting {
            let _ = waiting.send(reply);
        }
    }
}

/// An answer that is on its way.
#[derive(Debug)]
pub(crate) struct Pending {
    shared: Arc<Shared>,
    receiver: oneshot::Receiver<Reply>,
    slow: bool,
}

impl Drop for Pending {
    fn drop(&mut self) {
        if self.slow {
            self.shared.slow.fetch_sub(1, Ordering::Relaxed);
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
            Err(_) => Err(self.shared.failure()),
        }
    }

    /// Done, or why not.
    pub(crate) async fn done(self) -> Result<(), SftpError> {
        match self.reply().await? {
            Reply::Status(_) => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// An open file or directory.
    pub(crate) async fn handle(self) -> Result<Handle, SftpError> {
        match self.reply().await? {
            Reply::Handle(handle) => Ok(handle),
            other => Err(unexpected(&other)),
        }
    }

    /// What is known of a path.
    pub(crate) async fn attributes(self) -> Result<Attributes, SftpError> {
        match self.reply().await? {
            Reply::Attributes(attributes) => Ok(*attributes),
            other => Err(unexpected(&other)),
        }
    }

    /// A block of a file; nothing at its end.
    pub(crate) async fn data(self) -> Result<Option<Vec<Bytes>>, SftpError> {
        match self.reply().await {
            Ok(Reply::Data(pieces)) => Ok(Some(pieces)),
            Ok(other) => Err(unexpected(&other)),
            Err(error) if error.code() == Some(status::EOF) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A part of a listing; nothing at its end.
    pub(crate) async fn names(self) -> Result<Option<Vec<Entry>>, SftpError> {
        match self.reply().await {
            Ok(Reply::Names(names)) => Ok(Some(names)),
            Ok(other) => Err(unexpected(&other)),
            Err(error) if error.code() == Some(status::EOF) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn extended(self) -> Result<Bytes, SftpError> {
        match self.reply().await? {
            Reply::Extended(body) => Ok(body),
            other => Err(unexpected(&other)),
        }
    }

    /// The one name that an answer holds.
    pub(crate) async fn one_name(self) -> Result<Bytes, SftpError> {
        let names = self.names().await?.unwrap_or_default();
        let name = names.into_iter().next().map(|entry| entry.name);
        name.ok_or_else(|| SftpError::Protocol("an answer without a name".to_owned()))
    }
}

fn unexpected(reply: &Reply) -> SftpError {
    let what = match reply {
        Reply::Version(_) => "a version",
        Reply::Status(_) => "a status",
        Reply::Handle(_) => "a handle",
        Reply::Data(_) => "data",
        Reply::Names(_) => "names",
        Reply::Attributes(_) => "attributes",
        Reply::Extended(_) => "an extended answer",
    };
    SftpError::Protocol(format!("{what} where something else was asked for"))
}

impl Sftp {
    /// Starts the subsystem on a channel of the connection.
    pub(crate) async fn open(channels: &Arc<Channels>, lease: Lease) -> Result<Self, SftpError> {
        let connection = channels.connection();
        // sshd runs the subsystem as a child of its own, and `ending/process_group.rs` counts the children in their order.
        let order = connection.start_order().lock().await;
        let closed = |_| SftpError::Lost(Disconnect::ClosedHere);
        lease
            .channel
            .request_subsystem(true, "sftp")
            .await
            .map_err(closed)?;
        let running = connection.note_started(rand::random());
        drop(order);
        let (greeting, greeted) = oneshot::channel();
        let shared = Arc::new(Shared {
            pending: Mutex::default(),
            greeting: Mutex::new(Some(greeting)),
            failure: OnceLock::new(),
            ended: CancellationToken::new(),
            next: AtomicU32::new(1),
            started: Instant::now(),
            active: AtomicU64::new(0),
            slow: AtomicUsize::new(0),
            unsent: Arc::new(Semaphore::new(BLOCKS_UNSENT)),
        });
        let (queue, queued) = mpsc::channel(limits::SFTP_REQUESTS_MAX);
        let (read, write) = lease.channel.split();
        tokio::spawn(write_all(write, queued, Arc::clone(&shared)));
        let held = (running, lease.place);
        tokio::spawn(read_all(
            read,
            Arc::clone(&shared),
            Arc::clone(channels),
            held,
        ));
        let sftp = Self {
            shared,
            queue,
            features: Arc::default(),
        };
        let pipelines = connection.facts().server_version.starts_with(OPENSSH);
        sftp.greet(greeted, pipelines).await?;
        Ok(sftp)
    }

    /// The first packets of a channel: versions, extensions and sizes.
    async fn greet(
        &self,
        greeted: oneshot::Receiver<Reply>,
        pipelines: bool,
    ) -> Result<(), SftpError> {
        self.enqueue(wire::init()?).await?;
        let early = match pipelines {
            true => Some(self.extended(extension::LIMITS, &[]).await?),
            false => None,
        };
        let extensions = match greeted.await {
            Ok(Reply::Version(extensions)) => extensions,
            Ok(other) => return Err(unexpected(&other)),
            Err(_) => return Err(self.shared.failure()),
        };
        let answer = match early {
            Some(pending) => Some(pending),
            None if extensions.contains_key(extension::LIMITS) => {
                Some(self.extended(extension::LIMITS, &[]).await?)
            }
            None => None,
        };
        let limits = match answer {
            Some(pending) => match pending.extended().await {
                Ok(body) => wire::block_limits(body),
                // A server without this extension says so.
                Err(SftpError::Status(_)) => None,
                Err(error) => return Err(error),
            },
            None => None,
        };
        let (read, write) = limits.unwrap_or((BLOCK_DEFAULT_BYTES, BLOCK_DEFAULT_BYTES));
        let _ = self.features.set(Features {
            extensions,
            read_block: block(read),
            write_block: block(write),
        });
        Ok(())
    }

    pub(super) fn has(&self, extension: &str) -> bool {
        let features = self.features.get();
        features.is_some_and(|features| features.extensions.contains_key(extension))
    }

    /// Whether a rename replaces its target in one step.
    pub(crate) fn replaces(&self) -> bool {
        self.has(extension::POSIX_RENAME)
    }

    /// Whether it can be told to write a file to its disk.
    pub(crate) fn syncs(&self) -> bool {
        self.has(extension::FSYNC)
    }

    /// Bytes of one read.
    pub(crate) fn read_block(&self) -> u64 {
        self.features
            .get()
            .map_or(BLOCK_DEFAULT_BYTES, |features| features.read_block)
    }

    /// Bytes of one write.
    pub(crate) fn write_block(&self) -> u64 {
        self.features
            .get()
            .map_or(BLOCK_DEFAULT_BYTES, |features| features.write_block)
    }

    /// Whether the channel has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.shared.ended.is_cancelled() || self.queue.is_closed()
    }

    /// Queues a packet.
    pub(super) async fn enqueue(&self, packet: Bytes) -> Result<(), SftpError> {
        self.enqueue_outgoing(Outgoing {
            head: packet,
            body: Bytes::new(),
            unless: None,
            slot: None,
        })
        .await
    }

    /// Room for one block, once the channel has taken most of those before it. Whoever has it takes a block: one
    /// that nobody has taken can still go over another channel.
    pub(crate) async fn slot(&self) -> Result<Slot, SftpError> {
        let room = Arc::clone(&self.shared.unsent).acquire_owned().await;
        room.map(Slot).map_err(|_| self.shared.failure())
    }

    pub(super) async fn enqueue_outgoing(&self, outgoing: Outgoing) -> Result<(), SftpError> {
        let sent = self.queue.send(outgoing).await;
        sent.map_err(|_| self.shared.failure())
    }

    pub(super) fn expect(&self, slow: bool) -> (u32, Pending) {
        let id = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        let mut pending = self.shared.pending();
        if pending.is_empty() {
            // Silence counts from the first question.
            self.shared.note_life();
        }
        // After the end nobody answers: the sender is dropped, which tells.
        if !self.shared.ended.is_cancelled() {
            pending.insert(id, sender);
        }
        drop(pending);
        if slow {
            self.shared.slow.fetch_add(1, Ordering::Relaxed);
        }
        let shared = Arc::clone(&self.shared);
        let pending = Pending {
            shared,
            receiver,
            slow,
        };
        (id, pending)
    }

    pub(super) async fn handle_request(
        &self,
        slow: bool,
        frame: impl FnOnce(u32) -> Bytes,
    ) -> Result<Pending, SftpError> {
        let (id, pending) = self.expect(slow);
        self.enqueue(frame(id)).await?;
        Ok(pending)
    }

    pub(super) async fn extended(
        &self,
        name: &str,
        arguments: &[&[u8]],
    ) -> Result<Pending, SftpError> {
        let slow = name == extension::FSYNC;
        self.handle_request(slow, |id| wire::extended(id, name, arguments))
            .await
    }
}

/// A size that the server told, within ours.
fn block(told: u64) -> u64 {
    match told {
        0 => BLOCK_DEFAULT_BYTES,
        told => told.min(limits::SFTP_BLOCK_MAX_BYTES),
    }
}
