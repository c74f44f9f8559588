//! One file from the host.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::blocks::copy;
use super::part_file::prepare;
use super::target::{Target, Version, changed, find, new_temporary};
use super::writer;
use crate::limits;
use crate::ssh::sftp::Handle;
use crate::ssh::sftp::read_block::read_full_block;
use crate::ssh::sftp::wire::Attributes;
use crate::ssh::transfer::context::{Context, lock};
use crate::ssh::transfer::error::TransferError;
use crate::ssh::transfer::local::{self, Meta, blocking};
use crate::ssh::transfer::spec::{Summary, Verify};
use crate::ssh::transfer::{extra_channels, hash, names, remote};

/// Setuid, setgid and sticky bits are never carried over.
const MODE_MASK: u32 = 0o777;
/// The mode of a file whose host tells none.
const MODE_DEFAULT: u32 = 0o644;

/// Carries the file that a call names to the path that it names.
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
    extra_channels::open_ahead(context, size, None);
    let (name, rules) = (OsString::from(name), Arc::clone(&spec.policy));
    let (overwrite, recursive) = (spec.overwrite, spec.recursive);
    let slash = spec.local.ends_with('/');
    let target =
        blocking(move || find(&local, slash, name, &rules, overwrite, recursive)).await??;
    let shown = target.shown.clone();
    file(context, &path, &target, size).await?;
    Ok(context.summary(shown, path))
}

/// Carries one file to its target. `hint` is the size that a listing told.
pub(super) async fn file(
    context: &Context,
    path: &str,
    target: &Target,
    hint: u64,
) -> Result<(), TransferError> {
    let opened = async { context.sftp.open_read(path).await?.handle().await };
    let handle = match opened.await {
        Ok(handle) => handle,
        Err(error) => return Err(remote::explain(context, path, error, 0).await),
    };
    if hint > 0 && hint <= context.sftp.read_block() {
        small(context, path, target, &handle, hint).await?;
    } else {
        large(context, path, target, &handle).await?;
    }
    lock(&context.kept).take();
    context.progress.add_file();
    Ok(())
}

fn meta(context: &Context, attributes: &Attributes) -> Meta {
    let mode = attributes
        .permissions
        .map_or(MODE_DEFAULT, |mode| mode & MODE_MASK);
    Meta {
        mode: context.spec.mode.unwrap_or(mode),
        accessed: attributes.atime.map_or_else(now, i64::from),
        modified: attributes.mtime.map_or_else(now, i64::from),
    }
}

/// For a host that tells no times.
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() as i64)
}

/// A file of one block: one round trip for all of it.
async fn small(
    context: &Context,
    path: &str,
    target: &Target,
    handle: &Handle,
    hint: u64,
) -> Result<(), TransferError> {
    let failed = |error| TransferError::sftp(path, error);
    let sftp = &context.sftp;
    let before = sftp.stat_handle(handle).await.map_err(failed)?;
    let read = sftp.read(handle, 0, hint).await.map_err(failed)?;
    let after = sftp.stat_handle(handle).await.map_err(failed)?;
    let before = before.attributes().await.map_err(failed)?;
    let pieces = read_full_block(sftp, handle, 0, hint, read)
        .await
        .map_err(failed)?;
    let after = after.attributes().await.map_err(failed)?;
    let closing = sftp.close(handle).await.map_err(failed)?;
    // Nothing was written there.
    drop(closing);
    let version = Version::of(&before);
    version.check(Version::of(&after), path)?;
    let Some(pieces) = pieces.filter(|_| version.size == hint) else {
        let what = format!("it had {hint} bytes and has {}", version.size);
        return Err(changed(path, what));
    };
    if context.spec.verify == Verify::Sha256 {
        verify(context, path, hint, &hash::of_bytes(&pieces), target).await?;
    }
    let (meta, overwrite) = (meta(context, &before), context.spec.overwrite);
    let place = target.clone();
    let written = blocking(move || write_small(&place, &pieces, meta, overwrite)).await?;
    written.map_err(|error| target.failed(&error))?;
    context.progress.add_bytes(hint);
    Ok(())
}

