//! Continues the partial file of an earlier upload.

use std::sync::Arc;

use super::source::Source;
use super::target::{Target, stat_existing};
use super::temp_file::{TempFile, create};
use crate::limits;
use crate::ssh::sftp::wire::{FileKind, file_kind};
use crate::ssh::transfer::blocking::run_blocking;
use crate::ssh::transfer::context::Context;
use crate::ssh::transfer::error::TransferError;
use crate::ssh::transfer::host::Host;
use crate::ssh::transfer::{hash, names, tree};

/// Opens the partial file of an earlier call, if its content is the beginning of this source; creates a partial file
/// otherwise.
pub(super) async fn open_partial(
    context: &Context,
    source: &Source,
    target: &Target,
) -> Result<TempFile, TransferError> {
    let sftp = &context.host.sftp;
    let size = source.size();
    let name = names::partial(&target.name, size, source.metadata.modified);
    let path = names::join(&target.directory, &name);
    remove_outdated(context, target, &name).await?;
    if let Some(existing) = stat_existing(sftp, &path).await?
        && file_kind(&existing) == FileKind::File
    {
        let length = existing.size.unwrap_or_default().min(size);
        if let Some(start) = matching_length(&context.host, source, &path, length).await? {
            let opened = async { sftp.open_write(&path).await?.handle().await };
            let handle = opened
                .await
                .map_err(|error| TransferError::sftp(&path, error))?;
            context.temp_files.set_partial(path.clone());
            return Ok(TempFile {
                path,
                handle,
                start,
            });
        }
        context
            .report
            .add_note("the part on the host is not the beginning of this file: started anew");
        let removed = async { sftp.remove(&path).await?.done().await };
        removed
            .await
            .map_err(|error| TransferError::sftp(&path, error))?;
    }
    let created = create(context, path, target).await?;
    context.temp_files.unregister(&created.path);
    context.temp_files.set_partial(created.path.clone());
    Ok(created)
}

/// The usable length of a partial file, in bytes; `None` if the content differs from the source. Within the last
/// [`limits::TRANSFER_SPAN_BYTES`], several channels may have left holes; before, there are none.
async fn matching_length(
    host: &Host,
    source: &Source,
    path: &str,
    length: u64,
) -> Result<Option<u64>, TransferError> {
    for length in [length, length.saturating_sub(limits::TRANSFER_SPAN_BYTES)] {
        if length == 0 {
            break;
        }
        let file = Arc::clone(&source.file);
        let expected = run_blocking(move || hash::hash_file(&file, length)).await?;
        let expected = expected.map_err(|error| TransferError::io(&source.shown, &error))?;
        let Some(expected) = expected else { break };
        let (matches, _) = hash::remote_matches(host, path, length, &expected).await?;
        if matches {
            return Ok(Some(length));
        }
    }
    Ok(None)
}

/// Removes partial files of earlier versions of the source.
async fn remove_outdated(
    context: &Context,
    target: &Target,
    current: &str,
) -> Result<(), TransferError> {
    let sftp = &context.host.sftp;
    let listing = tree::list_directory(sftp, &target.directory, limits::PARTIAL_SEARCH_MAX).await;
    // Best effort: outdated partial files do no harm in an unreadable or very large directory.
    let Ok(entries) = listing else { return Ok(()) };
    for entry in entries {
        let Ok(name) = std::str::from_utf8(&entry.name) else {
            continue;
        };
        if name != current && names::is_partial_of(name, &target.name) {
            let path = names::join(&target.directory, name);
            let removed = async { sftp.remove(&path).await?.done().await };
            if removed.await.is_ok() {
                context
                    .report
                    .add_note("the source changed since the earlier call: started anew");
            }
        }
    }
    Ok(())
}
