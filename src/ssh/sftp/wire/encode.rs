//! Requests as packets.

use bytes::{BufMut, Bytes, BytesMut};
use russh_sftp::protocol::{
    Init, Lstat, MkDir, Open, OpenDir, OpenFlags, Packet, ReadLink, Remove, Rename, SetStat, Stat,
    Symlink,
};

use super::{Attributes, HAS_MODE, HAS_SIZE, HAS_TIMES, Handle, packet};
use crate::ssh::sftp::error::SftpError;

/// The first packet of a channel.
pub(in crate::ssh::sftp) fn init() -> Result<Bytes, SftpError> {
    encode(Init::default())
}

/// `READ`: at most `length` bytes from `offset`.
pub(in crate::ssh::sftp) fn read(id: u32, handle: &Handle, offset: u64, length: u32) -> Bytes {
    let mut frame = begin(packet::READ, id, &handle.0, 12);
    frame.put_u64(offset);
    frame.put_u32(length);
    finish(frame, 0)
}

/// The head of a `WRITE`; the data follows in the stream.
pub(in crate::ssh::sftp) fn write_head(
    id: u32,
    handle: &Handle,
    offset: u64,
    length: usize,
) -> Bytes {
    let mut frame = begin(packet::WRITE, id, &handle.0, 12);
    frame.put_u64(offset);
    frame.put_u32(length as u32);
    finish(frame, length)
}

pub(in crate::ssh::sftp) fn close(id: u32, handle: &Handle) -> Bytes {
    finish(begin(packet::CLOSE, id, &handle.0, 0), 0)
}

pub(in crate::ssh::sftp) fn read_directory(id: u32, handle: &Handle) -> Bytes {
    finish(begin(packet::READDIR, id, &handle.0, 0), 0)
}

pub(in crate::ssh::sftp) fn stat_handle(id: u32, handle: &Handle) -> Bytes {
    finish(begin(packet::FSTAT, id, &handle.0, 0), 0)
}

pub(in crate::ssh::sftp) fn set_handle_attributes(
    id: u32,
    handle: &Handle,
    attributes: &Attributes,
) -> Bytes {
    let mut frame = begin(packet::FSETSTAT, id, &handle.0, 32);
    put_attributes(&mut frame, attributes);
    finish(frame, 0)
}

/// An extended request; all arguments are strings.
pub(in crate::ssh::sftp) fn extended(id: u32, name: &str, arguments: &[&[u8]]) -> Bytes {
    let room = arguments.iter().map(|argument| 4 + argument.len()).sum();
    let mut frame = begin(packet::EXTENDED, id, name.as_bytes(), room);
    for argument in arguments {
        put_string(&mut frame, argument);
    }
    finish(frame, 0)
}

/// A request about a path.
pub(in crate::ssh::sftp) enum PathRequest<'a> {
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
    /// Makes a symbolic link with this text.
    Link(&'a str),
}

pub(in crate::ssh::sftp) fn path_request(
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
        // OpenSSH takes the text first, contrary to the draft, and all servers follow OpenSSH.
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

/// Starts a frame with its type, number and first string; [`finish`] fills in the length.
fn begin(kind: u8, id: u32, string: &[u8], room: usize) -> BytesMut {
    let mut frame = BytesMut::with_capacity(13 + string.len() + room);
    frame.put_u32(0);
    frame.put_u8(kind);
    frame.put_u32(id);
    put_string(&mut frame, string);
    frame
}

/// Fills in the length of a frame; `following` bytes of data are sent behind the frame.
fn finish(mut frame: BytesMut, following: usize) -> Bytes {
    let length = (frame.len() - 4 + following) as u32;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame.freeze()
}

fn put_string(frame: &mut BytesMut, string: &[u8]) {
    frame.put_u32(string.len() as u32);
    frame.put_slice(string);
}

/// Appends size, mode and times. Owners are never set.
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
}
