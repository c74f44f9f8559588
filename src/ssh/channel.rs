//! Session channels of a connection: their number, and the spare channels that are opened ahead.
//!
//! Opening a channel and running a command on the channel are two round trips, because the server picks the
//! channel number. With a spare channel that is already open, a command costs a single round trip. The server
//! bounds the number of channels (sshd's MaxSessions, default 10) without announcing the bound, so the bound is
//! learned from a refusal. While commands run, the last channel is reserved for ending them (see
//! `ending/process_group.rs`), because sshd refuses signal requests from root. An idle connection has a single
//! spare channel, because each channel takes 18 KB.

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

/// Channels opened ahead on a connection in use: for the next command, and for ending commands.
const SPARES: usize = 2;
/// Channels opened ahead on an idle connection.
const IDLE_SPARES: usize = 1;
/// Time without a command after which a connection counts as idle.
const IDLE_AFTER: Duration = Duration::from_secs(30);
/// Age after which a learned bound is tested again, by a spare channel and never by a command.
const BOUND_RETRIED_AFTER: Duration = Duration::from_secs(2);
/// Time until a request is repeated that was refused because the server still counted a closed channel.
const RETRY_DELAY: Duration = Duration::from_millis(50);
/// Time between two checks of a waiting command; normally a notification wakes the command.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// The reason why no channel was available.
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
    /// The server's bound is reached and no channel was freed in time.
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

/// The channels of a connection.
#[derive(Debug)]
pub struct Channels {
    connection: Arc<Connection>,
    pool: Mutex<Pool>,
    /// Wakes waiting calls after a change of the pool.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Pool {
    /// Open and unused: spare channels, and channels whose caller gave up while they were opened.
    idle: Vec<Channel<Msg>>,
    /// Requests under way.
    opening: usize,
    /// Channels in use.
    leased: usize,
    /// The bound that the server was seen to enforce, and the time of the observation.
    bound: Option<(usize, Instant)>,
    /// The server has opened a channel before, so a refusal concerns the number of channels, not the account.
    works: bool,
    /// Why the last request failed.
    failure: Option<ChannelError>,
    /// The shortest time of a request, which approximates the round trip.
    round_trip: Option<Duration>,
    /// Calls that wait for a channel.
    waiting: usize,
    /// Waiting calls that can proceed without a further channel.
    patient: usize,
    /// When the last channel in use was given back.
    used: Option<Instant>,
    /// A task waits until the connection is idle, to close surplus channels.
    watched: bool,
}

impl Pool {
    fn total(&self) -> usize {
        self.idle.len() + self.opening + self.leased
    }

    /// Idle channels that a command leaves for ending other commands. The server's bound becomes known only when
    /// all channels are taken, so the reservation starts with the first command.
    fn kept(&self, purpose: Purpose) -> usize {
        let only_one = self.bound.is_some_and(|(bound, _)| bound == 1);
        usize::from(purpose != Purpose::Control && !only_one && self.leased > 0)
    }

    /// Time since the connection became idle; `None` while the connection is in use.
    fn idle_for(&self) -> Option<Duration> {
        let is_idle = self.leased == 0 && self.waiting == 0;
        is_idle.then(|| self.used.map_or(IDLE_AFTER, |used| used.elapsed()))
    }

    /// Number of spare channels to keep open.
    fn spares(&self) -> usize {
        match self.idle_for() {
            Some(time) if time >= IDLE_AFTER => IDLE_SPARES,
            _ => SPARES + self.waiting,
        }
    }

    /// Number of channel requests to send now: waiting calls are served in parallel. A single further request
    /// tests a bound that is old.
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

    /// Whether a call waits for a channel because of the server's bound.
    fn is_contended(&self) -> bool {
        self.waiting > self.patient && self.is_full()
    }

    /// Whether the server is known to refuse further channels.
    fn is_full(&self) -> bool {
        self.bound.is_some_and(|(bound, _)| self.total() >= bound)
    }

