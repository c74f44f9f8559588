//! Further channels for one file: opened while the first one is busy with what has to come before the data.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::context::{Context, lock};
use super::striping;
use crate::limits;
use crate::ssh::sftp::pool::SftpPool;
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

/// Tells the path of the file to write, once the first channel has asked for it.
type Draft<'a> = Option<&'a watch::Sender<Option<String>>>;

/// Begins to open the channels that a file of this size will go over. With `resume` that has to wait: what is
/// there already is looked at first, which may take long, and nobody else could use them meanwhile.
pub(super) fn open_ahead(context: &Context, size: u64, draft: Draft<'_>) {
    if !context.spec.resume {
        open(context, size, draft);
    }
}

/// The same for a file of which a part is there. The files of a tree go side by side, over one channel.
pub(super) fn open_late(context: &Context, remaining: u64, draft: Draft<'_>) {
    if context.spec.resume && !context.spec.recursive {
        open(context, remaining, draft);
    }
}

fn open(context: &Context, size: u64, draft: Draft<'_>) {
    let mut ahead = lock(&context.ahead);
    for _ in 1..striping::count(context, size) {
        let pool = Arc::clone(&context.pool);
        let draft = draft.map(watch::Sender::subscribe);
        ahead.push(tokio::spawn(async move {
            let sftp = channel(&pool).await?;
            let round_trip = pool.channels().round_trip().unwrap_or_default();
            let opened = match draft {
                Some(mut draft) => {
                    let path = tokio::select! {
                        path = draft.wait_for(Option::is_some) => path.ok()?.clone()?,
                        // Calls come first.
                        () = pool.channels().contended() => return None,
                    };
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

/// One more channel of a connection; a server that opens no more is no error.
pub(super) async fn channel(pool: &Arc<SftpPool>) -> Option<Sftp> {
    let deadline = Instant::now() + limits::CHANNEL_OPEN_TIMEOUT;
    pool.take_extra(deadline).await.ok()
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

pub(super) async fn open_write(sftp: &Sftp, path: &str) -> Option<Handle> {
    sftp.open_write(path).await.ok()?.handle().await.ok()
}
