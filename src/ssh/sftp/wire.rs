//! Packets: what we send, and what we make of the answers.

use std::collections::HashMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use russh_sftp::protocol::{
    FileAttributes, Init, Lstat, MkDir, Open, OpenDir, OpenFlags, Packet, ReadLink, Remove, Rename,
    SetStat, Stat, Symlink,
};

use super::client::SftpError;

/// Attributes of a file, as a server tells them or is told.
pub(crate) type Attributes = FileAttributes;

/// Types of packets (section 3).
mod kind {
    pub(super) const CLOSE: u8 = 4;
    pub(super) const READ: u8 = 5;
    pub(super) const WRITE: u8 = 6;
    pub(super) const FSTAT: u8 = 8;
    pub(super) const FSETSTAT: u8 = 10;
    pub(super) const READDIR: u8 = 12;
    pub(super) const STATUS: u8 = 101;
    pub(super) const HANDLE: u8 = 102;
    pub(super) const NAME: u8 = 104;
    pub(super) const ATTRS: u8 = 105;
    pub(super) const EXTENDED: u8 = 200;
    pub(super) const EXTENDED_REPLY: u8 = 201;
}
/// The type of the first answer.
const VERSION: u8 = 2;
/// The type of a packet that carries a file's content.
pub(super) const DATA: u8 = 103;

/// Status codes (section 7) that anything is decided by.
pub(crate) mod status {
    /// It was done.
    pub(crate) const OK: u32 = 0;
    /// The file or the listing is at its end.
    pub(crate) const EOF: u32 = 1;
    /// ENOENT, ENOTDIR, ELOOP.
    pub(crate) const NO_SUCH_FILE: u32 = 2;
    /// EPERM, EACCES.
    pub(crate) const PERMISSION_DENIED: u32 = 3;
    /// Anything else.
    pub(crate) const FAILURE: u32 = 4;
    /// ENAMETOOLONG, EINVAL.
    pub(crate) const BAD_MESSAGE: u32 = 5;
    /// The server does not know the request.
    pub(crate) const UNSUPPORTED: u32 = 8;
}

/// The names of OpenSSH's extensions that are used.
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

/// An open file or directory: bytes that mean something to the server alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Handle(pub(crate) Bytes);

/// What kind of thing a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    Link,
    /// A device, a pipe, a socket.
    Special,
}

const TYPE_MASK: u32 = 0o170_000;

/// The kind that a mode tells. A server that tells none is believed to speak of a file.
pub(crate) fn kind_of(attributes: &Attributes) -> Kind {
    match attributes.permissions.map(|mode| mode & TYPE_MASK) {
        Some(0o040_000) => Kind::Directory,
        Some(0o120_000) => Kind::Link,
        Some(0o100_000 | 0) | None => Kind::File,
        Some(_) => Kind::Special,
    }
}

/// One name of a directory, as the server spells it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: Bytes,
    pub(crate) attributes: Attributes,
}

/// A status answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) code: u32,
    /// The server's words: a host's text.
    pub(crate) message: String,
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

/// The first packet of a channel.
pub(super) fn init() -> Result<Bytes, SftpError> {
    encode(Init::default())
}

/// `READ`: no more than `length` bytes from `offset`.
pub(super) fn read(id: u32, handle: &Handle, offset: u64, length: u32) -> Bytes {
    let mut frame = begin(kind::READ, id, &handle.0, 12);
    frame.put_u64(offset);
    frame.put_u32(length);
    finish(frame, 0)
}

/// The head of a `WRITE`; the data follows it in the stream.
pub(super) fn write_head(id: u32, handle: &Handle, offset: u64, length: usize) -> Bytes {
    let mut frame = begin(kind::WRITE, id, &handle.0, 12);
    frame.put_u64(offset);
    frame.put_u32(length as u32);
    finish(frame, length)
}

pub(super) fn close(id: u32, handle: &Handle) -> Bytes {
    finish(begin(kind::CLOSE, id, &handle.0, 0), 0)
}

pub(super) fn read_directory(id: u32, handle: &Handle) -> Bytes {
    finish(begin(kind::READDIR, id, &handle.0, 0), 0)
}

pub(super) fn stat_handle(id: u32, handle: &Handle) -> Bytes {
    finish(begin(kind::FSTAT, id, &handle.0, 0), 0)
}

pub(super) fn set_handle(id: u32, handle: &Handle, attributes: &Attributes) -> Bytes {
    let mut frame = begin(kind::FSETSTAT, id, &handle.0, 32);
    put_attributes(&mut frame, attributes);
    finish(frame, 0)
}

/// An extended request with strings for its arguments.
pub(super) fn extended(id: u32, name: &str, arguments: &[&[u8]]) -> Bytes {
    let room = arguments.iter().map(|argument| 4 + argument.len()).sum();
    let mut frame = begin(kind::EXTENDED, id, name.as_bytes(), room);
    for argument in arguments {
        put_string(&mut frame, argument);
    }
    finish(frame, 0)
}

