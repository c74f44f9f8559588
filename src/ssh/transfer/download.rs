//! One file from the host.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use rustix::fs::FileType;

use super::download_blocks::{copy, whole};
use super::download_part::prepare;
use super::error::{Side, TransferError};
use super::local::{self, Dir, Meta, Temporary, blocking};
use super::{Context, Summary, Verify, beside, hash, lock, names, remote, to_disk, tree_download};
use crate::limits;
use crate::policy;
use crate::ssh::sftp::Handle;
use crate::ssh::sftp::wire::{Attributes, Kind, kind_of};

/// Setuid, setgid and sticky bits are never carried over.
const MODE_MASK: u32 = 0o777;
/// The mode of a file whose host tells none.
const MODE_DEFAULT: u32 = 0o644;

/// Where a file goes on this machine.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) directory: Dir,
    pub(super) name: OsString,
    /// For messages.
    pub(super) shown: String,
}

impl Target {
    pub(super) fn failed(&self, error: &io::Error) -> TransferError {
        TransferError::io(&self.shown, error)
    }
}

pub(super) async fn run(context: &Context) -> Result<Summary, TransferError> {
    let spec = &context.spec;
    let local = spec.policy.expand(&spec.local)?;
    let path = remote::expand(&context.sftp, &spec.remote).await?;
    let found = match context.sftp.stat(&path).await {
        Ok(found) => found,
        Err(error) => return Err(remote::explain(context, &path, error, 0).await),
    };
    match kind_of(&found) {
        Kind::Directory if spec.recursive => tree_download::run(context, path, local).await,
        Kind::Directory => Err(TransferError::remote(
            &path,
            "it is a directory; recursive: true copies it with all that is in it",
        )),
        Kind::Special | Kind::Link => Err(TransferError::remote(
            &path,
            "it is a special file (a device, a pipe or a socket)",
        )),
        Kind::File => {
            let (_, Some(name)) = names::split(&path) else {
                return Err(TransferError::remote(&path, "this is no name of a file"));
            };
            beside::open_ahead(context, found.size.unwrap_or_default(), None);
            let (name, rules) = (OsString::from(name), Arc::clone(&spec.policy));
            let (overwrite, recursive) = (spec.overwrite, spec.recursive);
            let slash = spec.local.ends_with('/');
            let target =
                blocking(move || find(&local, slash, name, &rules, overwrite, recursive)).await??;
            let shown = target.shown.clone();
            file(context, &path, &target, found.size.unwrap_or_default()).await?;
            Ok(context.summary(shown, path))
        }
    }
}

/// Finds the directory and the name of the target, and makes sure that it may be written.
fn find(
    path: &Path,
    slash: bool,
    source_name: OsString,
    rules: &policy::LocalPolicy,
    overwrite: bool,
    recursive: bool,
) -> Result<Target, TransferError> {
    let given = policy::shown(path);
    let is_directory = path.is_dir();
    if slash && !is_directory && !recursive {
        let reason =
            "there is no such directory; make it first, or leave the final / away to name the file";
        return Err(TransferError::local(&given, reason));
    }
    let (parent, name) = if is_directory || slash {
        (path.to_owned(), source_name)
    } else {
        let name = path.file_name().map(ToOwned::to_owned);
        let name =
            name.ok_or_else(|| TransferError::local(&given, "this is no name for a file"))?;
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        (parent.unwrap_or(Path::new(".")).to_owned(), name)
    };
    let real = policy::resolved(&absolute(&parent)?);
    rules.check_target(&real.join(&name))?;
    if recursive {
        std::fs::create_dir_all(&real).map_err(|error| TransferError::io(&given, &error))?;
    }
    let directory = Dir::open(&real).map_err(|error| open_failed(&real, &error))?;
    let shown = policy::shown(&real.join(&name));
    match directory.stat(&name) {
        Ok(stat) => match local::file_type(&stat) {
            FileType::Directory => {
                return Err(TransferError::local(&shown, "a directory is in the way"));
            }
            FileType::RegularFile | FileType::Symlink if overwrite => {}
            FileType::RegularFile | FileType::Symlink => {
                let reason = "it exists already; overwrite: true replaces it";
                return Err(TransferError::local(&shown, reason));
            }
            _ => return Err(TransferError::local(&shown, "a special file is in the way")),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(TransferError::io(&shown, &error)),
    }
    Ok(Target {
        directory,
        name,
        shown,
    })
}

/// A path from the root; a relative one starts in the working directory.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, TransferError> {
    std::path::absolute(path).map_err(|error| TransferError::io(&policy::shown(path), &error))
}

