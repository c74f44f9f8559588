//! Bounded reading of files that a configuration names: regular files only, a size limit, no waiting.

use crate::limits::KNOWN_HOSTS_MAX_BYTES;
use rustix::fs::{Mode, OFlags};
use std::fs::{File, Metadata};
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

/// The file that stands for "no file".
const NULL_DEVICE: &str = "/dev/null";

/// What a path leads to.
#[derive(Debug)]
pub(super) enum Opened {
    /// Nothing: no file has that name.
    Missing,
    /// The null device: empty for ever.
    Null,
    /// A regular file within the size limit.
    File(File),
}

/// Opens a file to read. Whatever is not a regular file is an error, found without opening it where
/// possible (a device may act on being opened) and without waiting where not (a FIFO has no writer).
pub(super) fn open(path: &Path) -> io::Result<Opened> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Opened::Missing),
        Err(error) => return Err(error),
        Ok(found) if is_null(&found) => return Ok(Opened::Null),
        Ok(found) => check(&found)?,
    }
    match open_without_waiting(path, OFlags::RDONLY) {
        Ok(file) => Ok(Opened::File(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Opened::Missing),
        Err(error) => Err(error),
    }
}

/// Is this path the null device, under whatever name?
pub(super) fn is_null_device(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| is_null(&found))
}

/// Opens with flags of the caller's; only a regular file within the limit comes back. What is created is
/// for its owner alone.
pub(super) fn open_without_waiting(path: &Path, flags: OFlags) -> io::Result<File> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?);
    check(&file.metadata()?)?;
    Ok(file)
}

/// Hands over each line with its number, without its newline. Not one byte over the limit is read, also
/// of a file that grows meanwhile.
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

/// The error for a file that has more bytes than are read.
pub(super) fn too_large() -> io::Error {
    io::Error::other(format!("it has more than {KNOWN_HOSTS_MAX_BYTES} bytes"))
}

/// A regular file of a size that is read?
fn check(found: &Metadata) -> io::Result<()> {
    if !found.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    if found.len() > KNOWN_HOSTS_MAX_BYTES {
        return Err(too_large());
    }
    Ok(())
}

/// Is this the null device? Its number differs between systems: it is compared with the real one's.
fn is_null(found: &Metadata) -> bool {
    found.file_type().is_char_device()
        && std::fs::metadata(NULL_DEVICE).is_ok_and(|null| null.rdev() == found.rdev())
}
