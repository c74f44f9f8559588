//! Goes on from the part of a file that an earlier call has left on the host.

use std::sync::Arc;

use super::file::{Draft, create};
use super::source::Source;
use crate::limits;
use crate::ssh::sftp::wire::{FileKind, file_kind};
use crate::ssh::transfer::context::{Context, lock};
use crate::ssh::transfer::error::TransferError;
use crate::ssh::transfer::local::blocking;
use crate::ssh::transfer::remote::{self, Target};
use crate::ssh::transfer::{hash, names, tree};

/// Finds the part that an earlier call has left, and whether it is the beginning of this source.
pub(super) async fn draft(
    context: &Context,
    source: &Source,
    target: &Target,
) -> Result<Draft, TransferError> {
    let size = source.size();
    let name = names::partial(&target.name, size, source.meta.modified);
    let path = names::join(&target.directory, &name);
    remove_older(context, target, &name).await?;
    if let Some(there) = remote::look(context, &path).await?
        && file_kind(&there) == FileKind::File
    {
        let part = there.size.unwrap_or_default().min(size);
        if let Some(start) = matching_part(context, source, &path, part).await? {
            let opened = async { context.sftp.open_write(&path).await?.handle().await };
            let handle = opened
                .await
                .map_err(|error| TransferError::sftp(&path, error))?;
            *lock(&context.kept) = Some(path.clone());
            return Ok(Draft {
                path,
                handle,
                start,
            });
        }
        context.note("the part on the host is not the beginning of this file: started anew".into());
        let removed = async { context.sftp.remove(&path).await?.done().await };
        removed
            .await
            .map_err(|error| TransferError::sftp(&path, error))?;
    }
    let draft = create(context, path, target).await?;
    context.unregister(&draft.path);
    *lock(&context.kept) = Some(draft.path.clone());
    Ok(draft)
}

/// How much of a part can be kept. Its last blocks may have holes where it came over several channels; below
/// those there are none.
async fn matching_part(
    context: &Context,
    source: &Source,
    path: &str,
    part: u64,
) -> Result<Option<u64>, TransferError> {
    for length in [part, part.saturating_sub(limits::TRANSFER_SPAN_BYTES)] {
        if length == 0 {
            break;
        }
        let file = Arc::clone(&source.file);
        let expected = blocking(move || hash::of_local(&file, length)).await?;
        let expected = expected.map_err(|error| TransferError::io(&source.shown, &error))?;
        let Some(expected) = expected else { break };
        if hash::remote_matches(context, path, length, &expected)
            .await?
            .0
        {
            return Ok(Some(length));
        }
    }
    Ok(None)
}

/// Parts of a source that was different then are of no use.
async fn remove_older(
    context: &Context,
    target: &Target,
    current: &str,
) -> Result<(), TransferError> {
    let listing = tree::list(context, &target.directory, limits::PARTIAL_SEARCH_MAX).await;
    // A directory that cannot be read, or is too large to look through, hides nothing that matters.
    let Ok(entries) = listing else { return Ok(()) };
    for entry in entries {
        let Ok(name) = std::str::from_utf8(&entry.name) else {
            continue;
        };
        if name != current && names::is_partial_of(name, &target.name) {
            let path = names::join(&target.directory, name);
            let removed = async { context.sftp.remove(&path).await?.done().await };
            if removed.await.is_ok() {
                context.note("the source changed since the earlier call: started anew".into());
            }
        }
    }
    Ok(())
}
