//! The end of an upload: what was written becomes the target.

use std::sync::Arc;

use super::file::Draft;
use super::source::Source;
use crate::ssh::sftp::wire::Attributes;
use crate::ssh::sftp::{Handle, Pending, SftpError};
use crate::ssh::transfer::context::{Context, lock};
use crate::ssh::transfer::error::TransferError;
use crate::ssh::transfer::hash;
use crate::ssh::transfer::local::{Meta, blocking};
use crate::ssh::transfer::remote::{self, Target};
use crate::ssh::transfer::spec::Verify;

/// Setuid, setgid and sticky bits are never carried over.
const MODE_MASK: u32 = 0o777;

/// Whether what is on the disk of the host can become the target in one round trip.
pub(super) fn can_settle(context: &Context) -> bool {
    let spec = &context.spec;
    let one_step = !spec.overwrite || context.sftp.can_replace();
    one_step && !spec.resume && spec.verify == Verify::Size
}

/// For a file that is whole and on the disk of the host: mode and times, and the move to its target, all at once.
pub(super) async fn settle(
    context: &Context,
    source: &Source,
    draft: &Draft,
    target: &Target,
) -> Result<(), TransferError> {
    let failed = |error| TransferError::sftp(&target.path, error);
    let checked = source.clone();
    blocking(move || checked.check_unchanged()).await??;
    let sftp = &context.sftp;
    let attributes = attributes(context, source, source.size());
    let set = sftp.set_handle_attributes(&draft.handle, &attributes).await;
    let set = set.map_err(failed)?;
    let close = sftp.close(&draft.handle).await.map_err(failed)?;
    let moved = remote::start_move(context, &draft.path, &target.path).await;
    let moved = moved.map_err(failed)?;
    taken(context, set).await.map_err(failed)?;
    // The content is on the disk: closing has nothing left to fail with.
    match close.done().await {
        Ok(()) | Err(SftpError::Status(_)) => {}
        Err(error) => return Err(failed(error)),
    }
    remote::moved(context, &draft.path, &target.path, moved).await
}

/// Checks what was written as the call asks for, and moves it to its target.
pub(super) async fn conclude(
    context: &Context,
    source: &Source,
    draft: &str,
    size: u64,
    target: &Target,
) -> Result<(), TransferError> {
    if context.spec.verify == Verify::Sha256 {
        verify(context, source, draft, size, target).await?;
    }
    let checked = source.clone();
    blocking(move || checked.check_unchanged()).await??;
    remote::commit(context, draft, &target.path).await?;
    lock(&context.kept).take();
    Ok(())
}

/// A host that refuses a mode or times has the file all the same.
async fn taken(context: &Context, set: Pending) -> Result<(), SftpError> {
    match set.done().await {
        Err(SftpError::Status(_)) => {
            context.note("the host did not take the mode or the times of a file".to_owned());
            Ok(())
        }
        result => result,
    }
}

/// Size, mode and times, the disk, and a look at what is there: one round trip.
pub(super) async fn finish(
    context: &Context,
    source: &Source,
    target: &Target,
    handle: &Handle,
    size: u64,
    writes: Vec<Pending>,
) -> Result<(), TransferError> {
    let failed = |error| TransferError::sftp(&target.path, error);
    let sftp = &context.sftp;
    let attributes = attributes(context, source, size);
    let set = sftp
        .set_handle_attributes(handle, &attributes)
        .await
        .map_err(failed)?;
    let sync = sftp.sync(handle).await.map_err(failed)?;
    let stat = sftp.stat_handle(handle).await.map_err(failed)?;
    let close = sftp.close(handle).await.map_err(failed)?;
    for write in writes {
        if let Err(error) = write.done().await {
            return Err(remote::explain(context, &target.path, error, size).await);
        }
    }
    taken(context, set).await.map_err(failed)?;
    if let Some(sync) = sync
        && let Err(error) = sync.done().await
    {
        return Err(remote::explain(context, &target.path, error, size).await);
    }
    let arrived = stat.attributes().await.map_err(failed)?.size;
    if let Err(error) = close.done().await {
        return Err(remote::explain(context, &target.path, error, size).await);
    }
    match arrived {
        Some(arrived) if arrived != size => Err(TransferError::Verify {
            path: target.path.clone(),
            what: format!("{size} bytes were sent and the host has {arrived}"),
        }),
        _ => Ok(()),
    }
}

fn attributes(context: &Context, source: &Source, size: u64) -> Attributes {
    let mode = context.spec.mode.unwrap_or(source.meta.mode & MODE_MASK);
    Attributes {
        size: Some(size),
        ..directory_attributes(mode, source.meta)
    }
}

/// What a directory on the host is given; a file is given its size too.
pub(super) fn directory_attributes(mode: u32, meta: Meta) -> Attributes {
    let seconds = |time: i64| u32::try_from(time.max(0)).unwrap_or(u32::MAX);
    Attributes {
        permissions: Some(mode),
        atime: Some(seconds(meta.accessed)),
        mtime: Some(seconds(meta.modified)),
        ..Attributes::default()
    }
}

async fn verify(
    context: &Context,
    source: &Source,
    temporary: &str,
    size: u64,
    target: &Target,
) -> Result<(), TransferError> {
    let file = Arc::clone(&source.file);
    let expected = blocking(move || hash::of_local(&file, size)).await?;
    let expected = expected.map_err(|error| TransferError::io(&source.shown, &error))?;
    let expected = expected.ok_or_else(|| source.changed("it became shorter".to_owned()))?;
    let (matches, way) = hash::remote_matches(context, temporary, size, &expected).await?;
    if !matches {
        return Err(TransferError::Verify {
            path: target.path.clone(),
            what: "the sha256 of what arrived is another one".to_owned(),
        });
    }
    context.note(way.words());
    Ok(())
}
