//! The SFTP channels of one connection: one is kept warm for a while, because its start takes two round trips.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::{Instant, sleep};

use super::client::{Sftp, SftpError};
use crate::limits;
use crate::ssh::channel::Channels;

/// Hands out SFTP channels.
#[derive(Debug)]
pub(crate) struct SftpPool {
    channels: Arc<Channels>,
    /// The warm one, and when it was put there.
    idle: Mutex<Option<(Sftp, Instant)>>,
}

impl SftpPool {
    pub(crate) fn new(channels: Arc<Channels>) -> Arc<Self> {
        Arc::new(Self {
            channels,
            idle: Mutex::default(),
        })
    }

    pub(crate) fn channels(&self) -> &Arc<Channels> {
        &self.channels
    }

    /// The warm channel, or a new one before the deadline.
    pub(crate) async fn take(&self, deadline: Instant) -> Result<Sftp, SftpError> {
        let warm = self.lock().take();
        match warm {
            Some((sftp, _)) if !sftp.is_closed() => Ok(sftp),
            _ => self.open(deadline).await,
        }
    }

    /// Another channel beside one that is in use.
    pub(crate) async fn open(&self, deadline: Instant) -> Result<Sftp, SftpError> {
        let channels = Arc::clone(&self.channels);
        // In a task of its own: a caller that gives up in the middle must not leave an open channel behind.
        let opening = tokio::spawn(async move {
            let lease = channels.acquire(deadline).await?;
            Sftp::open(&channels, lease).await
        });
        let opened = opening.await;
        opened.unwrap_or_else(|error| Err(SftpError::Lost(error.to_string())))
    }

    /// Keeps a channel warm; where there is one already, this one is closed.
    pub(crate) fn put_back(self: &Arc<Self>, sftp: Sftp) {
        if sftp.is_closed() || self.channels.is_contended() {
            return;
        }
        let now = Instant::now();
        let mut idle = self.lock();
        if idle.as_ref().is_some_and(|(warm, _)| !warm.is_closed()) {
            return;
        }
        *idle = Some((sftp, now));
        drop(idle);
        let pool = Arc::downgrade(self);
        let channels = Arc::clone(&self.channels);
        tokio::spawn(async move {
            tokio::select! {
                () = sleep(limits::SFTP_IDLE) => {}
                () = channels.contended() => {}
            }
            drop(channels);
            if let Some(pool) = pool.upgrade() {
                let mut idle = pool.lock();
                if idle.as_ref().is_some_and(|(_, since)| *since == now) {
                    *idle = None;
                }
            }
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Sftp, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
