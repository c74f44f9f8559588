//! Bounded reading of files that a configuration names: only regular files, up to a size limit, without
//! waiting for a device or FIFO.

use crate::limits::KNOWN_HOSTS_MAX_BYTES;
use rustix::fs::{Mode, OFlags};
use std::fs::{File, Metadata};
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

/// A known_hosts path that means "no file".
const NULL_DEVICE: &str = "/dev/null";

/// The file behind a path.
#[derive(Debug)]
pub(super) enum Opened {
    /// No file has that name.
    Missing,
    /// The null device, which is always empty.
    Null,
    /// A regular file within the size limit.
    File(File),
}

/// Opens a file for reading. Anything but a regular file or the null device is an error.
///
/// The type is checked before the file is opened, because opening a device may have side effects, and again
/// afterwards, because the file may have been replaced. Opening does not wait for the writer of a FIFO.
pub(super) fn open(path: &Path) -> io::Result<Opened> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Opened::Missing),
        Err(error) => return Err(error),
        Ok(found) if is_null(&found) => return Ok(Opened::Null),
        Ok(found) => check_type_and_size(&found)?,
    }
    match open_without_waiting(path, OFlags::RDONLY) {
        Ok(file) => Ok(Opened::File(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Opened::Missing),
        Err(error) => Err(error),
    }
}

/// Whether the path leads to the null device, for example through a symbolic link.
pub(super) fn is_null_device(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| is_null(&found))
}

/// Opens a regular file within the size limit with the caller's flags. A file that the flags create is
/// accessible to its owner alone.
pub(super) fn open_without_waiting(path: &Path, flags: OFlags) -> io::Result<File> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?);
    check_type_and_size(&file.metadata()?)?;
    Ok(file)
}

/// Calls `each` with the number of each line and the line without its newline. Fails on a file that has
/// grown over the size limit since it was opened.
pub(super) fn for_each_line(file: &File, mut each: impl FnMut(usize, &[u8])) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(64 * 1024, file.take(KNOWN_HOSTS_MAX_BYTES + 1));
    let (mut line, mut number, mut total) = (Vec::new(), 0, 0);
    loop {
        line.clear();
        let bytes = reader.read_until(b'\n', &mut line)?;
        if bytes == 0 {
            return Ok(());
        }
        total += bytes as u64;
        if total > KNOWN_HOSTS_MAX_BYTES {
            return Err(too_large());
        }
        number += 1;
        each(number, line.strip_suffix(b"\n").unwrap_or(&line));
    }
}

/// The error for a file over the size limit.
pub(super) fn too_large() -> io::Error {
    io::Error::other(format!("it has more than {KNOWN_HOSTS_MAX_BYTES} bytes"))
}

/// Fails unless the file is a regular file within the size limit.
fn check_type_and_size(found: &Metadata) -> io::Result<()> {
    if !found.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    if found.len() > KNOWN_HOSTS_MAX_BYTES {
        return Err(too_large());
    }
    Ok(())
}

/// Whether a file is the null device. The device number differs between systems, so the number is compared
/// with the number of `/dev/null`.
fn is_null(found: &Metadata) -> bool {
    found.file_type().is_char_device()
        && std::fs::metadata(NULL_DEVICE).is_ok_and(|null| null.rdev() == found.rdev())
}