    /// A failure that no waiting can mend: no channel is open, and no request is pending or the request hangs.
    fn final_failure(&mut self) -> Option<ChannelError> {
        let hangs = self.failure == Some(ChannelError::Silent);
        let hopeless = self.leased == 0 && self.idle.is_empty() && (self.opening == 0 || hangs);
        if hopeless { self.failure.take() } else { None }
    }

    /// A usable idle channel, unless the remaining idle channels are reserved.
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

/// An open session channel and its permit.
pub(crate) struct Lease {
    pub(crate) channel: Channel<Msg>,
    pub(crate) permit: ChannelPermit,
}

/// Counts a channel as used; dropping the permit ends the count. Close the channel first.
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

/// The purpose of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// A command, or the first channel of a transfer.
    Call,
    /// Ending a command: may use the reserved channel.
    Control,
    /// A further channel of a transfer.
    Beside,
}

/// Counts a call that waits for a channel.
struct Waiting<'a>(&'a Channels, Purpose);

impl<'a> Waiting<'a> {
    fn new(channels: &'a Channels, purpose: Purpose) -> Self {
        let mut pool = channels.pool();
        pool.waiting += 1;
        pool.patient += usize::from(purpose == Purpose::Beside);
        drop(pool);
        // Wakes holders of a channel that they can give back.
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
    /// The channels of a fresh connection; opens the spare channel in the background.
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

    /// The shortest time that the server took to answer; `None` before the first answer.
    pub fn round_trip(&self) -> Option<Duration> {
        self.pool().round_trip
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a call waits for a channel because of the server's bound. The holder of a dispensable channel should
    /// then give the channel back.
    pub(crate) fn is_contended(&self) -> bool {
        self.pool().is_contended()
    }

    /// Waits until [`Self::is_contended`] holds.
    pub(crate) async fn contended(&self) {
        while !self.is_contended() {
            // Most changes notify; a bound that was just learned shows at the next check.
            let _ = timeout(LOOK_AGAIN, self.changed.notified()).await;
        }
    }

    /// A channel for a command: a spare channel, a new channel, or the next channel that is freed before the
    /// deadline.
    pub(crate) async fn acquire(
        self: &Arc<Self>,
        deadline: Instant,
    ) -> Result<Lease, ChannelError> {
        self.lease(deadline, Purpose::Call).await
    }

    /// A further channel for a caller that has a channel: fails if the server refuses further channels.
    pub(crate) async fn acquire_beside(
        self: &Arc<Self>,
        deadline: Instant,
    ) -> Result<Lease, ChannelError> {
        self.lease(deadline, Purpose::Beside).await
    }

    /// A channel for ending a command: may use the reserved channel.
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
            // From here on no notification is missed.
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

    /// A lease, a failure that no waiting can mend, or `None` while the caller has to wait.
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

    /// Opens spare channels within the server's bound.
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
            // A separate task: russh never closes a channel whose requester was dropped before the confirmation.
            tokio::spawn(async move { channels.open().await });
        }
    }

    /// Closes surplus spare channels once the connection is idle.
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

    /// The surplus spare channels of an idle connection, or the time until the next check.
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

    /// Records an answer; true if the request has to be repeated.
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
                // With other channels open, the refusal shows the bound; for the first channel, the refusal is final.
                if allowed > 0 {
                    pool.bound = Some((allowed, Instant::now()));
                } else if pool.works {
                    // The server still counts a channel that was just closed.
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

/// Whether an idle channel is still usable: a server may close idle channels (sshd's ChannelTimeout).
fn is_open(channel: &mut Channel<Msg>) -> bool {
    loop {
        match ready(channel.wait()) {
            None => return true,
            Some(Some(ChannelMsg::Close | ChannelMsg::Eof) | None) => return false,
            Some(Some(_)) => {}
        }
    }
}

/// The value of a future that is ready, without waiting.
pub(super) fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut context = Context::from_waker(Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
