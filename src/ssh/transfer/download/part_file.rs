//! The temporary file of a download: new, or the part that an earlier call has left.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::target::{Target, Version, new_temporary};
use crate::ssh::transfer::context::{Context, lock};
use crate::ssh::transfer::error::{Side, TransferError};
use crate::ssh::transfer::local::{self, Temporary, blocking};
use crate::ssh::transfer::{hash, names};
use crate::{limits, policy};

/// A file that is being filled.
pub(super) struct Part {
    pub(super) file: Arc<File>,
    pub(super) temporary: Temporary,
    /// Bytes that are there already.
    pub(super) start: u64,
}

/// Makes or finds the file that the blocks go into.
pub(super) async fn prepare(
    context: &Context,
    path: &str,
    target: &Target,
    version: Version,
) -> Result<Part, TransferError> {
    if context.spec.resume {
        return resume(context, path, target, version).await;
    }
    let place = target.clone();
    let made = blocking(move || {
        check_room(&place, version.size)?;
        let made = new_temporary(&place).map_err(|error| place.failed(&error))?;
        local::reserve(&made.0, version.size);
        Ok::<_, TransferError>(made)
    });
    let (file, temporary) = made.await??;
    Ok(Part {
        file: Arc::new(file),
        temporary,
        start: 0,
    })
}

/// A disk that is too small is told before it is filled.
fn check_room(target: &Target, needed: u64) -> Result<(), TransferError> {
    match target.directory.free_bytes() {
        Ok(free) if free < needed => Err(TransferError::DiskFull {
            side: Side::Local,
            path: target.shown.clone(),
            reason: format!("{needed} bytes are needed and {free} are free"),
        }),
        // A file system that does not tell shows it when it is full.
        _ => Ok(()),
    }
}

/// Finds the part that an earlier call has left, and whether it is the beginning of this source.
async fn resume(
    context: &Context,
    path: &str,
    target: &Target,
    version: Version,
) -> Result<Part, TransferError> {
    let modified = version.modified.map_or(0, i64::from);
    let name = names::partial(&target.name.to_string_lossy(), version.size, modified);
    let place = target.clone();
    let wanted = OsString::from(&name);
    let opened = blocking(move || open_part(&place, &wanted)).await?;
    let (file, length, older) = opened.map_err(|error| target.failed(&error))?;
    if older {
        context.note("the source changed since the earlier call: started anew".to_owned());
    }
    let mut temporary = Temporary::new(target.directory.clone(), name.clone().into());
    temporary.keep();
    let mut part = Part {
        file: Arc::new(file),
        temporary,
        start: 0,
    };
    *lock(&context.kept) = Some(policy::shown(
        &Path::new(&target.shown).with_file_name(&name),
    ));
    let length = length.min(version.size);
    for length in [length, length.saturating_sub(limits::TRANSFER_SPAN_BYTES)] {
        if length == 0 {
            return Ok(part);
        }
        let file = Arc::clone(&part.file);
        let expected = blocking(move || hash::of_local(&file, length)).await?;
        let expected = expected.map_err(|error| target.failed(&error))?;
        if let Some(expected) = expected
            && hash::remote_matches(context, path, length, &expected)
                .await?
                .0
        {
            part.start = length;
            return Ok(part);
        }
    }
    context.note("the part is not the beginning of this file: started anew".to_owned());
    Ok(part)
}

/// The partial file, made if need be, its length, and whether one of another source was removed.
fn open_part(target: &Target, name: &OsStr) -> io::Result<(File, u64, bool)> {
    let mut older = false;
    let base = target.name.to_string_lossy();
    let directory = Path::new(&target.shown).parent().unwrap_or(Path::new("/"));
    for entry in std::fs::read_dir(directory)?.take(limits::PARTIAL_SEARCH_MAX) {
        let other = entry?.file_name();
        let is_part = names::is_partial_of(&other.to_string_lossy(), &base);
        if is_part && other != name && target.directory.remove(&other).is_ok() {
            older = true;
        }
    }
    let file = match target.directory.create(name) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            target.directory.open_file(name, true)?
        }
        created => created?,
    };
    let length = file.metadata()?.len();
    Ok((file, length, older))
}
