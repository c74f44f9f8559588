//! Downloads: a file or a tree from the host.
//!
//! [`target`] resolves the place of the local file, [`temp_file`] creates the temporary file there (or [`part_file`]
//! finds the partial file of an earlier call), [`blocks`] fetches the content, [`writer`] writes blocks to the disk.
//! [`version`] notices changes of the source. [`mod@file`] holds these steps together; [`tree`] does the same for many
//! files, which [`walk`] lists.

mod blocks;
mod file;
mod part_file;
mod target;
mod temp_file;
mod tree;
mod version;
mod walk;
mod writer;

use super::context::Context;
use super::error::TransferError;
use super::remote::{expand_path, explain};
use super::spec::Summary;
use crate::ssh::sftp::wire::{FileKind, file_kind};

/// Downloads the file or the tree that the call names.
pub(super) async fn download(context: &Context) -> Result<Summary, TransferError> {
    let spec = &context.spec;
    let sftp = &context.host.sftp;
    let local = spec.policy.expand(&spec.local)?;
    let path = expand_path(sftp, &spec.remote).await?;
    let found = match sftp.stat(&path).await {
        Ok(found) => found,
        Err(error) => return Err(explain(sftp, &path, error, 0).await),
    };
    match file_kind(&found) {
        FileKind::Directory if spec.recursive => tree::download_tree(context, path, local).await,
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