fn write_small(target: &Target, pieces: &[Bytes], meta: Meta, overwrite: bool) -> io::Result<()> {
    let (file, temporary) = new_temporary(target)?;
    writer::write_pieces(&file, pieces.iter(), 0)?;
    local::set(&file, meta)?;
    file.sync_all()?;
    temporary.commit(&target.name, overwrite)
}

async fn verify(
    context: &Context,
    path: &str,
    size: u64,
    expected: &hash::Hash,
    target: &Target,
) -> Result<(), TransferError> {
    let (matches, way) = hash::remote_matches(context, path, size, expected).await?;
    if !matches {
        return Err(TransferError::Verify {
            path: target.shown.clone(),
            what: "the sha256 of what arrived is another one".to_owned(),
        });
    }
    context.note(way.words());
    Ok(())
}

/// A file of many blocks, over several channels where that helps; or one that claims to be empty.
async fn large(
    context: &Context,
    path: &str,
    target: &Target,
    handle: &Handle,
) -> Result<(), TransferError> {
    let failed = |error| TransferError::sftp(path, error);
    let sftp = &context.sftp;
    let stat = sftp.stat_handle(handle).await.map_err(failed)?;
    let attributes = stat.attributes().await.map_err(failed)?;
    let version = Version::of(&attributes);
    if version.size == 0 {
        return empty(context, path, target, handle, &attributes).await;
    }
    let part = prepare(context, path, target, version).await?;
    extra_channels::open_late(context, version.size.saturating_sub(part.start), None);
    context.progress.add_present(part.start);
    context.resumed.fetch_add(part.start, Ordering::Relaxed);
    let file = Arc::clone(&part.file);
    copy(context, path, target, handle, version.size, &part).await?;
    let stat = sftp.stat_handle(handle).await.map_err(failed)?;
    let closing = sftp.close(handle).await.map_err(failed)?;
    let now = stat.attributes().await.map_err(failed)?;
    drop(closing);
    version.check(Version::of(&now), path)?;
    if context.spec.verify == Verify::Sha256 {
        let file = Arc::clone(&file);
        let hash = blocking(move || hash::of_local(&file, version.size)).await?;
        let hash = hash.map_err(|error| target.failed(&error))?;
        verify(
            context,
            path,
            version.size,
            &hash.unwrap_or_default(),
            target,
        )
        .await?;
    }
    let (meta, overwrite) = (meta(context, &attributes), context.spec.overwrite);
    let (place, temporary) = (target.clone(), part.temporary);
    let finished = blocking(move || {
        // A part that was longer than its source is cut.
        file.set_len(version.size)?;
        local::set(&file, meta)?;
        file.sync_all()?;
        temporary.commit(&place.name, overwrite)
    });
    finished.await?.map_err(|error| target.failed(&error))
}

/// Files of /proc claim to be empty: they are read to their end, one block after the other.
async fn empty(
    context: &Context,
    path: &str,
    target: &Target,
    handle: &Handle,
    attributes: &Attributes,
) -> Result<(), TransferError> {
    let failed = |error| TransferError::sftp(path, error);
    let sftp = &context.sftp;
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
            return Err(TransferError::remote(path, reason));
        }
        content.extend(pieces);
    }
    let stat = sftp.stat_handle(handle).await.map_err(failed)?;
    let closing = sftp.close(handle).await.map_err(failed)?;
    let now = stat.attributes().await.map_err(failed)?;
    drop(closing);
    if now.size.unwrap_or_default() != 0 {
        return Err(changed(path, "it was empty and is not any more".to_owned()));
    }
    if context.spec.verify == Verify::Sha256 {
        verify(context, path, size, &hash::of_bytes(&content), target).await?;
    }
    let (meta, overwrite) = (meta(context, attributes), context.spec.overwrite);
    let place = target.clone();
    let written = blocking(move || write_small(&place, &content, meta, overwrite)).await?;
    written.map_err(|error| target.failed(&error))?;
    context.progress.add_total(size);
    context.progress.add_bytes(size);
    Ok(())
}