/// A request that names paths.
pub(super) enum PathRequest<'a> {
    Open {
        flags: OpenFlags,
        attributes: Attributes,
    },
    OpenDirectory,
    Stat,
    LinkStat,
    SetStat(Attributes),
    MakeDirectory(Attributes),
    Remove,
    ReadLink,
    Rename(&'a str),
    /// The text of a new link.
    Link(&'a str),
}

pub(super) fn path_request(
    id: u32,
    path: &str,
    request: PathRequest<'_>,
) -> Result<Bytes, SftpError> {
    let path = path.to_owned();
    match request {
        PathRequest::Open { flags, attributes } => encode(Open {
            id,
            filename: path,
            pflags: flags,
            attrs: attributes,
        }),
        PathRequest::OpenDirectory => encode(OpenDir { id, path }),
        PathRequest::Stat => encode(Stat { id, path }),
        PathRequest::LinkStat => encode(Lstat { id, path }),
        PathRequest::SetStat(attrs) => encode(SetStat { id, path, attrs }),
        PathRequest::MakeDirectory(attrs) => encode(MkDir { id, path, attrs }),
        PathRequest::Remove => encode(Remove { id, filename: path }),
        PathRequest::ReadLink => encode(ReadLink { id, path }),
        PathRequest::Rename(to) => encode(Rename {
            id,
            oldpath: path,
            newpath: to.to_owned(),
        }),
        // OpenSSH takes the text first, against the draft, and everybody follows it.
        PathRequest::Link(text) => encode(Symlink {
            id,
            linkpath: text.to_owned(),
            targetpath: path,
        }),
    }
}

fn encode(packet: impl Into<Packet>) -> Result<Bytes, SftpError> {
    Bytes::try_from(packet.into()).map_err(|error| SftpError::Protocol(error.to_string()))
}

/// A frame with its type, number and first string; its length is filled in at the end.
fn begin(kind: u8, id: u32, string: &[u8], room: usize) -> BytesMut {
    let mut frame = BytesMut::with_capacity(13 + string.len() + room);
    frame.put_u32(0);
    frame.put_u8(kind);
    frame.put_u32(id);
    put_string(&mut frame, string);
    frame
}

fn finish(mut frame: BytesMut, following: usize) -> Bytes {
    let length = (frame.len() - 4 + following) as u32;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame.freeze()
}

fn put_string(frame: &mut BytesMut, string: &[u8]) {
    frame.put_u32(string.len() as u32);
    frame.put_slice(string);
}

const HAS_SIZE: u32 = 1;
const HAS_OWNER: u32 = 2;
const HAS_MODE: u32 = 4;
const HAS_TIMES: u32 = 8;
const HAS_MORE: u32 = 0x8000_0000;

/// Mode and times: nothing else is ever set.
fn put_attributes(frame: &mut BytesMut, attributes: &Attributes) {
    let times = attributes.atime.zip(attributes.mtime);
    let flags = attributes.size.map_or(0, |_| HAS_SIZE)
        | attributes.permissions.map_or(0, |_| HAS_MODE)
        | times.map_or(0, |_| HAS_TIMES);
    frame.put_u32(flags);
    if let Some(size) = attributes.size {
        frame.put_u64(size);
    }
    if let Some(mode) = attributes.permissions {
        frame.put_u32(mode);
    }
    if let Some((accessed, modified)) = times {
        frame.put_u32(accessed);
        frame.put_u32(modified);
    }
}

/// Reads an answer other than `DATA`: its request's number, and what it says.
pub(super) fn reply(kind: u8, mut body: Bytes) -> Result<(Option<u32>, Reply), SftpError> {
    if kind == VERSION {
        return Ok((None, version(body)?));
    }
    let id = take_u32(&mut body)?;
    let reply = match kind {
        kind::STATUS => Reply::Status(Status {
            code: take_u32(&mut body)?,
            // Old servers leave the words out.
            message: take_string(&mut body)
                .map(|text| String::from_utf8_lossy(&text).into_owned())
                .unwrap_or_default(),
        }),
        kind::HANDLE => Reply::Handle(Handle(take_string(&mut body)?)),
        kind::NAME => Reply::Names(names(body)?),
        kind::ATTRS => Reply::Attributes(Box::new(take_attributes(&mut body)?)),
        kind::EXTENDED_REPLY => Reply::Extended(body),
        other => return Err(SftpError::Protocol(format!("a packet of type {other}"))),
    };
    Ok((Some(id), reply))
}

fn version(mut body: Bytes) -> Result<Reply, SftpError> {
    let version = take_u32(&mut body)?;
    if version < 3 {
        return Err(SftpError::Protocol(format!(
            "it speaks SFTP version {version}, and 3 is needed"
        )));
    }
    let mut extensions = HashMap::new();
    while body.has_remaining() {
        let name = take_string(&mut body)?;
        let value = take_string(&mut body)?;
        extensions.insert(String::from_utf8_lossy(&name).into_owned(), value);
    }
    Ok(Reply::Version(extensions))
}

fn names(mut body: Bytes) -> Result<Vec<Entry>, SftpError> {
    let count = take_u32(&mut body)?;
    let mut entries = Vec::new();
    // The count is the server's word; the body is what there is.
    for _ in 0..count {
        let name = take_string(&mut body)?;
        let _long_name = take_string(&mut body)?;
        let attributes = take_attributes(&mut body)?;
        entries.push(Entry { name, attributes });
    }
    Ok(entries)
}

fn take_attributes(body: &mut Bytes) -> Result<Attributes, SftpError> {
    let flags = take_u32(body)?;
    let mut attributes = Attributes::default();
    if flags & HAS_SIZE != 0 {
        attributes.size = Some(body.try_get_u64().map_err(|_| short())?);
    }
    if flags & HAS_OWNER != 0 {
        attributes.uid = Some(take_u32(body)?);
        attributes.gid = Some(take_u32(body)?);
    }
    if flags & HAS_MODE != 0 {
        attributes.permissions = Some(take_u32(body)?);
    }
    if flags & HAS_TIMES != 0 {
        attributes.atime = Some(take_u32(body)?);
        attributes.mtime = Some(take_u32(body)?);
    }
    if flags & HAS_MORE != 0 {
        for _ in 0..take_u32(body)? {
            take_string(body)?;
            take_string(body)?;
        }
    }
    Ok(attributes)
}

fn take_u32(body: &mut Bytes) -> Result<u32, SftpError> {
    body.try_get_u32().map_err(|_| short())
}

fn take_string(body: &mut Bytes) -> Result<Bytes, SftpError> {
    let length = take_u32(body)? as usize;
    if body.remaining() < length {
        return Err(short());
    }
    Ok(body.split_to(length))
}

fn short() -> SftpError {
    SftpError::Protocol("a packet that ends too early".to_owned())
}

/// Room on a file system, from the answer to `statvfs@openssh.com`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) free_bytes: u64,
    pub(crate) free_files: u64,
    /// The file system has a fixed number of files.
    pub(crate) counts_files: bool,
    pub(crate) read_only: bool,
}

