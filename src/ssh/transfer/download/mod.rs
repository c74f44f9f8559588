//! One file or one tree from the host.

mod blocks;
mod file;
mod part_file;
mod target;
mod tree;
mod writer;

use super::context::Context;
use super::error::TransferError;
use super::remote;
use super::spec::Summary;
use crate::ssh::sftp::wire::{FileKind, file_kind};

/// Downloads the file or the tree that the call names.
pub(super) async fn download(context: &Context) -> Result<Summary, TransferError> {
    let spec = &context.spec;
    let local = spec.policy.expand(&spec.local)?;
    let path = remote::expand(&context.sftp, &spec.remote).await?;
    let found = match context.sftp.stat(&path).await {
        Ok(found) => found,
        Err(error) => return Err(remote::explain(context, &path, error, 0).await),
    };
    match file_kind(&found) {
        FileKind::Directory if spec.recursive => tree::run(context, path, local).await,
        FileKind::Directory => Err(TransferError::remote(
            &path,
            "it is a directory; recursive: true copies it with all that is in it",
        )),
        FileKind::Special | FileKind::Link => Err(TransferError::remote(
            &path,
            "it is a special file (a device, a pipe or a socket)",
        )),
        FileKind::File => {
            let size = found.size.unwrap_or_default();
            file::download_file(context, path, local, size).await
        }
    }
}
