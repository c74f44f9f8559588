//! The last steps of an upload: attributes, the disk, the check, and the move to the target.

use std::sync::Arc;

use super::commit::Committer;
use super::source::Source;
use super::target::Target;
use super::temp_file::TempFile;
use crate::ssh::sftp::wire::Attributes;
use crate::ssh::sftp::{Handle, Pending, SftpError};
use crate::ssh::transfer::blocking::run_blocking;
use crate::ssh::transfer::context::Context;
use crate::ssh::transfer::error::TransferError;
use crate::ssh::transfer::local::Metadata;
use crate::ssh::transfer::remote::explain;
use crate::ssh::transfer::{hash, spec};

/// Setuid, setgid and sticky bits are never copied.
const MODE_MASK: u32 = 0o777;

/// Turns a written temporary file into the target.
pub(super) struct Finish<'a> {
    context: &'a Context,
    source: &'a Source,
    target: &'a Target,
    committer: Committer<'a>,
}

impl<'a> Finish<'a> {
    pub(super) fn new(context: &'a Context, source: &'a Source, target: &'a Target) -> Self {
        Self {
            context,
            source,
            target,
            committer: Committer::new(context),
        }
    }

    /// Whether a file on the disk of the host can become the target in one round trip.
    pub(super) fn can_settle(&self) -> bool {
        let spec = &self.context.spec;
        self.committer.is_atomic() && !spec.resume && spec.verify == spec::Verify::Size
    }

    /// For a complete file on the disk of the host: sets mode and times and moves the file, in one round trip.
    pub(super) async fn settle(&self, temp_file: &TempFile) -> Result<(), TransferError> {
        let path = &self.target.path;
        let failed = |error| TransferError::sftp(path, error);
        self.check_source_unchanged().await?;
        let sftp = &self.context.host.sftp;
        let attributes = self.attributes(self.source.size());
        let set = sftp.set_handle_attributes(&temp_file.handle, &attributes);
        let set = set.await.map_err(failed)?;
        let close = sftp.close(&temp_file.handle).await.map_err(failed)?;
        let moved = self.committer.send_move(&temp_file.path, path).await;
        let moved = moved.map_err(failed)?;
        self.wait_for_attributes(set).await.map_err(failed)?;
        // The content is on the disk, so closing cannot lose data.
        match close.done().await {
            Ok(()) | Err(SftpError::Status(_)) => {}
            Err(error) => return Err(failed(error)),
        }
        let committer = &self.committer;
        committer.finish_move(&temp_file.path, path, moved).await
    }

    /// Waits for `writes`, sets size, mode and times, has the host write the file to its disk, and compares the size:
    /// one round trip.
    pub(super) async fn write_out(
        &self,
        handle: &Handle,
        size: u64,
        writes: Vec<Pending>,
    ) -> Result<(), TransferError> {
        let path = &self.target.path;
        let failed = |error| TransferError::sftp(path, error);
        let sftp = &self.context.host.sftp;
        let attributes = self.attributes(size);
        let set = sftp.set_handle_attributes(handle, &attributes);
        let set = set.await.map_err(failed)?;
        let sync = sftp.sync(handle).await.map_err(failed)?;
        let stat = sftp.stat_handle(handle).await.map_err(failed)?;
        let close = sftp.close(handle).await.map_err(failed)?;
        for write in writes {
            if let Err(error) = write.done().await {
                return Err(explain(sftp, path, error, size).await);
            }
        }
        self.wait_for_attributes(set).await.map_err(failed)?;
        if let Some(sync) = sync
            && let Err(error) = sync.done().await
        {
            return Err(explain(sftp, path, error, size).await);
        }
        let arrived = stat.attributes().await.map_err(failed)?.size;
        if let Err(error) = close.done().await {
            return Err(explain(sftp, path, error, size).await);
        }
        match arrived {
            Some(arrived) if arrived != size => Err(TransferError::Verify {
                path: path.clone(),
                difference: format!("{size} bytes were sent and the host has {arrived}"),
            }),
            _ => Ok(()),
        }
    }

    /// Verifies the file as the call requires, and moves the file to its target.
    pub(super) async fn verify_and_commit(
        &self,
        temporary: &str,
        size: u64,
    ) -> Result<(), TransferError> {
        if self.context.spec.verify == spec::Verify::Sha256 {
            self.verify_hash(temporary, size).await?;
        }
        self.check_source_unchanged().await?;
        self.committer.commit(temporary, &self.target.path).await?;
        self.context.temp_files.take_partial();
        Ok(())
    }

    async fn check_source_unchanged(&self) -> Result<(), TransferError> {
        let source = self.source.clone();
        run_blocking(move || source.check_unchanged()).await?
    }

    async fn verify_hash(&self, temporary: &str, size: u64) -> Result<(), TransferError> {
        let source = self.source;
        let file = Arc::clone(&source.file);
        let expected = run_blocking(move || hash::hash_file(&file, size)).await?;
        let expected = expected.map_err(|error| TransferError::io(&source.shown, &error))?;
        let expected = expected.ok_or_else(|| source.changed("it became shorter".to_owned()))?;
        let host = &self.context.host;
        let (matches, method) = hash::remote_matches(host, temporary, size, &expected).await?;
        if !matches {
            return Err(TransferError::Verify {
                path: self.target.path.clone(),
                difference: "the sha256 of what arrived is another one".to_owned(),
            });
        }
        self.context.report.add_note(method.description());
        Ok(())
    }

    /// Waits for the answer about mode and times. A refusal becomes a note: the content is complete.
    async fn wait_for_attributes(&self, set: Pending) -> Result<(), SftpError> {
        match set.done().await {
            Err(SftpError::Status(_)) => {
                let note = "the host did not take the mode or the times of a file";
                self.context.report.add_note(note);
                Ok(())
            }
            result => result,
        }
    }

    fn attributes(&self, size: u64) -> Attributes {
        let metadata = self.source.metadata;
        let mode = self.context.spec.mode.unwrap_or(metadata.mode & MODE_MASK);
        Attributes {
            size: Some(size),
            ..directory_attributes(mode, metadata)
        }
    }
}

/// Mode and times for a directory on the host. Times outside the range of SFTP are bounded.
pub(super) fn directory_attributes(mode: u32, metadata: Metadata) -> Attributes {
    let seconds = |time: i64| u32::try_from(time.max(0)).unwrap_or(u32::MAX);
    Attributes {
        permissions: Some(mode),
        atime: Some(seconds(metadata.accessed)),
        mtime: Some(seconds(metadata.modified)),
        ..Attributes::default()
    }
}
