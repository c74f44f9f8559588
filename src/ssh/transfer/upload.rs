//! One file to the host.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use rustix::fs::FileType;

use super::error::{Side, TransferError};
use super::local::{self, Dir, Identity, Meta, blocking};
use super::remote::{self, Target};
use super::upload_blocks::{Blocks, Failed, copy};
use super::{Context, Summary, Verify, hash, lock, names, policy, tree_upload};
use crate::limits;
use crate::ssh::sftp::wire::{Attributes, Kind, kind_of, status};
use crate::ssh::sftp::{Handle, Pending, SftpError};

/// Setuid, setgid and sticky bits are never carried over.
const MODE_MASK: u32 = 0o777;

/// A local file that is being read.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) file: Arc<File>,
    directory: Dir,
    name: OsString,
    /// For messages.
    pub(super) shown: String,
    identity: Identity,
    meta: Meta,
}

/// What a source path names.
enum Found {
    File(Source),
    Directory(PathBuf),
}

/// Why a source is not read.
pub(super) enum Refused {
    /// It is a private key.
    Key,
    /// It is no file any more, or cannot be opened.
    Error(TransferError),
}

impl Source {
    /// Opens a file in a directory and looks at its beginning.
    pub(super) fn open(directory: Dir, name: OsString, shown: String) -> Result<Self, Refused> {
        let failed = |error: io::Error| Refused::Error(TransferError::io(&shown, &error));
        let file = directory.open_file(&name, false).map_err(failed)?;
        let stat = rustix::fs::fstat(&file).map_err(|error| failed(error.into()))?;
        if local::file_type(&stat) != FileType::RegularFile {
            let reason = "it is a special file (a device, a pipe or a socket)";
            return Err(Refused::Error(TransferError::local(&shown, reason)));
        }
        let mut head = [0; policy::KEY_HEAD_BYTES];
        let read = file.read_at(&mut head, 0).map_err(failed)?;
        if policy::is_private_key(&head[..read]) {
            return Err(Refused::Key);
        }
        Ok(Self {
            file: Arc::new(file),
            directory,
            name,
            identity: Identity::of(&stat),
            meta: local::meta(&stat),
            shown,
        })
    }

    pub(super) fn size(&self) -> u64 {
        self.identity.size
    }

    pub(super) fn changed(&self, what: String) -> TransferError {
        TransferError::Changed {
            side: Side::Local,
            path: self.shown.clone(),
            what,
        }
    }

    /// Whether it is still the file that was opened, as it was then.
    fn check_unchanged(&self) -> Result<(), TransferError> {
        let failed = |error: &io::Error| TransferError::io(&self.shown, error);
        let now = local::identity(&self.file).map_err(|error| failed(&error))?;
        if let Some(what) = self.identity.difference(&now) {
            return Err(self.changed(what));
        }
        match self.directory.stat(&self.name) {
            Ok(stat) => match self.identity.difference(&Identity::of(&stat)) {
                Some(what) => Err(self.changed(what)),
                None => Ok(()),
            },
            Err(_) => Err(self.changed("it was removed".to_owned())),
        }
    }

    /// All of a small file; of one that claims to be empty (/proc) whatever there is.
    fn read_small(&self) -> Result<Bytes, TransferError> {
        let size = self.size();
        let most = if size == 0 {
            limits::UNSIZED_FILE_MAX_BYTES
        } else {
            size
        };
        let mut content = Vec::with_capacity(size as usize + 1);
        let mut file = &*self.file;
        file.seek(SeekFrom::Start(0))
            .and_then(|_| file.take(most + 1).read_to_end(&mut content))
            .map_err(|error| TransferError::io(&self.shown, &error))?;
        let read = content.len() as u64;
        if size > 0 && read != size {
            return Err(self.changed(format!("it had {size} bytes and {read} were read")));
        }
        if read > most {
            let reason = format!("it claims to be empty and holds more than {most} bytes");
            return Err(TransferError::local(&self.shown, reason));
        }
        Ok(content.into())
    }
}

