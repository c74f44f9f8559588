//! The file that a large download fills: new, or the partial file of an earlier call.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::target::Target;
use super::temp_file::TempFile;
use super::version::Version;
use crate::ssh::transfer::blocking::run_blocking;
use crate::ssh::transfer::context::Context;
use crate::ssh::transfer::error::{Side, TransferError};
use crate::ssh::transfer::host::Host;
use crate::ssh::transfer::{hash, local, names};
use crate::{limits, policy};

/// A file that is being filled.
pub(super) struct PartFile {
    pub(super) file: Arc<File>,
    pub(super) temp_file: TempFile,
    /// Bytes that an earlier call has written.
    pub(super) start: u64,
}

/// Creates the file, or with `resume` opens the partial file of an earlier call for the same source.
pub(super) async fn open_part_file(
    context: &Context,
    path: &str,
    target: &Target,
    version: Version,
) -> Result<PartFile, TransferError> {
    if context.spec.resume {
        return resume(context, path, target, version).await;
    }
    let place = target.clone();
    let created = run_blocking(move || {
        check_free_space(&place, version.size)?;
        let created = TempFile::create(&place).map_err(|error| place.failed(&error))?;
        local::preallocate(&created.0, version.size);
        Ok::<_, TransferError>(created)
    });
    let (file, temp_file) = created.await??;
    Ok(PartFile {
        file: Arc::new(file),
        temp_file,
        start: 0,
    })
}

/// Fails before the first byte if the disk is too small.
fn check_free_space(target: &Target, needed: u64) -> Result<(), TransferError> {
    match target.directory.free_bytes() {
        Ok(free) if free < needed => Err(TransferError::DiskFull {
            side: Side::Local,
            path: target.shown.clone(),
            reason: format!("{needed} bytes are needed and {free} are free"),
        }),
        // Where the free space is unknown, a full disk fails the writes.
        _ => Ok(()),
    }
}

/// Opens the partial file, and finds out how much of the file is the beginning of this source.
async fn resume(
    context: &Context,
    path: &str,
    target: &Target,
    version: Version,
) -> Result<PartFile, TransferError> {
    let modified = version.modified.map_or(0, i64::from);
    let name = names::partial(&target.name.to_string_lossy(), version.size, modified);
    let place = target.clone();
    let wanted = OsString::from(&name);
    let opened = run_blocking(move || open_partial(&place, &wanted)).await?;
    let opened = opened.map_err(|error| target.failed(&error))?;
    if opened.removed_outdated {
        context
            .report
            .add_note("the source changed since the earlier call: started anew");
    }
    let mut temp_file = TempFile::new(target.directory.clone(), name.clone().into());
    temp_file.keep();
    let shown = Path::new(&target.shown).with_file_name(&name);
    context.temp_files.set_partial(policy::shown(&shown));
    let file = Arc::new(opened.file);
    let length = opened.length.min(version.size);
    let matching = matching_length(&context.host, path, target, &file, length).await?;
    if matching.is_none() {
        context
            .report
            .add_note("the part is not the beginning of this file: started anew");
    }
    Ok(PartFile {
        file,
        temp_file,
        start: matching.unwrap_or(0),
    })
}

/// The usable length of a partial file, in bytes; `None` if the content differs from the source. Within the last
/// [`limits::TRANSFER_SPAN_BYTES`], several channels may have left holes; before, there are none.
async fn matching_length(
    host: &Host,
    path: &str,
    target: &Target,
    file: &Arc<File>,
    length: u64,
) -> Result<Option<u64>, TransferError> {
    for length in [length, length.saturating_sub(limits::TRANSFER_SPAN_BYTES)] {
        if length == 0 {
            return Ok(Some(0));
        }
        let file = Arc::clone(file);
        let expected = run_blocking(move || hash::hash_file(&file, length)).await?;
        let expected = expected.map_err(|error| target.failed(&error))?;
        let Some(expected) = expected else { continue };
        let (matches, _) = hash::remote_matches(host, path, length, &expected).await?;
        if matches {
            return Ok(Some(length));
        }
    }
    Ok(None)
}

/// An open partial file.
struct Opened {
    file: File,
    /// Length in bytes.
    length: u64,
    /// A partial file of another version of the source was removed.
    removed_outdated: bool,
}

/// Opens or creates the partial file `name`; removes those of other versions of the source.
fn open_partial(target: &Target, name: &OsStr) -> io::Result<Opened> {
    let mut removed_outdated = false;
    let base = target.name.to_string_lossy();
    let directory = Path::new(&target.shown).parent().unwrap_or(Path::new("/"));
    for entry in std::fs::read_dir(directory)?.take(limits::PARTIAL_SEARCH_MAX) {
        let other = entry?.file_name();
        let is_part = names::is_partial_of(&other.to_string_lossy(), &base);
        if is_part && other != name && target.directory.remove(&other).is_ok() {
            removed_outdated = true;
        }
    }
    let file = match target.directory.create_file(name) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            target.directory.open_file(name, true)?
        }
        created => created?,
    };
    Ok(Opened {
        length: file.metadata()?.len(),
        file,
        removed_outdated,
    })
}
