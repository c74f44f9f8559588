//! The SFTP server with a fault.

use std::collections::HashSet;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use mcp_ssh_sessions::demo::{BoxFuture, CommandIo, CommandRunner, Exit};

use crate::world::content;

/// The faults of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Reads answer with less than was asked for, as they may.
    ShortReads,
    /// The file ends before its size.
    TooShort,
    /// Reads answer with more than was asked for.
    TooMuch,
    /// A listing has no end.
    EndlessListing,
    /// A directory holds a directory holds a directory.
    EndlessDepth,
    /// A listing holds this name.
    Name(&'static [u8]),
    /// A packet claims to be huge.
    HugePacket,
    /// A handle for a question about attributes.
    WrongAnswer,
    /// Reads are never answered.
    Silence,
}

/// Size of every file.
pub(super) const SIZE: usize = 100_000;

/// Answers SFTP requests with one fault.
pub(super) struct HostileSftp(pub(super) Fault);

impl CommandRunner for HostileSftp {
    fn run(&self, _command: Bytes, _io: CommandIo) -> BoxFuture<Exit> {
        Box::pin(async { Exit::Status(127) })
    }

    fn has_subsystem(&self, name: &str) -> bool {
        name == "sftp"
    }

    fn run_subsystem(&self, _name: String, io: CommandIo) -> BoxFuture<Exit> {
        Box::pin(serve(self.0, io))
    }
}

async fn serve(fault: Fault, mut io: CommandIo) -> Exit {
    let mut buffer = BytesMut::new();
    // Directories of which the first part was told.
    let mut listed = HashSet::new();
    while let Some(chunk) = io.stdin.recv().await {
        buffer.extend_from_slice(&chunk);
        while buffer.len() >= 4 {
            let length = u32::from_be_bytes(buffer[..4].try_into().unwrap()) as usize;
            if buffer.len() < 4 + length {
                break;
            }
            let mut packet = buffer.split_to(4 + length).freeze();
            packet.advance(4);
            if fault == Fault::Silence && packet[0] == 5 {
                continue;
            }
            let answer = answer(fault, packet, &mut listed);
            let mut frame = BytesMut::new();
            frame.put_u32(answer.len() as u32);
            if fault == Fault::HugePacket && answer[0] == 105 {
                frame.clear();
                frame.put_u32(0x7fff_ffff);
            }
            frame.extend_from_slice(&answer);
            if io.stdout.send(frame.freeze()).await.is_err() {
                return Exit::Status(1);
            }
        }
    }
    Exit::Status(0)
}

fn take_string(packet: &mut Bytes) -> Bytes {
    let length = packet.get_u32() as usize;
    packet.split_to(length)
}

fn answer(fault: Fault, mut packet: Bytes, listed: &mut HashSet<Bytes>) -> Vec<u8> {
    let kind = packet.get_u8();
    let mut out = Vec::new();
    if kind == 1 {
        out.extend([2, 0, 0, 0, 3]);
        return out;
    }
    let id = packet.get_u32();
    let first = take_string(&mut packet);
    let mut begin = |kind: u8| {
        out.put_u8(kind);
        out.put_u32(id);
    };
    let is_tree = first.ends_with(b"tree") || first.ends_with(b"x");
    match kind {
        // OPEN, OPENDIR: the path is the handle.
        3 | 11 => {
            begin(102);
            put_string(&mut out, &first);
        }
        // STAT, LSTAT, FSTAT.
        7 | 8 | 17 if fault == Fault::WrongAnswer => {
            begin(102);
            put_string(&mut out, b"h");
        }
        7 | 8 | 17 => {
            begin(105);
            put_attributes(&mut out, is_tree);
        }
        5 => {
            let offset = packet.get_u64() as usize;
            let length = packet.get_u32() as usize;
            let file = content(SIZE);
            let end = match fault {
                Fault::ShortReads => offset + length.min(777),
                Fault::TooMuch => offset + length + 10,
                _ => offset + length,
            };
            let last = if fault == Fault::TooShort {
                SIZE / 2
            } else {
                SIZE
            };
            if offset >= last {
                begin(101);
                out.put_u32(1);
                return out;
            }
            begin(103);
            let mut data = file[offset..end.min(last)].to_vec();
            if fault == Fault::TooMuch {
                data.resize(end - offset, 0);
            }
            put_string(&mut out, &data);
        }
        12 => names(fault, id, listed.insert(first), &mut out),
        // CLOSE and requests that change something.
        4 | 6 | 9 | 10 | 13 | 14 | 15 | 18 | 20 => {
            begin(101);
            out.put_u32(0);
        }
        _ => {
            begin(101);
            out.put_u32(8);
        }
    }
    out
}

/// One part of a listing; where it has an end, the first part is all of it.
fn names(fault: Fault, id: u32, is_first: bool, out: &mut Vec<u8>) {
    let entries: Vec<(Vec<u8>, bool)> = match fault {
        Fault::EndlessListing => (0..500)
            .map(|number| {
                (
                    format!("n{number}-{}", rand::random::<u64>()).into_bytes(),
                    false,
                )
            })
            .collect(),
        Fault::EndlessDepth => vec![(b"x".to_vec(), true)],
        Fault::Name(name) => vec![(name.to_vec(), false)],
        _ => Vec::new(),
    };
    if fault != Fault::EndlessListing && !is_first {
        out.put_u8(101);
        out.put_u32(id);
        out.put_u32(1);
        return;
    }
    out.put_u8(104);
    out.put_u32(id);
    out.put_u32(entries.len() as u32);
    for (name, is_directory) in entries {
        put_string(out, &name);
        put_string(out, b"-rw-r--r-- \x1b[2J");
        put_attributes(out, is_directory);
    }
}

fn put_string(out: &mut Vec<u8>, string: &[u8]) {
    out.put_u32(string.len() as u32);
    out.extend_from_slice(string);
}

fn put_attributes(out: &mut Vec<u8>, is_directory: bool) {
    out.put_u32(1 | 4 | 8);
    out.put_u64(SIZE as u64);
    out.put_u32(if is_directory { 0o040_755 } else { 0o100_644 });
    out.put_u32(1_000_000_000);
    out.put_u32(1_000_000_000);
}
