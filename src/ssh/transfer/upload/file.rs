//! The steps of the upload of a single file.

use super::blocks::{Blocks, Delivery, SendError, send_blocks};
use super::finish::Finish;
use super::resume::open_partial;
use super::source::Source;
use super::target::{Target, resolve_target};
use super::temp_file::{TempFile, create_early, create_new, keep_if_fitting};
use crate::ssh::transfer::blocking::run_blocking;
use crate::ssh::transfer::context::Context;
use crate::ssh::transfer::error::TransferError;
use crate::ssh::transfer::remote::explain;
use crate::ssh::transfer::spec::Summary;

/// Uploads the file that the call names to the path that the call names.
pub(super) async fn upload_file(
    context: &Context,
    source: Source,
    remote: &str,
) -> Result<Summary, TransferError> {
    let name = source.name.to_str().map(ToOwned::to_owned);
    let name = name.ok_or_else(|| {
        TransferError::local(&source.shown, "its name is not UTF-8; rename it first")
    })?;
    // With `resume`, channels open later: the comparison with the partial file may take long, and an idle channel
    // would be lost for other users meanwhile.
    if !context.spec.resume {
        open_extra_channels(context, source.size());
    }
    let (target, early) = tokio::join!(
        resolve_target(&context.host.sftp, remote, &name, context.spec.overwrite),
        create_early(context, remote, &name)
    );
    let target = target?;
    let early = keep_if_fitting(context, early, &target).await;
    context.report.progress.add_total(source.size());
    let shown = source.shown.clone();
    copy_file(context, source, &target, early).await?;
    Ok(context.summary(shown, target.path))
}

fn open_extra_channels(context: &Context, remaining: u64) {
    let channels = context.host.link_kind().channel_count(remaining);
    context.extra.open_for_writes(channels - 1);
}

/// Copies an open file to its target. `early` is the temporary file, if created before.
pub(super) async fn copy_file(
    context: &Context,
    source: Source,
    target: &Target,
    early: Option<TempFile>,
) -> Result<(), TransferError> {
    if source.size() <= context.host.sftp.write_block() {
        copy_small(context, &source, target, early).await?;
    } else {
        copy_large(context, &source, target, early).await?;
    }
    context.report.progress.add_file();
    Ok(())
}

/// Copies a file of one block: a round trip to create the file, a round trip for content and attributes, a round
/// trip to move the file.
async fn copy_small(
    context: &Context,
    source: &Source,
    target: &Target,
    early: Option<TempFile>,
) -> Result<(), TransferError> {
    let reader = source.clone();
    let content = run_blocking(move || reader.read_small()).await??;
    let size = content.len() as u64;
    let temp_file = match early {
        Some(temp_file) => temp_file,
        None => create_new(context, target).await?,
    };
    let sftp = &context.host.sftp;
    let mut writes = Vec::new();
    let mut offset = 0;
    let mut rest = content;
    while !rest.is_empty() {
        let length = rest.len().min(sftp.write_block() as usize);
        let block = rest.split_to(length);
        let over = context.host.over.clone();
        let sending = async {
            let slot = sftp.reserve_slot().await?;
            sftp.write(slot, &temp_file.handle, offset, block, over)
                .await
        };
        let sent = sending.await;
        writes.push(sent.map_err(|error| TransferError::sftp(&target.path, error))?);
        offset += length as u64;
    }
    let finish = Finish::new(context, source, target);
    finish.write_out(&temp_file.handle, size, writes).await?;
    if source.size() == 0 {
        context.report.progress.add_total(size);
    }
    context.report.progress.add_bytes(size);
    finish.verify_and_commit(&temp_file.path, size).await
}

/// Copies a file of many blocks, over several channels where that is faster.
async fn copy_large(
    context: &Context,
    source: &Source,
    target: &Target,
    early: Option<TempFile>,
) -> Result<(), TransferError> {
    let size = source.size();
    let temp_file = match early {
        Some(temp_file) => temp_file,
        None if context.spec.resume => {
            let partial = open_partial(context, source, target).await?;
            // The files of a tree are copied concurrently over a single channel.
            if !context.spec.recursive {
                open_extra_channels(context, size - partial.start);
            }
            partial
        }
        None => create_new(context, target).await?,
    };
    context.report.add_resumed(temp_file.start);
    let block = context.host.sftp.write_block();
    let blocks = Blocks::start_reading(source, temp_file.start, block);
    let delivery = match send_blocks(context, &blocks, &temp_file).await {
        Ok(delivery) => delivery,
        Err(SendError::Sftp(error)) => {
            let needed = size - blocks.window.low();
            return Err(explain(&context.host.sftp, &target.path, error, needed).await);
        }
        Err(SendError::Other(error)) => return Err(error),
    };
    let finish = Finish::new(context, source, target);
    if delivery == Delivery::Synced(size) && finish.can_settle() {
        return finish.settle(&temp_file).await;
    }
    finish
        .write_out(&temp_file.handle, size, Vec::new())
        .await?;
    finish.verify_and_commit(&temp_file.path, size).await
}
