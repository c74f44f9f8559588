//! Answers from packets.

use std::collections::HashMap;

use bytes::{Buf, Bytes};

use super::{
    Attributes, Entry, FreeSpace, HAS_MODE, HAS_MORE, HAS_OWNER, HAS_SIZE, HAS_TIMES, Handle,
    Reply, packet,
};
use crate::ssh::sftp::error::{SftpError, Status};

/// Reads an answer other than `DATA`; gives the number of its request and the reply.
pub(in crate::ssh::sftp) fn reply(
    kind: u8,
    mut body: Bytes,
) -> Result<(Option<u32>, Reply), SftpError> {
    if kind == packet::VERSION {
        return Ok((None, version(body)?));
    }
    let id = take_u32(&mut body)?;
    let reply = match kind {
        packet::STATUS => Reply::Status(Status {
            code: take_u32(&mut body)?,
            // Old servers send no message.
            message: take_string(&mut body)
                .map(|text| String::from_utf8_lossy(&text).into_owned())
                .unwrap_or_default(),
        }),
        packet::HANDLE => Reply::Handle(Handle(take_string(&mut body)?)),
        packet::NAME => Reply::Names(names(body)?),
        packet::ATTRS => Reply::Attributes(Box::new(take_attributes(&mut body)?)),
        packet::EXTENDED_REPLY => Reply::Extended(body),
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
    // The count may lie, so nothing is allocated for it.
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
        attributes.size = Some(body.try_get_u64().map_err(|_| truncated())?);
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
    body.try_get_u32().map_err(|_| truncated())
}

fn take_string(body: &mut Bytes) -> Result<Bytes, SftpError> {
    let length = take_u32(body)? as usize;
    if body.remaining() < length {
        return Err(truncated());
    }
    Ok(body.split_to(length))
}

fn truncated() -> SftpError {
    SftpError::Protocol("a packet that ends too early".to_owned())
}

/// Reads the answer to `statvfs@openssh.com`; `None` if the body is too short.
pub(in crate::ssh::sftp) fn free_space(mut body: Bytes) -> Option<FreeSpace> {
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
    Some(FreeSpace {
        free_bytes: fragment.saturating_mul(available),
        free_files: files_available,
        counts_files: files > 0,
        read_only: flags & 1 != 0,
    })
}

/// Reads the answer to `limits@openssh.com`: bytes of the largest read and of the largest write.
pub(in crate::ssh::sftp) fn block_limits(mut body: Bytes) -> Option<(u64, u64)> {
    let mut fields = [0_u64; 4];
    for field in &mut fields {
        *field = body.try_get_u64().ok()?;
    }
    Some((fields[1], fields[2]))
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, BytesMut};

    use super::*;
    use crate::ssh::sftp::wire::{FileKind, file_kind};

    fn put_string(frame: &mut BytesMut, string: &[u8]) {
        frame.put_u32(string.len() as u32);
        frame.put_slice(string);
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
        assert_eq!(file_kind(&entries[0].attributes), FileKind::File);
    }

    #[test]
    fn a_packet_that_ends_too_early_is_an_error() {
        for kind in [packet::STATUS, packet::HANDLE, packet::NAME, packet::ATTRS] {
            assert!(reply(kind, Bytes::from_static(&[0, 0])).is_err());
        }
        assert!(reply(packet::ATTRS, Bytes::from_static(&[0, 0, 0, 1, 0, 0, 0, 1])).is_err());
        assert!(reply(77, Bytes::from_static(&[0, 0, 0, 1])).is_err());
    }
}
