//! The requests of SFTP, a method for each.

use bytes::Bytes;
use russh_sftp::protocol::OpenFlags;
use tokio_util::sync::CancellationToken;

use super::client::Sftp;
use super::error::SftpError;
use super::in_flight::{Outgoing, Pending, Slot};
use super::wire::encode::PathRequest;
use super::wire::{Attributes, FreeSpace, Handle, decode, encode, extension};

impl Sftp {
    async fn send_path_request(
        &self,
        path: &str,
        request: PathRequest<'_>,
    ) -> Result<Pending, SftpError> {
        let (id, pending) = self.register(false);
        let frame = encode::path_request(id, path, request)?;
        self.enqueue(frame).await?;
        Ok(pending)
    }

    /// Opens a file for reading.
    pub(crate) async fn open_read(&self, path: &str) -> Result<Pending, SftpError> {
        let request = PathRequest::Open {
            flags: OpenFlags::READ,
            attributes: Attributes::default(),
        };
        self.send_path_request(path, request).await
    }

    /// Creates a file; fails if the path exists.
    pub(crate) async fn create(&self, path: &str, mode: u32) -> Result<Pending, SftpError> {
        let attributes = Attributes {
            permissions: Some(mode),
            ..Attributes::default()
        };
        let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::EXCLUDE;
        self.send_path_request(path, PathRequest::Open { flags, attributes })
            .await
    }

    /// Opens an existing file for writing and reading.
    pub(crate) async fn open_write(&self, path: &str) -> Result<Pending, SftpError> {
        let request = PathRequest::Open {
            flags: OpenFlags::WRITE | OpenFlags::READ,
            attributes: Attributes::default(),
        };
        self.send_path_request(path, request).await
    }

    /// Opens a directory for [`Self::read_directory`].
    pub(crate) async fn open_directory(&self, path: &str) -> Result<Pending, SftpError> {
        self.send_path_request(path, PathRequest::OpenDirectory)
            .await
    }

    /// Attributes of a path; symbolic links are followed.
    pub(crate) async fn stat(&self, path: &str) -> Result<Attributes, SftpError> {
        self.send_path_request(path, PathRequest::Stat)
            .await?
            .attributes()
            .await
    }

    /// Attributes of a path; a symbolic link is not followed.
    pub(crate) async fn link_stat(&self, path: &str) -> Result<Attributes, SftpError> {
        let pending = self.send_path_request(path, PathRequest::LinkStat).await?;
        pending.attributes().await
    }

    /// Sets the attributes of a path.
    pub(crate) async fn set_attributes(
        &self,
        path: &str,
        to: Attributes,
    ) -> Result<Pending, SftpError> {
        self.send_path_request(path, PathRequest::SetStat(to)).await
    }

    /// Makes a directory; its parent must exist.
    pub(crate) async fn make_directory(&self, path: &str, mode: u32) -> Result<Pending, SftpError> {
        let attributes = Attributes {
            permissions: Some(mode),
            ..Attributes::default()
        };
        self.send_path_request(path, PathRequest::MakeDirectory(attributes))
            .await
    }

    /// Removes a file or a link.
    pub(crate) async fn remove(&self, path: &str) -> Result<Pending, SftpError> {
        self.send_path_request(path, PathRequest::Remove).await
    }

    /// Expands `~user` at the beginning of a path; `None` if the server lacks the extension.
    pub(crate) async fn expand(&self, path: &str) -> Result<Option<Bytes>, SftpError> {
        if !self.supports(extension::EXPAND_PATH) {
            return Ok(None);
        }
        let arguments = [path.as_bytes()];
        let pending = self
            .send_extended(extension::EXPAND_PATH, &arguments)
            .await?;
        Ok(Some(pending.single_name().await?))
    }

    /// Reads the text of a link.
    pub(crate) async fn read_link(&self, path: &str) -> Result<Pending, SftpError> {
        self.send_path_request(path, PathRequest::ReadLink).await
    }

    /// Makes a symbolic link at `path` that holds `text`.
    pub(crate) async fn make_link(&self, path: &str, text: &str) -> Result<Pending, SftpError> {
        self.send_path_request(path, PathRequest::Link(text)).await
    }

    /// Renames a file; fails if `to` exists.
    pub(crate) async fn rename(&self, from: &str, to: &str) -> Result<Pending, SftpError> {
        self.send_path_request(from, PathRequest::Rename(to)).await
    }

    /// Renames a file and replaces `to`; only where [`Self::can_replace`] is true.
    pub(crate) async fn posix_rename(&self, from: &str, to: &str) -> Result<Pending, SftpError> {
        let arguments = [from.as_bytes(), to.as_bytes()];
        self.send_extended(extension::POSIX_RENAME, &arguments)
            .await
    }

    /// Has the server write a file to its disk; `None` if the server lacks the extension.
    pub(crate) async fn sync(&self, handle: &Handle) -> Result<Option<Pending>, SftpError> {
        if !self.can_sync() {
            return Ok(None);
        }
        Ok(Some(
            self.send_extended(extension::FSYNC, &[&handle.0]).await?,
        ))
    }

    /// Free space of the file system of a path; `None` if the server does not answer.
    pub(crate) async fn free_space(&self, path: &str) -> Option<FreeSpace> {
        if !self.supports(extension::STATVFS) {
            return None;
        }
        let pending = self
            .send_extended(extension::STATVFS, &[path.as_bytes()])
            .await;
        decode::free_space(pending.ok()?.extended().await.ok()?)
    }

    /// Requests up to `length` bytes at `offset`, bounded by [`Self::read_block`].
    pub(crate) async fn read(
        &self,
        handle: &Handle,
        offset: u64,
        length: u64,
    ) -> Result<Pending, SftpError> {
        let length = length.min(self.read_block()) as u32;
        self.send_request(false, |id| encode::read(id, handle, offset, length))
            .await
    }

    /// Queues a block of data at `offset`. The block is not sent once `unless` is cancelled.
    pub(crate) async fn write(
        &self,
        slot: Slot,
        handle: &Handle,
        offset: u64,
        data: Bytes,
        unless: CancellationToken,
    ) -> Result<Pending, SftpError> {
        let (id, pending) = self.register(false);
        self.enqueue_outgoing(Outgoing {
            head: encode::write_head(id, handle, offset, data.len()),
            body: data,
            unless: Some(unless),
            slot: Some(slot),
        })
        .await?;
        Ok(pending)
    }

    /// Requests the next names of an open directory.
    pub(crate) async fn read_directory(&self, handle: &Handle) -> Result<Pending, SftpError> {
        self.send_request(false, |id| encode::read_directory(id, handle))
            .await
    }

    /// Requests the attributes of an open file.
    pub(crate) async fn stat_handle(&self, handle: &Handle) -> Result<Pending, SftpError> {
        self.send_request(false, |id| encode::stat_handle(id, handle))
            .await
    }

    /// Sets the attributes of an open file.
    pub(crate) async fn set_handle_attributes(
        &self,
        handle: &Handle,
        to: &Attributes,
    ) -> Result<Pending, SftpError> {
        self.send_request(false, |id| encode::set_handle_attributes(id, handle, to))
            .await
    }

    /// Closes a file or directory. The server may write to its disk, so this may take long.
    pub(crate) async fn close(&self, handle: &Handle) -> Result<Pending, SftpError> {
        self.send_request(true, |id| encode::close(id, handle))
            .await
    }
}
