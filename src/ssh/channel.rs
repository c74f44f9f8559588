//! Session channels of one connection: how many may be open, and which are opened ahead.
//!
//! Opening a channel and running a command on it are two round trips, because the server picks the channel
//! number. A spare channel that is already open makes a warm command cost one. The server bounds the number
//! of channels (sshd's MaxSessions, default 10) without telling; the bound is learned from a refusal. While
//! commands run, the last channel is kept for ending them (see `ending/process_group.rs`): where sshd takes no signal requests,
//! which it does not from root, nothing else helps. A connection that is not used has one spare channel only,
//! because each takes 18 KB.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use russh::client::Msg;
use russh::{Channel, ChannelMsg};
use thiserror::Error;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::connection::Connection;
use super::disconnect::Disconnect;
use crate::limits;

/// Channels opened ahead while there is something to do: one for the next command, and one that is kept for
/// ending commands.
const SPARES: usize = 2;
/// Channels opened ahead while there is nothing to do.
const IDLE_SPARES: usize = 1;
/// Time without a command after which there is nothing to do.
const IDLE_AFTER: Duration = Duration::from_secs(30);
/// Age after which a refusal is put to the test again, by the spare channel and never by a command.
const BOUND_RETRIED_AFTER: Duration = Duration::from_secs(2);
/// Time until a request is repeated that a closed channel was in the way of.
const RETRY_DELAY: Duration = Duration::from_millis(50);
/// How often a waiting command looks by itself; normally it is told.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Why no channel could be had.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ChannelError {
    /// The connection ended before a channel was open: nothing was sent.
    #[error("the connection ended: {0}")]
    Closed(Disconnect),
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
    /// Something about the pool is different now.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Pool {
    /// Open and unused: the spare one, or what a call left behind that did not wait for it.
    idle: Vec<Channel<Msg>>,
    /// Requests under way.
    opening: usize,
    /// Channels in use.
    leased: usize,
    /// What the server was seen to allow, and when.
    bound: Option<(usize, Instant)>,
    /// The server has opened a channel before: a refusal is about their number, not about the account.
    works: bool,
    /// Why the last request failed.
    failure: Option<ChannelError>,
    /// How long a request took at least: the round trip.
    round_trip: Option<Duration>,
    /// Calls that wait for a channel.
    waiting: usize,
    /// Those of them that can do without.
    patient: usize,
    /// When the last channel in use was given back.
    used: Option<Instant>,
    /// Somebody waits until there is nothing to do any more.
    watched: bool,
}

impl Pool {
    fn total(&self) -> usize {
        self.idle.len() + self.opening + self.leased
    }

    /// Idle channels that a command leaves for ending others. By the time that the server's bound is known
    /// it would be too late to keep one, so it is kept as soon as something runs.
    fn kept(&self, purpose: Purpose) -> usize {
        let only_one = self.bound.is_some_and(|(bound, _)| bound == 1);
        usize::from(purpose != Purpose::Control && !only_one && self.leased > 0)
    }

    /// How long there has been nothing to do; nothing while there is.
    fn idle_for(&self) -> Option<Duration> {
        let is_idle = self.leased == 0 && self.waiting == 0;
        is_idle.then(|| self.used.map_or(IDLE_AFTER, |used| used.elapsed()))
    }

    /// Channels to have open ahead.
    fn spares(&self) -> usize {
        match self.idle_for() {
            Some(time) if time >= IDLE_AFTER => IDLE_SPARES,
            _ => SPARES + self.waiting,
        }
    }

    /// Requests to send now: calls that wait are served side by side, not one after the other. A bound that is
    /// old is put to the test by one more.
    fn missing(&self) -> usize {
        let missing = self.spares().saturating_sub(self.idle.len() + self.opening);
        match self.bound {
            None => missing,
            Some((bound, seen)) => {
                let allowed = bound.saturating_sub(self.total());
                let test = usize::from(self.opening == 0 && seen.elapsed() >= BOUND_RETRIED_AFTER);
                missing.min(allowed.max(test))
            }
        }
    }

    /// Whether a call waits for a channel that the server's bound keeps from it.
    fn is_contended(&self) -> bool {
        self.waiting > self.patient && self.is_full()
    }

    /// The server is known to open no more.
    fn is_full(&self) -> bool {
        self.bound.is_some_and(|(bound, _)| self.total() >= bound)
    }

