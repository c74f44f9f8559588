//! What can be asked of an SFTP server, one method for each request.

use bytes::Bytes;
use russh_sftp::protocol::OpenFlags;
use tokio_util::sync::CancellationToken;

use super::client::{Outgoing, Pending, Sftp, SftpError, Slot};
use super::wire::{self, Attributes, Handle, PathRequest, Room, extension};

impl Sftp {
    async fn path(&self, path: &str, request: PathRequest<'_>) -> Result<Pending, SftpError> {
        let (id, pending) = self.expect(false);
        let frame = wire::path_request(id, path, request)?;
        self.enqueue(frame).await?;
        Ok(pending)
    }

    /// Opens a file for reading.
    pub(crate) async fn open_read(&self, path: &str) -> Result<Pending, SftpError> {
        let request = PathRequest::Open {
            flags: OpenFlags::READ,
            attributes: Attributes::default(),
        };
        self.path(path, request).await
    }

    /// Makes a file that must not be there yet.
    pub(crate) async fn create(&self, path: &str, mode: u32) -> Result<Pending, SftpError> {
        let attributes = Attributes {
            permissions: Some(mode),
            ..Attributes::default()
        };
        let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::EXCLUDE;
        self.path(path, PathRequest::Open { flags, attributes })
            .await
    }

    /// Opens a file that is there for writing and reading.
    pub(crate) async fn open_write(&self, path: &str) -> Result<Pending, SftpError> {
        let request = PathRequest::Open {
            flags: OpenFlags::WRITE | OpenFlags::READ,
            attributes: Attributes::default(),
        };
        self.path(path, request).await
    }

    pub(crate) async fn open_directory(&self, path: &str) -> Result<Pending, SftpError> {
        self.path(path, PathRequest::OpenDirectory).await
    }

    /// What a path leads to.
    pub(crate) async fn stat(&self, path: &str) -> Result<Attributes, SftpError> {
        self.path(path, PathRequest::Stat).await?.attributes().await
    }

    /// What stands at a path, be it a link.
    pub(crate) async fn link_stat(&self, path: &str) -> Result<Attributes, SftpError> {
        let pending = self.path(path, PathRequest::LinkStat).await?;
        pending.attributes().await
    }

    pub(crate) async fn set(&self, path: &str, to: Attributes) -> Result<Pending, SftpError> {
        self.path(path, PathRequest::SetStat(to)).await
    }

    pub(crate) async fn make_directory(&self, path: &str, mode: u32) -> Result<Pending, SftpError> {
        let attributes = Attributes {
            permissions: Some(mode),
            ..Attributes::default()
        };
        self.path(path, PathRequest::MakeDirectory(attributes))
            .await
    }

    pub(crate) async fn remove(&self, path: &str) -> Result<Pending, SftpError> {
        self.path(path, PathRequest::Remove).await
    }

    /// A path with its `~user`; nothing where the server cannot tell.
    pub(crate) async fn expand(&self, path: &str) -> Result<Option<Bytes>, SftpError> {
        if !self.has(extension::EXPAND_PATH) {
            return Ok(None);
        }
        let arguments = [path.as_bytes()];
        let pending = self.extended(extension::EXPAND_PATH, &arguments).await?;
        Ok(Some(pending.one_name().await?))
    }

    pub(crate) async fn read_link(&self, path: &str) -> Result<Pending, SftpError> {
        self.path(path, PathRequest::ReadLink).await
    }

    /// Makes a link at `path` that holds `text`.
    pub(crate) async fn make_link(&self, path: &str, text: &str) -> Result<Pending, SftpError> {
        self.path(path, PathRequest::Link(text)).await
    }

    /// The rename of the draft, which must not replace anything.
    pub(crate) async fn rename(&self, from: &str, to: &str) -> Result<Pending, SftpError> {
        self.path(from, PathRequest::Rename(to)).await
    }

    /// The rename of POSIX; only where [`Self::replaces`] says so.
    pub(crate) async fn replace(&self, from: &str, to: &str) -> Result<Pending, SftpError> {
        let arguments = [from.as_bytes(), to.as_bytes()];
        self.extended(extension::POSIX_RENAME, &arguments).await
    }

    /// Writes a file to its disk; nothing where the server does not offer that.
    pub(crate) async fn sync(&self, handle: &Handle) -> Result<Option<Pending>, SftpError> {
        if !self.syncs() {
            return Ok(None);
        }
        Ok(Some(self.extended(extension::FSYNC, &[&handle.0]).await?))
    }

    /// Room on the file system of a path, where the server tells.
    pub(crate) async fn room(&self, path: &str) -> Option<Room> {
        if !self.has(extension::STATVFS) {
            return None;
        }
        let pending = self.extended(extension::STATVFS, &[path.as_bytes()]).await;
        wire::room(pending.ok()?.extended().await.ok()?)
    }

    pub(crate) async fn read(
        &self,
        handle: &Handle,
        offset: u64,
        length: u64,
    ) -> Result<Pending, SftpError> {
        let length = length.min(self.read_block()) as u32;
        self.handle_request(false, |id| wire::read(id, handle, offset, length))
            .await
    }

    /// A block that is not sent any more once `unless` is cancelled.
    pub(crate) async fn write(
        &self,
        slot: Slot,
        handle: &Handle,
        offset: u64,
        data: Bytes,
        unless: CancellationToken,
    ) -> Result<Pending, SftpError> {
        let (id, pending) = self.expect(false);
        self.enqueue_outgoing(Outgoing {
            head: wire::write_head(id, handle, offset, data.len()),
            body: data,
            unless: Some(unless),
            slot: Some(slot),
        })
        .await?;
        Ok(pending)
    }

    pub(crate) async fn names(&self, handle: &Handle) -> Result<Pending, SftpError> {
        self.handle_request(false, |id| wire::read_directory(id, handle))
            .await
    }

    pub(crate) async fn stat_handle(&self, handle: &Handle) -> Result<Pending, SftpError> {
        self.handle_request(false, |id| wire::stat_handle(id, handle))
            .await
    }

    pub(crate) async fn set_handle(
        &self,
        handle: &Handle,
        to: &Attributes,
    ) -> Result<Pending, SftpError> {
        self.handle_request(false, |id| wire::set_handle(id, handle, to))
            .await
    }

    /// Closing may write to a disk.
    pub(crate) async fn close(&self, handle: &Handle) -> Result<Pending, SftpError> {
        self.handle_request(true, |id| wire::close(id, handle))
            .await
    }
}