pub(crate) fn room(mut body: Bytes) -> Option<Room> {
    let mut fields = [0_u64; 11];
    for field in &mut fields {
        *field = body.try_get_u64().ok()?;
    }
    let [
        _,
        fragment,
        _,
        _,
        available,
        files,
        _,
        files_available,
        _,
        flags,
        _,
    ] = fields;
    Some(Room {
        free_bytes: fragment.saturating_mul(available),
        free_files: files_available,
        counts_files: files > 0,
        read_only: flags & 1 != 0,
    })
}

/// Sizes of packets, from the answer to `limits@openssh.com`: of a read and of a write.
pub(crate) fn block_limits(mut body: Bytes) -> Option<(u64, u64)> {
    let mut fields = [0_u64; 4];
    for field in &mut fields {
        *field = body.try_get_u64().ok()?;
    }
    Some((fields[1], fields[2]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_keeps_its_bytes() {
        let handle = Handle(Bytes::from_static(&[0, 0, 0, 0x80]));
        let frame = read(7, &handle, 5, 9);
        assert_eq!(frame.len(), 4 + 1 + 4 + 4 + 4 + 8 + 4);
        assert_eq!(frame[..5], [0, 0, 0, 25, 5]);
        assert_eq!(frame[13..17], [0, 0, 0, 0x80]);
    }

    #[test]
    fn names_are_bytes_and_a_count_that_lies_is_an_error() {
        let mut body = BytesMut::new();
        body.put_u32(1);
        body.put_u32(9);
        let mut entry = BytesMut::new();
        put_string(&mut entry, b"\xff/x");
        put_string(&mut entry, b"long");
        entry.put_u32(HAS_SIZE | HAS_MODE);
        entry.put_u64(5);
        entry.put_u32(0o100_644);
        let lying = [&body[4..], &entry[..]].concat();
        assert!(names(lying.into()).is_err());
        let honest = [&1_u32.to_be_bytes()[..], &entry[..]].concat();
        let entries = names(honest.into()).unwrap();
        assert_eq!(&entries[0].name[..], b"\xff/x");
        assert_eq!(kind_of(&entries[0].attributes), Kind::File);
    }

    #[test]
    fn a_packet_that_ends_too_early_is_an_error() {
        for kind in [kind::STATUS, kind::HANDLE, kind::NAME, kind::ATTRS] {
            assert!(reply(kind, Bytes::from_static(&[0, 0])).is_err());
        }
        assert!(reply(kind::ATTRS, Bytes::from_static(&[0, 0, 0, 1, 0, 0, 0, 1])).is_err());
        assert!(reply(77, Bytes::from_static(&[0, 0, 0, 1])).is_err());
    }
}