pub(super) async fn run(context: &Context) -> Result<Summary, TransferError> {
    let spec = &context.spec;
    let path = spec.policy.expand(&spec.local)?;
    let rules = Arc::clone(&spec.policy);
    let given = spec.local.clone();
    let found = blocking(move || find(&path, &given, &rules)).await??;
    let remote = remote::expand(&context.sftp, &spec.remote).await?;
    match found {
        Found::Directory(path) if spec.recursive => tree_upload::run(context, path, remote).await,
        Found::Directory(path) => Err(TransferError::local(
            &policy::shown(&path),
            "it is a directory; recursive: true copies it with all that is in it",
        )),
        Found::File(source) => {
            let name = source.name.to_str().map(ToOwned::to_owned);
            let name = name.ok_or_else(|| {
                TransferError::local(&source.shown, "its name is not UTF-8; rename it first")
            })?;
            super::tree::open_ahead(context, source.size());
            let target = remote::target(context, &remote, &name).await?;
            context.progress.add_total(source.size());
            let shown = source.shown.clone();
            file(context, source, &target).await?;
            Ok(context.summary(shown, target.path))
        }
    }
}

/// Opens the source; links in its path are followed, as `cp` does.
fn find(path: &Path, given: &str, rules: &policy::LocalPolicy) -> Result<Found, TransferError> {
    let real = path
        .canonicalize()
        .map_err(|error| TransferError::io(given, &error))?;
    rules.rules().check_source(&real)?;
    let shown = policy::shown(&real);
    if real.is_dir() {
        return Ok(Found::Directory(real));
    }
    let (Some(parent), Some(name)) = (real.parent(), real.file_name()) else {
        return Err(TransferError::local(&shown, "this is no file"));
    };
    let directory = Dir::open(parent).map_err(|error| TransferError::io(&shown, &error))?;
    match Source::open(directory, name.to_owned(), shown.clone()) {
        Ok(source) => Ok(Found::File(source)),
        Err(Refused::Key) => Err(TransferError::local(
            &shown,
            "it is a private key, and those are not uploaded; the user can copy it",
        )),
        Err(Refused::Error(error)) => Err(error),
    }
}

/// Carries one open file to its target.
pub(super) async fn file(
    context: &Context,
    source: Source,
    target: &Target,
) -> Result<(), TransferError> {
    let size = source.size();
    let (temporary, size) = if size <= context.sftp.write_block() {
        small(context, &source, target).await?
    } else {
        (large(context, &source, target).await?, size)
    };
    if context.spec.verify == Verify::Sha256 {
        verify(context, &source, &temporary, size, target).await?;
    }
    let checked = source.clone();
    blocking(move || checked.check_unchanged()).await??;
    remote::commit(context, &temporary, &target.path).await?;
    lock(&context.kept).take();
    context.progress.add_file();
    Ok(())
}

/// A file of one block: one round trip to make it, one for all the rest.
async fn small(
    context: &Context,
    source: &Source,
    target: &Target,
) -> Result<(String, u64), TransferError> {
    let reader = source.clone();
    let content = blocking(move || reader.read_small()).await??;
    let size = content.len() as u64;
    let temporary = names::join(&target.directory, &names::temporary(&target.name));
    let handle = create(context, &temporary, target).await?;
    let mut writes = Vec::new();
    let mut offset = 0;
    let mut rest = content;
    while !rest.is_empty() {
        let length = rest.len().min(context.sftp.write_block() as usize);
        let block = rest.split_to(length);
        let sent = context
            .sftp
            .write(&handle, offset, block, context.over.clone())
            .await;
        writes.push(sent.map_err(|error| TransferError::sftp(&target.path, error))?);
        offset += length as u64;
    }
    finish(context, source, target, &handle, size, writes).await?;
    if source.size() == 0 {
        context.progress.add_total(size);
    }
    context.progress.add_bytes(size);
    Ok((temporary, size))
}

/// Makes the temporary file, and the directories above it where that is asked for.
async fn create(
    context: &Context,
    temporary: &str,
    target: &Target,
) -> Result<Handle, TransferError> {
    context.register(temporary);
    let made = async { context.sftp.create(temporary, 0o600).await?.handle().await };
    match made.await {
        Ok(handle) => Ok(handle),
        Err(SftpError::Status(answer))
            if answer.code == status::NO_SUCH_FILE && context.spec.recursive =>
        {
            remote::make_directories(context, &target.directory).await?;
            let made = async { context.sftp.create(temporary, 0o600).await?.handle().await };
            match made.await {
                Ok(handle) => Ok(handle),
                Err(error) => Err(not_created(context, temporary, target, error).await),
            }
        }
        Err(error) => Err(not_created(context, temporary, target, error).await),
    }
}

/// Why there is no temporary file. What the server refused to make need not be removed.
async fn not_created(
    context: &Context,
    temporary: &str,
    target: &Target,
    error: SftpError,
) -> TransferError {
    if matches!(error, SftpError::Status(_)) {
        context.unregister(temporary);
    }
    remote::explain(context, &target.path, error, 0).await
}

