//! The packets of SFTP: their types, [`encode`] for requests, [`decode`] for answers.

pub(super) mod decode;
pub(super) mod encode;

use std::collections::HashMap;

use bytes::Bytes;
use russh_sftp::protocol::FileAttributes;

use super::error::Status;

/// Attributes of a file, in answers and in requests.
pub(crate) type Attributes = FileAttributes;

/// Types of packets (section 3).
pub(super) mod packet {
    /// The first answer.
    pub(crate) const VERSION: u8 = 2;
    pub(super) const CLOSE: u8 = 4;
    pub(super) const READ: u8 = 5;
    pub(super) const WRITE: u8 = 6;
    pub(super) const FSTAT: u8 = 8;
    pub(super) const FSETSTAT: u8 = 10;
    pub(super) const READDIR: u8 = 12;
    pub(super) const STATUS: u8 = 101;
    pub(super) const HANDLE: u8 = 102;
    /// Carries the content of a file.
    pub(crate) const DATA: u8 = 103;
    pub(super) const NAME: u8 = 104;
    pub(super) const ATTRS: u8 = 105;
    pub(super) const EXTENDED: u8 = 200;
    pub(super) const EXTENDED_REPLY: u8 = 201;
}

/// Names of the OpenSSH extensions in use.
pub(crate) mod extension {
    /// Rename over an existing target.
    pub(crate) const POSIX_RENAME: &str = "posix-rename@openssh.com";
    /// Write a file to its disk.
    pub(crate) const FSYNC: &str = "fsync@openssh.com";
    /// Room on a file system.
    pub(crate) const STATVFS: &str = "statvfs@openssh.com";
    /// Sizes of packets that the server takes.
    pub(crate) const LIMITS: &str = "limits@openssh.com";
    /// `~user`.
    pub(crate) const EXPAND_PATH: &str = "expand-path@openssh.com";
}

/// An open file or directory: bytes that only the server can interpret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Handle(pub(crate) Bytes);

/// The type of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    File,
    Directory,
    Link,
    /// A device, a pipe, a socket.
    Special,
}

const TYPE_MASK: u32 = 0o170_000;

/// The type that the mode bits encode; attributes without a mode count as a regular file.
pub(crate) fn file_kind(attributes: &Attributes) -> FileKind {
    match attributes.permissions.map(|mode| mode & TYPE_MASK) {
        Some(0o040_000) => FileKind::Directory,
        Some(0o120_000) => FileKind::Link,
        Some(0o100_000 | 0) | None => FileKind::File,
        Some(_) => FileKind::Special,
    }
}

/// An entry of a directory; the name has the bytes that the server sent.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: Bytes,
    pub(crate) attributes: Attributes,
}

/// Free space of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FreeSpace {
    pub(crate) free_bytes: u64,
    pub(crate) free_files: u64,
    /// The number of files is limited, so `free_files` is meaningful.
    pub(crate) counts_files: bool,
    pub(crate) read_only: bool,
}

/// An answer.
#[derive(Debug)]
pub(crate) enum Reply {
    Version(HashMap<String, Bytes>),
    Status(Status),
    Handle(Handle),
    /// The pieces of a block of a file, in order.
    Data(Vec<Bytes>),
    Names(Vec<Entry>),
    Attributes(Box<Attributes>),
    Extended(Bytes),
}

/// Flags of attributes (section 5).
const HAS_SIZE: u32 = 1;
const HAS_OWNER: u32 = 2;
const HAS_MODE: u32 = 4;
const HAS_TIMES: u32 = 8;
const HAS_MORE: u32 = 0x8000_0000;
