//! One file or one tree to the host.

mod blocks;
mod file;
mod finish;
mod resume;
mod source;
mod tree;

use std::sync::Arc;

use super::context::Context;
use super::error::TransferError;
use super::local::blocking;
use super::remote;
use super::spec::Summary;
use crate::policy;
use source::Found;

/// Uploads the file or the tree that the call names.
pub(super) async fn upload(context: &Context) -> Result<Summary, TransferError> {
    let spec = &context.spec;
    let path = spec.policy.expand(&spec.local)?;
    let rules = Arc::clone(&spec.policy);
    let given = spec.local.clone();
    let found = blocking(move || source::find(&path, &given, &rules)).await??;
    let remote = remote::expand(&context.sftp, &spec.remote).await?;
    match found {
        Found::Directory(path) if spec.recursive => tree::run(context, path, remote).await,
        Found::Directory(path) => Err(TransferError::local(
            &policy::shown(&path),
            "it is a directory; recursive: true copies it with all that is in it",
        )),
        Found::File(source) => file::upload_file(context, source, &remote).await,
    }
}
