//! The steps of the download of a single file.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use super::blocks::fetch_blocks;
use super::part_file::open_part_file;
use super::target::{Target, resolve_target};
use super::temp_file::TempFile;
use super::version::{Version, source_changed};
use super::writer::write_pieces;
use crate::limits;
use crate::ssh::sftp::read_block::read_full_block;
use crate::ssh::sftp::wire::Attributes;
use crate::ssh::sftp::{Handle, Sftp, SftpError};
use crate::ssh::transfer::blocking::run_blocking;
use crate::ssh::transfer::context::Context;
use crate::ssh::transfer::error::TransferError;
use crate::ssh::transfer::local::{self, Metadata};
use crate::ssh::transfer::remote::explain;
use crate::ssh::transfer::spec::{Summary, Verify};
use crate::ssh::transfer::{hash, names};

/// Setuid, setgid and sticky bits are never copied.
const MODE_MASK: u32 = 0o777;
/// Permissions of a file whose host sends none.
const MODE_DEFAULT: u32 = 0o644;

/// Downloads the file that the call names to the path that the call names. `size` in bytes, from an earlier look.
pub(super) async fn download_file(
    context: &Context,
    path: String,
    local: PathBuf,
    size: u64,
) -> Result<Summary, TransferError> {
    let spec = &context.spec;
    let (_, Some(name)) = names::split(&path) else {
        return Err(TransferError::remote(&path, "this is no name of a file"));
    };
    // With `resume`, channels open later: the comparison with the partial file may take long, and an idle channel
    // would be lost for other users meanwhile.
    if !spec.resume {
        open_extra_channels(context, size);
    }
    let (name, policy) = (OsString::from(name), Arc::clone(&spec.policy));
    let (overwrite, recursive) = (spec.overwrite, spec.recursive);
    let has_slash = spec.local.ends_with('/');
    let target = run_blocking(move || {
        resolve_target(&local, has_slash, name, &policy, overwrite, recursive)
    });
    let target = target.await??;
    copy_file(context, &path, &target, size).await?;
    Ok(context.summary(target.shown, path))
}

fn open_extra_channels(context: &Context, remaining: u64) {
    let channels = context.host.link_kind().channel_count(remaining);
    context.extra.open_for_reads(channels - 1);
}

/// Copies a file to its target. `expected_size` in bytes, from a listing or an earlier look.
pub(super) async fn copy_file(
    context: &Context,
    path: &str,
    target: &Target,
    expected_size: u64,
) -> Result<(), TransferError> {
    let sftp = &context.host.sftp;
    let opening = async { sftp.open_read(path).await?.handle().await };
    let handle = match opening.await {
        Ok(handle) => handle,
        Err(error) => return Err(explain(sftp, path, error, 0).await),
    };
    let download = FileDownload {
        context,
        sftp,
        path,
        target,
        handle: &handle,
    };
    if expected_size > 0 && expected_size <= sftp.read_block() {
        download.copy_small(expected_size).await?;
    } else {
        download.copy_large().await?;
    }
    context.temp_files.take_partial();
    context.report.progress.add_file();
    Ok(())
}

/// The download of an open file.
struct FileDownload<'a> {
    context: &'a Context,
    sftp: &'a Sftp,
    path: &'a str,
    target: &'a Target,
    handle: &'a Handle,
}