    /// A failure that leaves nothing to wait for: nothing is open, and nothing is on its way or it hangs.
    fn final_failure(&mut self) -> Option<ChannelError> {
        let hangs = self.failure == Some(ChannelError::Silent);
        let hopeless = self.leased == 0 && self.idle.is_empty() && (self.opening == 0 || hangs);
        if hopeless { self.failure.take() } else { None }
    }

    /// A channel that is still usable, if there is one beside those that are kept.
    fn take_idle(&mut self, purpose: Purpose) -> Option<Channel<Msg>> {
        while self.idle.len() > self.kept(purpose)
            && let Some(mut channel) = self.idle.pop()
        {
            if is_open(&mut channel) {
                return Some(channel);
            }
        }
        None
    }
}

/// An open session channel and its place in the count.
pub(crate) struct Lease {
    pub(crate) channel: Channel<Msg>,
    pub(crate) permit: ChannelPermit,
}

/// Counts one channel in use; dropping it gives the place back. Close the channel first.
pub(crate) struct ChannelPermit(Arc<Channels>);

impl Drop for ChannelPermit {
    fn drop(&mut self) {
        let mut pool = self.0.pool();
        pool.leased -= 1;
        pool.used = Some(Instant::now());
        drop(pool);
        self.0.shrink_later();
        self.0.refill();
        self.0.changed.notify_waiters();
    }
}

/// What a channel is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// A command, or the first channel of a transfer.
    Call,
    /// Ending a command: may use the channel that is kept for this.
    Control,
    /// A transfer that has one already.
    Beside,
}

/// Counts one call that waits for a channel.
struct Waiting<'a>(&'a Channels, Purpose);

impl<'a> Waiting<'a> {
    fn new(channels: &'a Channels, purpose: Purpose) -> Self {
        let mut pool = channels.pool();
        pool.waiting += 1;
        pool.patient += usize::from(purpose == Purpose::Beside);
        drop(pool);
        // For those who hold a channel that they can do without.
        channels.changed.notify_waiters();
        Self(channels, purpose)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut pool = self.0.pool();
        pool.waiting -= 1;
        pool.patient -= usize::from(self.1 == Purpose::Beside);
    }
}

impl Channels {
    /// The channels of a fresh connection; the spare one is opened at once, in the background.
    pub fn new(connection: Arc<Connection>) -> Arc<Self> {
        let channels = Arc::new(Self {
            connection,
            pool: Mutex::default(),
            changed: Notify::new(),
        });
        channels.refill();
        channels
    }

    /// The connection underneath.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// The shortest time that the server took to answer; nothing before its first answer.
    pub fn round_trip(&self) -> Option<Duration> {
        self.pool().round_trip
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a call waits for a channel that the server's bound keeps from it: whoever holds one that it can do
    /// without should give it back.
    pub(crate) fn is_contended(&self) -> bool {
        self.pool().is_contended()
    }

    /// Waits until it is.
    pub(crate) async fn contended(&self) {
        while !self.is_contended() {
            // Told of most changes; a bound that was just learned is seen at the next look.
            let _ = timeout(LOOK_AGAIN, self.changed.notified()).await;
        }
    }

    /// A channel for a command: the spare one, a new one, or the next that becomes free before the deadline.
    pub(crate) async fn acquire(
        self: &Arc<Self>,
        deadline: Instant,
    ) -> Result<Lease, ChannelError> {
        self.lease(deadline, Purpose::Call).await
    }

    /// A channel beside one that the caller has: the next that can be had, unless the server opens no more.
    pub(crate) async fn acquire_beside(
        self: &Arc<Self>,
        deadline: Instant,
    ) -> Result<Lease, ChannelError> {
        self.lease(deadline, Purpose::Beside).await
    }

    /// A channel for ending a command: may use the one that is kept for this.
    pub(crate) async fn acquire_control(
        self: &Arc<Self>,
        limit: Duration,
    ) -> Result<Lease, ChannelError> {
        self.lease(Instant::now() + limit, Purpose::Control).await
    }

    async fn lease(
        self: &Arc<Self>,
        deadline: Instant,
        purpose: Purpose,
    ) -> Result<Lease, ChannelError> {
        if let Some(result) = self.try_lease(purpose) {
            return result;
        }
        let _waiting = Waiting::new(self, purpose);
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // From here on no news is missed.
            changed.as_mut().enable();
            if let Some(result) = self.try_lease(purpose) {
                return result;
            }
            if purpose == Purpose::Beside && self.pool().is_full() {
                return Err(self.none_in_time());
            }
            if self.connection.is_closed() {
                return Err(ChannelError::Closed(self.connection.ended().await));
            }
            let look_again = deadline.min(Instant::now() + LOOK_AGAIN);
            if timeout_at(look_again, changed).await.is_err() && Instant::now() >= deadline {
                return Err(self.none_in_time());
            }
        }
    }

