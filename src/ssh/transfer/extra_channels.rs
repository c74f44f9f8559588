//! Extra channels for one file. They open while the first channel is busy with the steps before the data.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::limits;
use crate::ssh::sftp::pool::SftpPool;
use crate::ssh::sftp::{Handle, Sftp};

/// Divisor of the round trip: the delay between the request that creates a file on the first channel and the
/// requests that open the file on extra channels. Each channel has a server process of its own, and nothing orders
/// their work.
const OPEN_DELAY_DIVISOR: u32 = 8;

/// An open channel in addition to the first.
pub(super) struct ExtraChannel {
    pub(super) sftp: Sftp,
    /// The path and the handle of a file that is open on this channel.
    opened: Option<(String, Handle)>,
}

impl ExtraChannel {
    /// The file at `path`, open for writing on this channel; `None` if the server refuses.
    pub(super) async fn open_for_writing(&mut self, path: &str) -> Option<Handle> {
        match self.opened.take() {
            Some((opened, handle)) if opened == path => return Some(handle),
            // The early guess was wrong; the answer to the close does not matter.
            Some((_, handle)) => drop(self.sftp.close(&handle).await),
            None => {}
        }
        open_existing(&self.sftp, path).await
    }
}

/// The extra channels of one transfer.
pub(super) struct ExtraChannels {
    pool: Arc<SftpPool>,
    opening: Mutex<Vec<JoinHandle<Option<ExtraChannel>>>>,
    /// The temporary file on the host, as soon as its creation was requested.
    temp_path: watch::Sender<Option<String>>,
}

impl ExtraChannels {
    pub(super) fn new(pool: Arc<SftpPool>) -> Self {
        Self {
            pool,
            opening: Mutex::default(),
            temp_path: watch::Sender::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<JoinHandle<Option<ExtraChannel>>>> {
        self.opening.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts to open so many channels for a download.
    pub(super) fn open_for_reads(&self, count: usize) {
        for _ in 0..count {
            let pool = Arc::clone(&self.pool);
            self.lock().push(tokio::spawn(async move {
                let sftp = open_extra(&pool).await?;
                Some(ExtraChannel { sftp, opened: None })
            }));
        }
    }

    /// Starts to open so many channels for an upload. Each opens the file of [`Self::announce`] early.
    pub(super) fn open_for_writes(&self, count: usize) {
        for _ in 0..count {
            let pool = Arc::clone(&self.pool);
            let temp_path = self.temp_path.subscribe();
            let opening = tokio::spawn(open_with_file(pool, temp_path));
            self.lock().push(opening);
        }
    }

    /// Tells the extra channels of an upload which file to open.
    pub(super) fn announce(&self, temp_path: &str) {
        self.temp_path.send_replace(Some(temp_path.to_owned()));
    }

    /// The number of channels that are opening or open.
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Waits for a channel; `None` if no further channel is available.
    pub(super) async fn next(&self) -> Option<ExtraChannel> {
        let opening = self.lock().pop();
        opening?.await.ok().flatten()
    }
}

/// Opens a channel, waits for the announced path, and opens that file for writing.
async fn open_with_file(
    pool: Arc<SftpPool>,
    mut temp_path: watch::Receiver<Option<String>>,
) -> Option<ExtraChannel> {
    let sftp = open_extra(&pool).await?;
    let round_trip = pool.channels().round_trip().unwrap_or_default();
    let path = tokio::select! {
        path = temp_path.wait_for(Option::is_some) => path.ok()?.clone()?,
        // Calls that wait for a channel have priority over transfers.
        () = pool.channels().contended() => return None,
    };
    sleep(round_trip / OPEN_DELAY_DIVISOR).await;
    // If the file does not exist yet, the channel opens the file later.
    let handle = open_existing(&sftp, &path).await;
    Some(ExtraChannel {
        sftp,
        opened: handle.map(|handle| (path, handle)),
    })
}

/// Opens an extra channel; `None` if the server refuses, which is no error.
pub(super) async fn open_extra(pool: &Arc<SftpPool>) -> Option<Sftp> {
    let deadline = Instant::now() + limits::CHANNEL_OPEN_TIMEOUT;
    pool.take_extra(deadline).await.ok()
}

/// Opens an existing file for writing; `None` if the server refuses.
pub(super) async fn open_existing(sftp: &Sftp, path: &str) -> Option<Handle> {
    sftp.open_write(path).await.ok()?.handle().await.ok()
}
