//! Session channels of one connection: how many may be open, and one opened ahead.
//!
//! Opening a channel and running a command on it are two round trips, because the server picks the channel
//! number. A spare channel that is already open makes a warm command cost one. The server bounds the number
//! of channels (sshd's MaxSessions, default 10) without telling; the bound is learned from its first refusal,
//! and one channel below it stays free for ending commands (see `kill.rs`).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use russh::client::Msg;
use russh::{Channel, ChannelMsg};
use thiserror::Error;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};

use super::connection::Connection;
use super::error;
use crate::limits;

/// How long a refusal is taken as the server's bound: what holds a channel may end unseen.
const BOUND_FORGOTTEN_AFTER: Duration = Duration::from_secs(5);
/// A channel that was just closed may take the server a moment to count as free.
const RETRY_DELAY: Duration = Duration::from_millis(50);

/// Why no channel could be had.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ChannelError {
    /// The connection ended before a channel was open: nothing was sent.
    #[error("the connection ended: {0}")]
    Closed(String),
    /// The server opens no session channel at all.
    #[error(
        "the server refuses session channels ({0}); the account may not be allowed to run commands"
    )]
    Refused(String),
    /// The server's bound is reached and nothing was freed in time.
    #[error(
        "the server opens no more than {open} channel(s) on this connection (sshd: MaxSessions) and none became free in time"
    )]
    NoneFree {
        /// Channels in use.
        open: usize,
    },
    /// The server did not answer.
    #[error("the server did not answer the request for a channel within {} s", limits::CHANNEL_OPEN_TIMEOUT.as_secs())]
    Silent,
}

/// The channels of one connection.
#[derive(Debug)]
pub struct Channels {
    connection: Arc<Connection>,
    pool: Mutex<Pool>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Pool {
    spare: Option<Channel<Msg>>,
    /// A refill is on its way.
    refilling: bool,
    /// Channels in use, the spare one not counted.
    open: usize,
    /// What the server was seen to allow, and when.
    bound: Option<(usize, Instant)>,
}

/// An open session channel and its place in the count.
pub(crate) struct Lease {
    pub(crate) channel: Channel<Msg>,
    pub(crate) place: Place,
}

/// Counts one open channel; dropping it gives the place back. Close the channel first.
pub(crate) struct Place(Arc<Channels>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.pool().open -= 1;
        self.0.freed.notify_one();
        self.0.refill();
    }
}

impl Channels {
    /// The channels of a fresh connection; the spare one is opened at once, in the background.
    pub fn new(connection: Arc<Connection>) -> Arc<Self> {
        let channels = Arc::new(Self {
            connection,
            pool: Mutex::default(),
            freed: Notify::new(),
        });
        channels.refill();
        channels
    }

    /// The connection underneath.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A channel for a command: the spare one, a new one, or the next that becomes free before the deadline.
    pub(crate) async fn acquire(
        self: &Arc<Self>,
        deadline: Instant,
    ) -> Result<Lease, ChannelError> {
        loop {
            if let Some(place) = self.reserve(true) {
                match self.open(place).await {
                    Err(ChannelError::NoneFree { .. }) => {}
                    result => return result,
                }
            }
            let freed = timeout_at(
                deadline.min(Instant::now() + RETRY_DELAY * 4),
                self.freed.notified(),
            );
            let _ = freed.await;
            if Instant::now() >= deadline {
                return Err(ChannelError::NoneFree {
                    open: self.pool().open,
                });
            }
        }
    }

    /// A channel for ending a command: may use the one that is kept free, and does not wait.
    pub(crate) async fn acquire_control(self: &Arc<Self>) -> Result<Lease, ChannelError> {
        match self.reserve(false) {
            Some(place) => self.open(place).await,
            None => Err(ChannelError::NoneFree {
                open: self.pool().open,
            }),
        }
    }

    /// Takes a place in the count unless the known bound forbids it.
    fn reserve(self: &Arc<Self>, keep_one_free: bool) -> Option<Place> {
        let mut pool = self.pool();
        let bound = pool
            .bound
            .filter(|(_, seen)| seen.elapsed() < BOUND_FORGOTTEN_AFTER);
        if let Some((bound, _)) = bound {
            let kept = usize::from(keep_one_free && bound > 1);
            if pool.open + kept >= bound {
                return None;
            }
        }
        pool.open += 1;
        Some(Place(Arc::clone(self)))
    }

    async fn open(self: &Arc<Self>, place: Place) -> Result<Lease, ChannelError> {
        let spare = self.pool().spare.take();
        if let Some(mut channel) = spare
            && is_open(&mut channel)
        {
            self.refill();
            return Ok(Lease { channel, place });
        }
        match self.request().await {
            Ok(channel) => {
                self.refill();
                Ok(Lease { channel, place })
            }
            Err(ChannelError::Refused(reason)) => {
                let in_use = {
                    let mut pool = self.pool();
                    let others = pool.open - 1;
                    pool.bound = (others > 0).then(|| (others, Instant::now()));
                    others
                };
                drop(place);
                if in_use == 0 {
                    Err(ChannelError::Refused(reason))
                } else {
                    Err(ChannelError::NoneFree { open: in_use })
                }
            }
            Err(error) => Err(error),
        }
    }

    async fn request(&self) -> Result<Channel<Msg>, ChannelError> {
        if self.connection.is_closed() {
            return Err(ChannelError::Closed(self.connection.ended().await));
        }
        let open = self.connection.handle().channel_open_session();
        match timeout(limits::CHANNEL_OPEN_TIMEOUT, open).await {
            Ok(Ok(channel)) => Ok(channel),
            Ok(Err(russh::Error::ChannelOpenFailure(reason))) => {
                Err(ChannelError::Refused(format!("{reason:?}")))
            }
            Ok(Err(error)) => Err(ChannelError::Closed(error::reason(&error))),
            Err(_) => Err(ChannelError::Silent),
        }
    }

    /// Opens the spare channel in the background, unless that would take the last one of the server's.
    fn refill(self: &Arc<Self>) {
        {
            let mut pool = self.pool();
            let known_full = pool.bound.is_some_and(|(bound, _)| pool.open >= bound);
            if pool.refilling || pool.spare.is_some() || known_full || self.connection.is_closed() {
                return;
            }
            pool.refilling = true;
        }
        let channels = Arc::clone(self);
        tokio::spawn(async move {
            let opened = channels.request().await;
            let mut pool = channels.pool();
            pool.refilling = false;
            match opened {
                Ok(channel) => pool.spare = Some(channel),
                Err(ChannelError::Refused(_)) => {
                    pool.bound = Some((pool.open.max(1), Instant::now()))
                }
                Err(_) => {}
            }
            drop(pool);
            channels.freed.notify_one();
        });
    }
}

/// Whether an idle channel is still usable: a server may close it (sshd's ChannelTimeout).
fn is_open(channel: &mut Channel<Msg>) -> bool {
    loop {
        match ready(channel.wait()) {
            None => return true,
            Some(Some(ChannelMsg::Close | ChannelMsg::Eof) | None) => return false,
            Some(Some(_)) => {}
        }
    }
}

/// What a future gives if it need not wait.
pub(super) fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut context = Context::from_waker(Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
