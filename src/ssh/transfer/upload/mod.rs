//! Uploads: a file or a tree to the host.
//!
//! [`source`] opens the local file, [`target`] resolves its place on the host, [`temp_file`] creates the temporary
//! file there (or [`resume`] finds the partial file of an earlier call), [`blocks`] sends the content, [`finish`] sets
//! size, mode and times and checks the result, [`commit`] moves the file to its target. [`mod@file`] holds these steps
//! together; [`tree`] does the same for many files.

mod blocks;
mod commit;
mod file;
mod finish;
mod resume;
mod source;
mod target;
mod temp_file;
mod tree;
mod walk;

use std::sync::Arc;

use self::source::SourcePath;
use super::blocking::run_blocking;
use super::context::Context;
use super::error::TransferError;
use super::remote::expand_path;
use super::spec::Summary;
use crate::policy;

/// Uploads the file or the tree that the call names.
pub(super) async fn upload(context: &Context) -> Result<Summary, TransferError> {
    let spec = &context.spec;
    let path = spec.policy.expand(&spec.local)?;
    let rules = Arc::clone(&spec.policy);
    let given = spec.local.clone();
    let found = run_blocking(move || source::open_path(&path, &given, &rules)).await??;
    let remote = expand_path(&context.host.sftp, &spec.remote).await?;
    match found {
        SourcePath::Directory(path) if spec.recursive => {
            tree::upload_tree(context, path, remote).await
        }
        SourcePath::Directory(path) => Err(TransferError::local(
            &policy::shown(&path),
            "it is a directory; recursive: true copies it with all that is in it",
        )),
        SourcePath::File(source) => file::upload_file(context, source, &remote).await,
    }
}