fn open_failed(directory: &Path, error: &io::Error) -> TransferError {
    let shown = policy::shown(directory);
    match error.kind() {
        io::ErrorKind::NotFound => TransferError::local(
            &shown,
            "there is no such directory; make it first, or set recursive: true",
        ),
        _ => TransferError::io(&shown, error),
    }
}

/// What is known of a source once it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) size: u64,
    pub(super) modified: Option<u32>,
}

impl Version {
    fn of(attributes: &Attributes) -> Self {
        Self {
            size: attributes.size.unwrap_or_default(),
            modified: attributes.mtime,
        }
    }

    fn check(self, now: Self, path: &str) -> Result<(), TransferError> {
        let what = if self.size != now.size {
            format!("it had {} bytes and has {}", self.size, now.size)
        } else if self.modified != now.modified {
            "it was written to".to_owned()
        } else {
            return Ok(());
        };
        Err(changed(path, what))
    }
}

pub(super) fn changed(path: &str, what: String) -> TransferError {
    TransferError::Changed {
        side: Side::Remote,
        path: path.to_owned(),
        what,
    }
}

/// Carries one file to its target. `hint` is the size that a listing told.
pub(super) async fn file(
    context: &Context,
    path: &str,
    target: &Target,
    hint: u64,
) -> Result<(), TransferError> {
    let opened = async { context.sftp.open_read(path).await?.handle().await };
    let handle = match opened.await {
        Ok(handle) => handle,
        Err(error) => return Err(remote::explain(context, path, error, 0).await),
    };
    if hint > 0 && hint <= context.sftp.read_block() {
        small(context, path, target, &handle, hint).await?;
    } else {
        large(context, path, target, &handle).await?;
    }
    lock(&context.kept).take();
    context.progress.add_file();
    Ok(())
}

fn meta(context: &Context, attributes: &Attributes) -> Meta {
    let mode = attributes
        .permissions
        .map_or(MODE_DEFAULT, |mode| mode & MODE_MASK);
    Meta {
        mode: context.spec.mode.unwrap_or(mode),
        accessed: attributes.atime.map_or_else(now, i64::from),
        modified: attributes.mtime.map_or_else(now, i64::from),
    }
}

/// For a host that tells no times.
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() as i64)
}

/// A file of one block: one round trip for all of it.
async fn small(
    context: &Context,
    path: &str,
    target: &Target,
    handle: &Handle,
    hint: u64,
) -> Result<(), TransferError> {
    let failed = |error| TransferError::sftp(path, error);
    let sftp = &context.sftp;
    let before = sftp.stat_handle(handle).await.map_err(failed)?;
    let read = sftp.read(handle, 0, hint).await.map_err(failed)?;
    let after = sftp.stat_handle(handle).await.map_err(failed)?;
    let before = before.attributes().await.map_err(failed)?;
    let pieces = whole(sftp, handle, 0, hint, read).await.map_err(failed)?;
    let after = after.attributes().await.map_err(failed)?;
    let closing = sftp.close(handle).await.map_err(failed)?;
    // Nothing was written there.
    drop(closing);
    let version = Version::of(&before);
    version.check(Version::of(&after), path)?;
    let Some(pieces) = pieces.filter(|_| version.size == hint) else {
        let what = format!("it had {hint} bytes and has {}", version.size);
        return Err(changed(path, what));
    };
    if context.spec.verify == Verify::Sha256 {
        verify(context, path, hint, &hash::of_bytes(&pieces), target).await?;
    }
    let (meta, overwrite) = (meta(context, &before), context.spec.overwrite);
    let place = target.clone();
    let written = blocking(move || write_small(&place, &pieces, meta, overwrite)).await?;
    written.map_err(|error| target.failed(&error))?;
    context.progress.add_bytes(hint);
    Ok(())
}

fn write_small(target: &Target, pieces: &[Bytes], meta: Meta, overwrite: bool) -> io::Result<()> {
    let (file, temporary) = new_temporary(target)?;
    to_disk::write_pieces(&file, pieces.iter(), 0)?;
    local::set(&file, meta)?;
    file.sync_all()?;
    temporary.commit(&target.name, overwrite)
}

