//! A live link: an authenticated connection and the pools of channels on it.

use std::sync::Arc;

use crate::ssh::channel::Channels;
use crate::ssh::connection::Connection;
use crate::ssh::sftp::pool::SftpPool;

/// The link of a session that is ready.
#[derive(Debug)]
pub(crate) struct LiveLink {
    /// Generation of the dial that established the link.
    pub(crate) generation: u64,
    pub(crate) connection: Arc<Connection>,
    pub(crate) channels: Arc<Channels>,
    pub(crate) sftp: Arc<SftpPool>,
}

impl LiveLink {
    /// Begins to open channels ahead.
    pub(super) fn new(generation: u64, connection: Arc<Connection>) -> Arc<Self> {
        let channels = Channels::new(Arc::clone(&connection));
        let sftp = SftpPool::new(Arc::clone(&channels));
        Arc::new(Self {
            generation,
            connection,
            channels,
            sftp,
        })
    }
}
