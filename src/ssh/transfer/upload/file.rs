//! One file to the host.

use std::path::Path;
use std::sync::atomic::Ordering;

use super::blocks::{Blocks, Carried, Failed, copy};
use super::source::Source;
use super::{finish, resume};
use crate::ssh::sftp::error::status;
use crate::ssh::sftp::{Handle, SftpError};
use crate::ssh::transfer::context::Context;
use crate::ssh::transfer::error::TransferError;
use crate::ssh::transfer::local::blocking;
use crate::ssh::transfer::remote::{self, Target};
use crate::ssh::transfer::spec::Summary;
use crate::ssh::transfer::{extra_channels, names, striping};

/// The temporary file on the host that becomes the target.
pub(super) struct Draft {
    pub(super) path: String,
    pub(super) handle: Handle,
    /// Bytes that an earlier call has left in it.
    pub(super) start: u64,
}

/// Carries the file that a call names to the path that it names.
pub(super) async fn upload_file(
    context: &Context,
    source: Source,
    remote: &str,
) -> Result<Summary, TransferError> {
    let name = source.name.to_str().map(ToOwned::to_owned);
    let name = name.ok_or_else(|| {
        TransferError::local(&source.shown, "its name is not UTF-8; rename it first")
    })?;
    extra_channels::open_ahead(context, source.size(), Some(&context.draft));
    let early = early_draft(context, remote, &name);
    let (target, early) = tokio::join!(remote::target(context, remote, &name), early);
    let target = target?;
    let draft = fitting(context, early, &target).await;
    context.progress.add_total(source.size());
    let shown = source.shown.clone();
    file(context, source, &target, draft).await?;
    Ok(context.summary(shown, target.path))
}

/// On a long link, the temporary file beside what looks like the name of a file, while it is still looked up
/// whether there is a directory of that name.
async fn early_draft(context: &Context, path: &str, source_name: &str) -> Option<Draft> {
    let (directory, name) = names::split(path);
    let spec = &context.spec;
    let guessed = name.is_some_and(|name| looks_like_file(name, source_name));
    if !guessed || !spec.overwrite || spec.resume || !striping::is_long_link(context) {
        return None;
    }
    let path = names::join(directory, &names::temporary(name?));
    // What went wrong is found out, and told, when it is made for good.
    open_draft(context, path).await.ok()
}

fn looks_like_file(name: &str, source_name: &str) -> bool {
    let extension = Path::new(name).extension();
    name == source_name || (extension.is_some() && extension == Path::new(source_name).extension())
}

/// The early file, if it is beside the target; one that is not is removed.
async fn fitting(context: &Context, early: Option<Draft>, target: &Target) -> Option<Draft> {
    let draft = early?;
    if names::split(&draft.path).0 == target.directory {
        return Some(draft);
    }
    let removed = async {
        let closing = context.sftp.close(&draft.handle).await?;
        let removing = context.sftp.remove(&draft.path).await?;
        // Whatever became of that: the file is to go.
        drop(closing);
        removing.done().await
    };
    match removed.await {
        Ok(()) => context.unregister(&draft.path),
        Err(_) => context.note(format!("{:?} could not be removed", draft.path)),
    }
    None
}

/// Carries one open file to its target.
pub(super) async fn file(
    context: &Context,
    source: Source,
    target: &Target,
    early: Option<Draft>,
) -> Result<(), TransferError> {
    if source.size() <= context.sftp.write_block() {
        small(context, &source, target, early).await?;
    } else {
        large(context, &source, target, early).await?;
    }
    context.progress.add_file();
    Ok(())
}

/// A file of one block: one round trip to make it, one for all the rest, one to move it.
async fn small(
    context: &Context,
    source: &Source,
    target: &Target,
    early: Option<Draft>,
) -> Result<(), TransferError> {
    let reader = source.clone();
    let content = blocking(move || reader.read_small()).await??;
    let size = content.len() as u64;
    let draft = match early {
        Some(draft) => draft,
        None => new_draft(context, target).await?,
    };
    let mut writes = Vec::new();
    let mut offset = 0;
    let mut rest = content;
    while !rest.is_empty() {
        let length = rest.len().min(context.sftp.write_block() as usize);
        let block = rest.split_to(length);
        let (sftp, over) = (&context.sftp, context.over.clone());
        let sent = async {
            let slot = sftp.reserve_slot().await?;
            sftp.write(slot, &draft.handle, offset, block, over).await
        };
        writes.push(
            sent.await
                .map_err(|error| TransferError::sftp(&target.path, error))?,
        );
        offset += length as u64;
    }
    finish::finish(context, source, target, &draft.handle, size, writes).await?;
    if source.size() == 0 {
        context.progress.add_total(size);
    }
    context.progress.add_bytes(size);
    finish::conclude(context, source, &draft.path, size, target).await
}

/// A file of many blocks, over several channels where that helps.
async fn large(
    context: &Context,
    source: &Source,
    target: &Target,
    early: Option<Draft>,
) -> Result<(), TransferError> {
    let draft = match early {
        Some(draft) => draft,
        None if context.spec.resume => {
            let draft = resume::draft(context, source, target).await?;
            extra_channels::open_late(context, source.size() - draft.start, Some(&context.draft));
            draft
        }
        None => new_draft(context, target).await?,
    };
    context.progress.add_present(draft.start);
    context.resumed.fetch_add(draft.start, Ordering::Relaxed);
    let size = source.size();
    let blocks = Blocks::read(context, source, draft.start);
    let arrived = match copy(context, &blocks, &draft).await {
        Ok(arrived) => arrived,
        Err(Failed::Sftp(error)) => {
            let needed = size - blocks.window.low();
            return Err(remote::explain(context, &target.path, error, needed).await);
        }
        Err(Failed::Other(error)) => return Err(error),
    };
    if arrived == Carried::Synced(size) && finish::can_settle(context) {
        return finish::settle(context, source, &draft, target).await;
    }
    finish::finish(context, source, target, &draft.handle, size, Vec::new()).await?;
    finish::conclude(context, source, &draft.path, size, target).await
}

async fn new_draft(context: &Context, target: &Target) -> Result<Draft, TransferError> {
    let path = names::join(&target.directory, &names::temporary(&target.name));
    create(context, path, target).await
}

/// Makes the temporary file, and the directories above it where that is asked for.
pub(super) async fn create(
    context: &Context,
    path: String,
    target: &Target,
) -> Result<Draft, TransferError> {
    let made = match open_draft(context, path.clone()).await {
        Err(SftpError::Status(answer))
            if answer.code == status::NO_SUCH_FILE && context.spec.recursive =>
        {
            remote::make_directories(context, &target.directory).await?;
            open_draft(context, path).await
        }
        made => made,
    };
    match made {
        Ok(draft) => Ok(draft),
        Err(error) => Err(remote::explain(context, &target.path, error, 0).await),
    }
}

/// Makes a file that is removed if the transfer fails. What the server refused to make need not be.
async fn open_draft(context: &Context, path: String) -> Result<Draft, SftpError> {
    context.register(&path);
    let made = async {
        let asked = context.sftp.create(&path, 0o600).await?;
        context.draft.send_replace(Some(path.clone()));
        asked.handle().await
    };
    let made = made.await;
    if matches!(made, Err(SftpError::Status(_))) {
        context.unregister(&path);
    }
    Ok(Draft {
        handle: made?,
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