pub(super) fn new_temporary(target: &Target) -> io::Result<(File, Temporary)> {
    let name = OsString::from(names::temporary(&target.name.to_string_lossy()));
    let temporary = Temporary::new(target.directory.clone(), name);
    match target.directory.create(temporary.name()) {
        Ok(file) => Ok((file, temporary)),
        Err(error) => {
            let mut temporary = temporary;
            // What could not be made is not ours to remove.
            temporary.keep();
            Err(error)
        }
    }
}

async fn verify(
    context: &Context,
    path: &str,
    size: u64,
    expected: &hash::Hash,
    target: &Target,
) -> Result<(), TransferError> {
    let (matches, way) = hash::remote_matches(context, path, size, expected).await?;
    if !matches {
        return Err(TransferError::Verify {
            path: target.shown.clone(),
            what: "the sha256 of what arrived is another one".to_owned(),
        });
    }
    context.note(way.words());
    Ok(())
}

/// A file of many blocks, over several channels where that helps; or one that claims to be empty.
async fn large(
    context: &Context,
    path: &str,
    target: &Target,
    handle: &Handle,
) -> Result<(), TransferError> {
    let failed = |error| TransferError::sftp(path, error);
    let sftp = &context.sftp;
    let stat = sftp.stat_handle(handle).await.map_err(failed)?;
    let attributes = stat.attributes().await.map_err(failed)?;
    let version = Version::of(&attributes);
    if version.size == 0 {
        return empty(context, path, target, handle, &attributes).await;
    }
    let part = prepare(context, path, target, version).await?;
    beside::open_late(context, version.size.saturating_sub(part.start), None);
    context.progress.add_present(part.start);
    context.resumed.fetch_add(part.start, Ordering::Relaxed);
    let file = Arc::clone(&part.file);
    copy(context, path, target, handle, version.size, &part).await?;
    let stat = sftp.stat_handle(handle).await.map_err(failed)?;
    let closing = sftp.close(handle).await.map_err(failed)?;
    let now = stat.attributes().await.map_err(failed)?;
    drop(closing);
    version.check(Version::of(&now), path)?;
    if context.spec.verify == Verify::Sha256 {
        let file = Arc::clone(&file);
        let hash = blocking(move || hash::of_local(&file, version.size)).await?;
        let hash = hash.map_err(|error| target.failed(&error))?;
        verify(
            context,
            path,
            version.size,
            &hash.unwrap_or_default(),
            target,
        )
        .await?;
    }
    let (meta, overwrite) = (meta(context, &attributes), context.spec.overwrite);
    let (place, temporary) = (target.clone(), part.temporary);
    let finished = blocking(move || {
        // A part that was longer than its source is cut.
        file.set_len(version.size)?;
        local::set(&file, meta)?;
        file.sync_all()?;
        temporary.commit(&place.name, overwrite)
    });
    finished.await?.map_err(|error| target.failed(&error))
}

/// Files of /proc claim to be empty: they are read to their end, one block after the other.
async fn empty(
    context: &Context,
    path: &str,
    target: &Target,
    handle: &Handle,
    attributes: &Attributes,
) -> Result<(), TransferError> {
    let failed = |error| TransferError::sftp(path, error);
    let sftp = &context.sftp;
    let mut content: Vec<Bytes> = Vec::new();
    let mut size = 0;
    loop {
        let read = sftp.read(handle, size, sftp.read_block()).await;
        let Some(pieces) = read.map_err(failed)?.data().await.map_err(failed)? else {
            break;
        };
        let length: usize = pieces.iter().map(Bytes::len).sum();
        size += length as u64;
        if length == 0 || size > limits::UNSIZED_FILE_MAX_BYTES {
            let most = limits::UNSIZED_FILE_MAX_BYTES;
            let reason = format!("it claims to be empty and has no end within {most} bytes");
            return Err(TransferError::remote(path, reason));
        }
        content.extend(pieces);
    }
    let stat = sftp.stat_handle(handle).await.map_err(failed)?;
    let closing = sftp.close(handle).await.map_err(failed)?;
    let now = stat.attributes().await.map_err(failed)?;
    drop(closing);
    if now.size.unwrap_or_default() != 0 {
        return Err(changed(path, "it was empty and is not any more".to_owned()));
    }
    if context.spec.verify == Verify::Sha256 {
        verify(context, path, size, &hash::of_bytes(&content), target).await?;
    }
    let (meta, overwrite) = (meta(context, attributes), context.spec.overwrite);
    let place = target.clone();
    let written = blocking(move || write_small(&place, &content, meta, overwrite)).await?;
    written.map_err(|error| target.failed(&error))?;
    context.progress.add_total(size);
    context.progress.add_bytes(size);
    Ok(())
}
