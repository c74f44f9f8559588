//! Further channels for one file: opened while the first one is busy with what has to come before the data.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::{Context, lock, tree};
use crate::limits;
use crate::ssh::sftp::{Handle, Sftp};

/// Part of a round trip by which a file is opened on further channels after it was asked for on the first one:
/// each has a server process of its own, and their order is anybody's guess.
const OPEN_LATER: u32 = 8;

/// A channel beside the first one.
pub(super) struct Beside {
    pub(super) sftp: Sftp,
    /// A file that is open on it already, by its path.
    opened: Option<(String, Handle)>,
}

/// The channels beside the first one that are being opened.
pub(super) type Opening = Vec<JoinHandle<Option<Beside>>>;

/// Begins to open the channels that a file of this size will go over. `draft` tells the path of the file to write
/// once the first channel has asked for it.
pub(super) fn open_ahead(
    context: &Context,
    size: u64,
    draft: Option<&watch::Sender<Option<String>>>,
) {
    let mut ahead = lock(&context.ahead);
    for _ in 1..tree::stripes(context, size) {
        let pool = Arc::clone(&context.pool);
        let draft = draft.map(watch::Sender::subscribe);
        ahead.push(tokio::spawn(async move {
            if pool.channels().is_contended() {
                return None;
            }
            let deadline = Instant::now() + limits::CHANNEL_OPEN_TIMEOUT;
            // A server that opens no more is no error.
            let sftp = pool.take(deadline).await.ok()?;
            let round_trip = pool.channels().round_trip().unwrap_or_default();
            let opened = match draft {
                Some(mut draft) => {
                    let path = draft.wait_for(Option::is_some).await.ok()?.clone()?;
                    sleep(round_trip / OPEN_LATER).await;
                    // Where it is not there yet, it is asked for again when it is.
                    open_write(&sftp, &path).await.map(|handle| (path, handle))
                }
                None => None,
            };
            Some(Beside { sftp, opened })
        }));
    }
}

/// A channel beside the first one, when it is open; nothing where there is none to be had.
pub(super) async fn another_channel(context: &Context) -> Option<Beside> {
    let opening = lock(&context.ahead).pop();
    opening?.await.ok().flatten()
}

impl Beside {
    /// The file to write, open on this channel.
    pub(super) async fn writing(&mut self, path: &str) -> Option<Handle> {
        match self.opened.take() {
            Some((opened, handle)) if opened == path => return Some(handle),
            // It was a guess; nothing depends on the answer.
            Some((_, handle)) => drop(self.sftp.close(&handle).await),
            None => {}
        }
        open_write(&self.sftp, path).await
    }
}

async fn open_write(sftp: &Sftp, path: &str) -> Option<Handle> {
    sftp.open_write(path).await.ok()?.handle().await.ok()
}