/// Size, mode and times, the disk, and a look at what is there: one round trip.
async fn finish(
    context: &Context,
    source: &Source,
    target: &Target,
    handle: &Handle,
    size: u64,
    writes: Vec<Pending>,
) -> Result<(), TransferError> {
    let failed = |error| TransferError::sftp(&target.path, error);
    let sftp = &context.sftp;
    let mode = context.spec.mode.unwrap_or(source.meta.mode & MODE_MASK);
    let attributes = attributes(size, mode, source.meta);
    let set = sftp.set_handle(handle, &attributes).await.map_err(failed)?;
    let sync = sftp.sync(handle).await.map_err(failed)?;
    let stat = sftp.stat_handle(handle).await.map_err(failed)?;
    let close = sftp.close(handle).await.map_err(failed)?;
    for write in writes {
        if let Err(error) = write.done().await {
            return Err(remote::explain(context, &target.path, error, size).await);
        }
    }
    match set.done().await {
        Ok(()) => {}
        Err(SftpError::Status(_)) => {
            context.note("the host did not take the mode or the times of a file".to_owned());
        }
        Err(error) => return Err(failed(error)),
    }
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

/// What a file or a directory on the host is given.
pub(super) fn attributes(size: u64, mode: u32, meta: Meta) -> Attributes {
    Attributes {
        size: Some(size),
        ..directory_attributes(mode, meta)
    }
}

/// The same for a directory, which has no size.
pub(super) fn directory_attributes(mode: u32, meta: Meta) -> Attributes {
    let seconds = |time: i64| u32::try_from(time.max(0)).unwrap_or(u32::MAX);
    Attributes {
        permissions: Some(mode),
        atime: Some(seconds(meta.accessed)),
        mtime: Some(seconds(meta.modified)),
        ..Attributes::default()
    }
}

/// A file of many blocks, over several channels of a long link.
async fn large(
    context: &Context,
    source: &Source,
    target: &Target,
) -> Result<String, TransferError> {
    let (temporary, handle, start) = if context.spec.resume {
        resume(context, source, target).await?
    } else {
        let temporary = names::join(&target.directory, &names::temporary(&target.name));
        let handle = create(context, &temporary, target).await?;
        (temporary, handle, 0)
    };
    context.progress.add_present(start);
    context.resumed.fetch_add(start, Ordering::Relaxed);
    let blocks = Blocks::read(context, source, start);
    tracing::debug!(start, "copying");
    let copied = copy(context, &blocks, &handle, &temporary).await;
    if let Err(error) = copied {
        return Err(match error {
            Failed::Sftp(error) => {
                let needed = source.size() - blocks.window.low();
                remote::explain(context, &target.path, error, needed).await
            }
            Failed::Other(error) => error,
        });
    }
    tracing::debug!("copied");
    finish(context, source, target, &handle, source.size(), Vec::new()).await?;
    tracing::debug!("finished");
    Ok(temporary)
}

/// Finds the part that an earlier call has left, and whether it is the beginning of this source.
async fn resume(
    context: &Context,
    source: &Source,
    target: &Target,
) -> Result<(String, Handle, u64), TransferError> {
    let size = source.size();
    let name = names::partial(&target.name, size, source.meta.modified);
    let path = names::join(&target.directory, &name);
    remove_older(context, target, &name).await?;
    if let Some(there) = remote::look(context, &path).await?
        && kind_of(&there) == Kind::File
    {
        let part = there.size.unwrap_or_default().min(size);
        if let Some(start) = matching_part(context, source, &path, part).await? {
            let opened = async { context.sftp.open_write(&path).await?.handle().await };
            let handle = opened
                .await
                .map_err(|error| TransferError::sftp(&path, error))?;
            *lock(&context.kept) = Some(path.clone());
            return Ok((path, handle, start));
        }
        context.note("the part on the host is not the beginning of this file: started anew".into());
        let removed = async { context.sftp.remove(&path).await?.done().await };
        removed
            .await
            .map_err(|error| TransferError::sftp(&path, error))?;
    }
    let handle = create(context, &path, target).await?;
    context.unregister(&path);
    *lock(&context.kept) = Some(path.clone());
    Ok((path, handle, 0))
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
    let listing = super::tree::list(context, &target.directory, limits::PARTIAL_SEARCH_MAX).await;
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
