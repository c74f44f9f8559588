//! The host's side of a transfer.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::striping::LinkKind;
use crate::ssh::sftp::Sftp;
use crate::ssh::sftp::pool::SftpPool;

/// The first SFTP channel of a transfer, and the pool for further channels.
pub(super) struct Host {
    pub(super) sftp: Sftp,
    pub(super) pool: Arc<SftpPool>,
    /// Fires at the end of the transfer: blocks in the queues are not sent, programs on the host are stopped.
    pub(super) over: CancellationToken,
}

impl Host {
    /// Whether round trips or processors bound the speed.
    pub(super) fn link_kind(&self) -> LinkKind {
        LinkKind::with_round_trip(self.pool.channels().round_trip())
    }

    /// Waits until a call waits for a channel of the connection.
    pub(super) async fn contended(&self) {
        self.pool.channels().contended().await;
    }
}
