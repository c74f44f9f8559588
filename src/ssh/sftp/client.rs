//! One SFTP channel: requests go out in order, any number of answers may be outstanding.
//!
//! One task writes and another reads ([`super::io_tasks`]), so that neither waits for the other: a writer without a
//! concurrent reader fills both windows and blocks forever. Requests enter the queue as complete packets; a caller
//! that is dropped in the middle of a request leaves no half packet behind.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::error::SftpError;
use super::in_flight::{InFlight, Outgoing, Pending, Slot, unexpected};
use super::io_tasks::{read_all, write_all};
use super::wire::{Reply, decode, encode, extension};
use crate::limits;
use crate::ssh::channel::{Channels, Lease};
use crate::ssh::disconnect::Disconnect;
use crate::ssh::processes::{Kind, Mark};

/// Block size for servers that do not announce their limits: every server has to accept this size (section 3).
const BLOCK_DEFAULT_BYTES: u64 = 32 * 1024;
/// Version prefix of servers that accept a request before they have answered the first.
const OPENSSH: &str = "SSH-2.0-OpenSSH";

/// Capabilities that a server announced.
#[derive(Debug, Clone, Default)]
struct Features {
    extensions: HashMap<String, Bytes>,
    read_block: u64,
    write_block: u64,
}

/// One SFTP channel. Clones share the channel, which closes with the last clone.
#[derive(Debug, Clone)]
pub(crate) struct Sftp {
    in_flight: Arc<InFlight>,
    queue: mpsc::Sender<Outgoing>,
    features: Arc<OnceLock<Features>>,
}

impl Sftp {
    /// Starts the subsystem on a channel of the connection.
    pub(crate) async fn open(channels: &Arc<Channels>, lease: Lease) -> Result<Self, SftpError> {
        let connection = channels.connection();
        // sshd runs the subsystem as a child of its own; `ending/process_group.rs` counts the children in order.
        let order = connection.processes().order().lock().await;
        let closed = |_| SftpError::Lost(Disconnect::ClosedHere);
        let mark = Mark::random();
        let environment = &connection.facts().environment;
        mark.send(&lease.channel, environment)
            .await
            .map_err(closed)?;
        lease
            .channel
            .request_subsystem(true, "sftp")
            .await
            .map_err(closed)?;
        let running = connection.processes().add(mark, Kind::Subsystem);
        drop(order);
        let (greeting, greeted) = oneshot::channel();
        let in_flight = Arc::new(InFlight::new(greeting));
        let (queue, queued) = mpsc::channel(limits::SFTP_REQUESTS_MAX);
        let (read, write) = lease.channel.split();
        tokio::spawn(write_all(write, queued, Arc::clone(&in_flight)));
        let held = (running, lease.permit);
        tokio::spawn(read_all(
            read,
            Arc::clone(&in_flight),
            Arc::clone(channels),
            held,
        ));
        let sftp = Self {
            in_flight,
            queue,
            features: Arc::default(),
        };
        let pipelines = connection.facts().server_version.starts_with(OPENSSH);
        sftp.negotiate(greeted, pipelines).await?;
        Ok(sftp)
    }

    /// Exchanges versions, extensions and block sizes. `pipelines`: ask for the sizes without waiting for the version.
    async fn negotiate(
        &self,
        greeted: oneshot::Receiver<Reply>,
        pipelines: bool,
    ) -> Result<(), SftpError> {
        self.enqueue(encode::init()?).await?;
        let early = match pipelines {
            true => Some(self.send_extended(extension::LIMITS, &[]).await?),
            false => None,
        };
        let extensions = match greeted.await {
            Ok(Reply::Version(extensions)) => extensions,
            Ok(other) => return Err(unexpected(&other)),
            Err(_) => return Err(self.in_flight.failure()),
        };
        let answer = match early {
            Some(pending) => Some(pending),
            None if extensions.contains_key(extension::LIMITS) => {
                Some(self.send_extended(extension::LIMITS, &[]).await?)
            }
            None => None,
        };
        let limits = match answer {
            Some(pending) => match pending.extended().await {
                Ok(body) => decode::block_limits(body),
                // A server without this extension answers with an error.
                Err(SftpError::Status(_)) => None,
                Err(error) => return Err(error),
            },
            None => None,
        };
        let (read, write) = limits.unwrap_or((BLOCK_DEFAULT_BYTES, BLOCK_DEFAULT_BYTES));
        let _ = self.features.set(Features {
            extensions,
            read_block: bounded_block(read),
            write_block: bounded_block(write),
        });
        Ok(())
    }

    /// Whether the server announced an extension.
    pub(super) fn supports(&self, extension: &str) -> bool {
        let features = self.features.get();
        features.is_some_and(|features| features.extensions.contains_key(extension))
    }

    /// Whether a rename can replace its target in one step.
    pub(crate) fn can_replace(&self) -> bool {
        self.supports(extension::POSIX_RENAME)
    }

    /// Whether the server can write a file to its disk on request.
    pub(crate) fn can_sync(&self) -> bool {
        self.supports(extension::FSYNC)
    }

    /// Bytes that a single read may ask for.
    pub(crate) fn read_block(&self) -> u64 {
        self.features
            .get()
            .map_or(BLOCK_DEFAULT_BYTES, |features| features.read_block)
    }

    /// Bytes that a single write may carry.
    pub(crate) fn write_block(&self) -> u64 {
        self.features
            .get()
            .map_or(BLOCK_DEFAULT_BYTES, |features| features.write_block)
    }

    /// Whether the channel has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.in_flight.ended.is_cancelled() || self.queue.is_closed()
    }

    /// Waits for permission to queue a block. A caller takes a block only with this permission: until then the block
    /// can still go over another channel.
    pub(crate) async fn reserve_slot(&self) -> Result<Slot, SftpError> {
        self.in_flight.reserve_slot().await
    }

    /// Numbers a request and prepares for its reply. `slow` marks a request that makes the server work.
    pub(super) fn register(&self, slow: bool) -> (u32, Pending) {
        self.in_flight.register(slow)
    }

    /// Queues a packet without a body.
    pub(super) async fn enqueue(&self, packet: Bytes) -> Result<(), SftpError> {
        self.enqueue_outgoing(Outgoing {
            head: packet,
            body: Bytes::new(),
            unless: None,
            slot: None,
        })
        .await
    }

    /// Queues a packet.
    pub(super) async fn enqueue_outgoing(&self, outgoing: Outgoing) -> Result<(), SftpError> {
        let sent = self.queue.send(outgoing).await;
        sent.map_err(|_| self.in_flight.failure())
    }

    /// Sends the request that `encode` makes of its number.
    pub(super) async fn send_request(
        &self,
        slow: bool,
        encode: impl FnOnce(u32) -> Bytes,
    ) -> Result<Pending, SftpError> {
        let (id, pending) = self.register(slow);
        self.enqueue(encode(id)).await?;
        Ok(pending)
    }

    /// Sends an extended request.
    pub(super) async fn send_extended(
        &self,
        name: &str,
        arguments: &[&[u8]],
    ) -> Result<Pending, SftpError> {
        let slow = name == extension::FSYNC;
        self.send_request(slow, |id| encode::extended(id, name, arguments))
            .await
    }
}

/// An announced block size, bounded by the limit of this program. 0 means that the server has no limit.
fn bounded_block(announced: u64) -> u64 {
    match announced {
        0 => BLOCK_DEFAULT_BYTES,
        bytes => bytes.min(limits::SFTP_BLOCK_MAX_BYTES),
    }
}
