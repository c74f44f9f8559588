//! The SFTP channels of a connection. Used channels stay open for a while, because opening a channel takes up to
//! three round trips.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::{Instant, sleep};

use super::client::Sftp;
use super::error::SftpError;
use crate::limits;
use crate::ssh::channel::{ChannelError, Channels, Lease};
use crate::ssh::disconnect::Disconnect;

/// Hands out SFTP channels.
#[derive(Debug)]
pub(crate) struct SftpPool {
    channels: Arc<Channels>,
    /// Open channels without a user, each with the time of its return.
    idle: Mutex<Vec<(Sftp, Instant)>>,
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

    /// Gives an idle channel, or opens a new channel before the deadline.
    pub(crate) async fn take(&self, deadline: Instant) -> Result<Sftp, SftpError> {
        match self.take_idle() {
            Some(sftp) => Ok(sftp),
            None => self.open(deadline, Channels::acquire).await,
        }
    }

    /// Gives an additional channel for a transfer that already has a channel. Does not wait for other users to give
    /// up theirs.
    pub(crate) async fn take_extra(&self, deadline: Instant) -> Result<Sftp, SftpError> {
        match self.take_idle() {
            Some(sftp) => Ok(sftp),
            None => self.open(deadline, Channels::acquire_beside).await,
        }
    }

    fn take_idle(&self) -> Option<Sftp> {
        let mut idle = self.lock();
        while let Some((sftp, _)) = idle.pop() {
            if !sftp.is_closed() {
                return Some(sftp);
            }
        }
        None
    }

    async fn open(
        &self,
        deadline: Instant,
        acquire: impl AsyncFnOnce(&Arc<Channels>, Instant) -> Result<Lease, ChannelError>,
    ) -> Result<Sftp, SftpError> {
        let lease = acquire(&self.channels, deadline).await?;
        let channels = Arc::clone(&self.channels);
        // In a separate task: a caller that gives up in the middle must not leave an open channel behind.
        let opening = tokio::spawn(async move { Sftp::open(&channels, lease).await });
        let opened = opening.await;
        opened.unwrap_or_else(|_| {
            Err(SftpError::Lost(Disconnect::Defect(
                "the task that opens sftp channels failed inside this program",
            )))
        })
    }

    /// Takes a channel back. The channel is closed if calls wait for channels or enough channels are idle.
    pub(crate) fn put_back(self: &Arc<Self>, sftp: Sftp) {
        if sftp.is_closed() || self.channels.is_contended() {
            return;
        }
        let now = Instant::now();
        let mut idle = self.lock();
        idle.retain(|(sftp, _)| !sftp.is_closed());
        if idle.len() >= limits::SFTP_CHANNELS_MAX {
            return;
        }
        idle.push((sftp, now));
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
                pool.lock().retain(|(_, since)| *since != now);
            }
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(Sftp, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
