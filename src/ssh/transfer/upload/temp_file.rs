//! The temporary file on the host.

use std::path::Path;

use super::target::{Target, make_directories};
use crate::ssh::sftp::error::status;
use crate::ssh::sftp::{Handle, SftpError};
use crate::ssh::transfer::context::Context;
use crate::ssh::transfer::error::TransferError;
use crate::ssh::transfer::names;
use crate::ssh::transfer::remote::explain;
use crate::ssh::transfer::striping::LinkKind;

/// Permissions while the content is incomplete: only for the owner.
const MODE_WHILE_FILLED: u32 = 0o600;

/// An open file on the host that becomes the target.
pub(super) struct TempFile {
    pub(super) path: String,
    pub(super) handle: Handle,
    /// Bytes that an earlier call has written.
    pub(super) start: u64,
}

/// Creates a temporary file in the directory of the target.
pub(super) async fn create_new(
    context: &Context,
    target: &Target,
) -> Result<TempFile, TransferError> {
    let path = names::join(&target.directory, &names::temporary(&target.name));
    create(context, path, target).await
}

/// Creates a file at `path`; with `recursive`, also missing directories.
pub(super) async fn create(
    context: &Context,
    path: String,
    target: &Target,
) -> Result<TempFile, TransferError> {
    let sftp = &context.host.sftp;
    let created = match request_creation(context, path.clone()).await {
        Err(SftpError::Status(answer))
            if answer.code == status::NO_SUCH_FILE && context.spec.recursive =>
        {
            make_directories(sftp, &context.report.progress, &target.directory).await?;
            request_creation(context, path).await
        }
        created => created,
    };
    match created {
        Ok(temp_file) => Ok(temp_file),
        Err(error) => Err(explain(sftp, &target.path, error, 0).await),
    }
}

/// Creates the temporary file of a path that looks like a file, while another request finds out whether a directory
/// of that name exists. Saves a round trip on long links; `None` on short links and for a doubtful path.
pub(super) async fn create_early(
    context: &Context,
    path: &str,
    source_name: &str,
) -> Option<TempFile> {
    let (directory, name) = names::split(path);
    let spec = &context.spec;
    let is_likely_file = name.is_some_and(|name| looks_like_file(name, source_name));
    let is_long_link = context.host.link_kind() == LinkKind::Long;
    if !is_likely_file || !spec.overwrite || spec.resume || !is_long_link {
        return None;
    }
    let path = names::join(directory, &names::temporary(name?));
    // An error comes back when the file is created again, and is explained then.
    request_creation(context, path).await.ok()
}

fn looks_like_file(name: &str, source_name: &str) -> bool {
    let extension = Path::new(name).extension();
    name == source_name || (extension.is_some() && extension == Path::new(source_name).extension())
}

/// Gives an early file back if its directory is that of the target, and removes the file otherwise.
pub(super) async fn keep_if_fitting(
    context: &Context,
    early: Option<TempFile>,
    target: &Target,
) -> Option<TempFile> {
    let temp_file = early?;
    if names::split(&temp_file.path).0 == target.directory {
        return Some(temp_file);
    }
    let sftp = &context.host.sftp;
    let removed = async {
        let closing = sftp.close(&temp_file.handle).await?;
        let removing = sftp.remove(&temp_file.path).await?;
        // The file is removed in any case, so the answer to the close does not matter.
        drop(closing);
        removing.done().await
    };
    match removed.await {
        Ok(()) => context.temp_files.unregister(&temp_file.path),
        Err(_) => {
            let note = format!("{:?} could not be removed", temp_file.path);
            context.report.add_note(note);
        }
    }
    None
}

/// Creates a file that is removed if the transfer fails. A file that the server refused needs no removal.
async fn request_creation(context: &Context, path: String) -> Result<TempFile, SftpError> {
    context.temp_files.register(&path);
    let creating = async {
        let requested = context.host.sftp.create(&path, MODE_WHILE_FILLED).await?;
        context.extra.announce(&path);
        requested.handle().await
    };
    let created = creating.await;
    if matches!(created, Err(SftpError::Status(_))) {
        context.temp_files.unregister(&path);
    }
    Ok(TempFile {
        handle: created?,
        path,
        start: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::looks_like_file;

    #[test]
    fn a_name_like_the_source_s_is_taken_for_a_file() {
        for (name, source, expected) in [
            ("app.tar.gz", "app.tar.gz", true),
            ("renamed.gz", "app.tar.gz", true),
            ("app", "app", true),
            ("app", "app.bin", false),
            ("data", "app", false),
            ("v1.2", "app.bin", false),
            (".bin", "app.bin", false),
        ] {
            assert_eq!(looks_like_file(name, source), expected, "{name} {source}");
        }
    }
}