    /// A lease, a failure that waiting cannot mend, or nothing yet.
    fn try_lease(self: &Arc<Self>, purpose: Purpose) -> Option<Result<Lease, ChannelError>> {
        let leased = {
            let mut pool = self.pool();
            if let Some(failure) = pool.final_failure() {
                return Some(Err(failure));
            }
            let channel = pool.take_idle(purpose);
            pool.leased += usize::from(channel.is_some());
            channel
        };
        let lease = leased.map(|channel| Lease {
            channel,
            permit: ChannelPermit(Arc::clone(self)),
        });
        self.refill();
        lease.map(Ok)
    }

    fn none_in_time(&self) -> ChannelError {
        let pool = self.pool();
        if pool.opening > 0 && pool.leased == 0 {
            return ChannelError::Silent;
        }
        ChannelError::NoneFree { open: pool.leased }
    }

    /// Keeps channels open ahead, within what the server allows.
    fn refill(self: &Arc<Self>) {
        if self.connection.is_closed() {
            return;
        }
        let missing = {
            let mut pool = self.pool();
            let missing = pool.missing();
            pool.opening += missing;
            missing
        };
        for _ in 0..missing {
            let channels = Arc::clone(self);
            // A task of its own: russh never closes a channel whose asker went away before it was confirmed.
            tokio::spawn(async move { channels.open().await });
        }
    }

    /// Sees to it that spare channels are closed when there has been nothing to do for a while.
    fn shrink_later(self: &Arc<Self>) {
        if self.connection.is_closed() || std::mem::replace(&mut self.pool().watched, true) {
            return;
        }
        let channels = Arc::downgrade(self);
        tokio::spawn(async move {
            let mut pause = IDLE_AFTER;
            loop {
                sleep(pause).await;
                let Some(channels) = channels.upgrade() else {
                    return;
                };
                match channels.surplus() {
                    Ok(surplus) => {
                        for channel in surplus {
                            // A failure means that the connection is gone.
                            let _ = channel.close().await;
                        }
                        return;
                    }
                    Err(longer) => pause = longer,
                }
            }
        });
    }

    /// The spare channels that are too many when there is nothing to do, or after how long to look again.
    fn surplus(&self) -> Result<Vec<Channel<Msg>>, Duration> {
        let mut pool = self.pool();
        match pool.idle_for() {
            Some(time) if time >= IDLE_AFTER => {
                pool.watched = false;
                let keep = IDLE_SPARES.min(pool.idle.len());
                Ok(pool.idle.split_off(keep))
            }
            Some(time) => Err(IDLE_AFTER - time),
            None => Err(IDLE_AFTER),
        }
    }

    async fn open(self: Arc<Self>) {
        let started = Instant::now();
        let request = self.connection.handle().channel_open_session();
        tokio::pin!(request);
        let answer = match timeout(limits::CHANNEL_OPEN_TIMEOUT, &mut request).await {
            Ok(answer) => answer,
            Err(_) => {
                self.pool().failure = Some(ChannelError::Silent);
                self.changed.notify_waiters();
                request.await
            }
        };
        let try_again = self.opened(answer, started.elapsed());
        self.changed.notify_waiters();
        if try_again {
            sleep(RETRY_DELAY).await;
            self.refill();
        }
    }

    /// Notes an answer; true if only another request can tell what it means.
    fn opened(&self, answer: Result<Channel<Msg>, russh::Error>, took: Duration) -> bool {
        let mut pool = self.pool();
        pool.opening -= 1;
        match answer {
            Ok(channel) => {
                pool.works = true;
                pool.idle.push(channel);
                pool.failure = None;
                pool.round_trip = Some(pool.round_trip.map_or(took, |shortest| shortest.min(took)));
                let total = pool.total();
                pool.bound = pool.bound.filter(|(bound, _)| total <= *bound);
            }
            Err(russh::Error::ChannelOpenFailure(reason)) => {
                let allowed = pool.total();
                // Beside others it is the bound; the first one of all is a refusal.
                if allowed > 0 {
                    pool.bound = Some((allowed, Instant::now()));
                } else if pool.works {
                    // What was just closed does not count as free yet.
                    return true;
                } else {
                    pool.failure = Some(ChannelError::Refused(format!("{reason:?}")));
                }
            }
            Err(error) => pool.failure = Some(ChannelError::Closed(Disconnect::from(&error))),
        }
        false
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