impl FileDownload<'_> {
    /// The error of a request about this file.
    fn failed(&self, error: SftpError) -> TransferError {
        TransferError::sftp(self.path, error)
    }

    /// Copies a file of one block, in one round trip.
    async fn copy_small(&self, expected_size: u64) -> Result<(), TransferError> {
        let failed = |error| self.failed(error);
        let (sftp, handle) = (self.sftp, self.handle);
        let before = sftp.stat_handle(handle).await.map_err(failed)?;
        let read = sftp.read(handle, 0, expected_size).await.map_err(failed)?;
        let after = sftp.stat_handle(handle).await.map_err(failed)?;
        let before = before.attributes().await.map_err(failed)?;
        let pieces = read_full_block(sftp, handle, 0, expected_size, read).await;
        let pieces = pieces.map_err(failed)?;
        let after = after.attributes().await.map_err(failed)?;
        // The file was only read, so the answer does not matter.
        drop(sftp.close(handle).await.map_err(failed)?);
        let version = Version::from_attributes(&before);
        version.check_unchanged(&after, self.path)?;
        let Some(pieces) = pieces.filter(|_| version.size == expected_size) else {
            let difference = format!("it had {expected_size} bytes and has {}", version.size);
            return Err(source_changed(self.path, difference));
        };
        self.verify_and_write(pieces, expected_size, &before)
            .await?;
        self.context.report.progress.add_bytes(expected_size);
        Ok(())
    }

    /// Copies a file of many blocks, over several channels where that is faster, or a file that claims to be empty.
    async fn copy_large(&self) -> Result<(), TransferError> {
        let failed = |error| self.failed(error);
        let (context, sftp, handle) = (self.context, self.sftp, self.handle);
        let stat = sftp.stat_handle(handle).await.map_err(failed)?;
        let attributes = stat.attributes().await.map_err(failed)?;
        let version = Version::from_attributes(&attributes);
        if version.size == 0 {
            return self.copy_unsized(&attributes).await;
        }
        let part = open_part_file(context, self.path, self.target, version).await?;
        // The files of a tree are copied concurrently over a single channel.
        if context.spec.resume && !context.spec.recursive {
            open_extra_channels(context, version.size.saturating_sub(part.start));
        }
        context.report.add_resumed(part.start);
        fetch_blocks(context, self.path, self.target, handle, version.size, &part).await?;
        let stat = sftp.stat_handle(handle).await.map_err(failed)?;
        let closing = sftp.close(handle).await.map_err(failed)?;
        let now = stat.attributes().await.map_err(failed)?;
        drop(closing);
        version.check_unchanged(&now, self.path)?;
        let target = self.target;
        let file = part.file;
        if context.spec.verify == Verify::Sha256 {
            let file = Arc::clone(&file);
            let hash = run_blocking(move || hash::hash_file(&file, version.size)).await?;
            let hash = hash.map_err(|error| target.failed(&error))?;
            self.verify_hash(version.size, &hash.unwrap_or_default())
                .await?;
        }
        let (metadata, overwrite) = (self.metadata(&attributes), context.spec.overwrite);
        let (name, temp_file) = (target.name.clone(), part.temp_file);
        let finished = run_blocking(move || {
            // A partial file may be longer than the source.
            file.set_len(version.size)?;
            local::set_metadata(&file, metadata)?;
            file.sync_all()?;
            temp_file.commit(&name, overwrite)
        });
        finished.await?.map_err(|error| target.failed(&error))
    }

    /// Copies a file that claims to be empty, like those of /proc: reads block after block to the end, up to
    /// [`limits::UNSIZED_FILE_MAX_BYTES`].
    async fn copy_unsized(&self, attributes: &Attributes) -> Result<(), TransferError> {
        let failed = |error| self.failed(error);
        let (sftp, handle) = (self.sftp, self.handle);
        let mut content: Vec<Bytes> = Vec::new();
        let mut size = 0;
        loop {
            let read = sftp.read(handle, size, sftp.read_block()).await;
            let Some(pieces) = read.map_err(failed)?.data().await.map_err(failed)? else {
                break;
            };
            let length: usize = pieces.iter().map(Bytes::len).sum();
            size += length as u64;
            if length == 0 || size > limits::UNSIZED_FILE_MAX_BYTES {
                let most = limits::UNSIZED_FILE_MAX_BYTES;
                let reason = format!("it claims to be empty and has no end within {most} bytes");
                return Err(TransferError::remote(self.path, reason));
            }
            content.extend(pieces);
        }
        let stat = sftp.stat_handle(handle).await.map_err(failed)?;
        let closing = sftp.close(handle).await.map_err(failed)?;
        let now = stat.attributes().await.map_err(failed)?;
        drop(closing);
        if now.size.unwrap_or_default() != 0 {
            let difference = "it was empty and is not any more".to_owned();
            return Err(source_changed(self.path, difference));
        }
        self.verify_and_write(content, size, attributes).await?;
        self.context.report.progress.add_total(size);
        self.context.report.progress.add_bytes(size);
        Ok(())
    }

    /// Verifies content in memory as the call requires, and writes the content to the target.
    async fn verify_and_write(
        &self,
        pieces: Vec<Bytes>,
        size: u64,
        attributes: &Attributes,
    ) -> Result<(), TransferError> {
        if self.context.spec.verify == Verify::Sha256 {
            self.verify_hash(size, &hash::hash_bytes(&pieces)).await?;
        }
        let metadata = self.metadata(attributes);
        let overwrite = self.context.spec.overwrite;
        let target = self.target.clone();
        let written = run_blocking(move || write_target(&target, &pieces, metadata, overwrite));
        written.await?.map_err(|error| self.target.failed(&error))
    }

    /// Compares the hash of the local copy with the source.
    async fn verify_hash(&self, size: u64, expected: &hash::Hash) -> Result<(), TransferError> {
        let host = &self.context.host;
        let (matches, method) = hash::remote_matches(host, self.path, size, expected).await?;
        if !matches {
            return Err(TransferError::Verify {
                path: self.target.shown.clone(),
                difference: "the sha256 of what arrived is another one".to_owned(),
            });
        }
        self.context.report.add_note(method.description());
        Ok(())
    }

    /// Mode and times for the target. A host without times gives the present time.
    fn metadata(&self, attributes: &Attributes) -> Metadata {
        let mode = attributes
            .permissions
            .map_or(MODE_DEFAULT, |mode| mode & MODE_MASK);
        Metadata {
            mode: self.context.spec.mode.unwrap_or(mode),
            accessed: attributes.atime.map_or_else(seconds_now, i64::from),
            modified: attributes.mtime.map_or_else(seconds_now, i64::from),
        }
    }
}

/// The present time, in seconds since 1970.
fn seconds_now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() as i64)
}

/// Writes a small file: a temporary file, the disk, the move to the target.
fn write_target(
    target: &Target,
    pieces: &[Bytes],
    metadata: Metadata,
    overwrite: bool,
) -> io::Result<()> {
    let (file, temp_file) = TempFile::create(target)?;
    write_pieces(&file, pieces.iter(), 0)?;
    local::set_metadata(&file, metadata)?;
    file.sync_all()?;
    temp_file.commit(&target.name, overwrite)
}
