//! Finds packets in a stream. The content of a file is passed on in the pieces in which the channel delivered it.

use bytes::{Buf, Bytes, BytesMut};

use super::error::SftpError;
use super::wire::{Reply, decode, packet};
use crate::limits;

/// Bytes between the length of a `DATA` packet and its content: type, request number, length of the content.
const DATA_HEAD_BYTES: usize = 9;
/// Smaller pieces are joined: a server may send byte by byte, and each piece has a fixed cost.
const SMALL_PIECE_BYTES: usize = 1024;

/// The incomplete packet.
#[derive(Debug, Default)]
pub(super) struct Parser {
    head: BytesMut,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    /// Within the length and the type.
    #[default]
    Head,
    /// Within a packet of `left` more bytes.
    Body { kind: u8, left: usize },
    /// Within the content of a file.
    Data {
        id: u32,
        left: usize,
        pieces: Vec<Bytes>,
        small: BytesMut,
    },
}

impl Parser {
    /// Consumes the next piece of the stream and calls `tell` for each completed answer.
    pub(super) fn push(
        &mut self,
        mut piece: Bytes,
        mut tell: impl FnMut(Option<u32>, Reply),
    ) -> Result<(), SftpError> {
        while piece.has_remaining() {
            self.step(&mut piece, &mut tell)?;
        }
        Ok(())
    }

    fn step(
        &mut self,
        piece: &mut Bytes,
        tell: &mut impl FnMut(Option<u32>, Reply),
    ) -> Result<(), SftpError> {
        match &mut self.state {
            State::Head => {
                let wanted = self.head_bytes();
                let taken = piece.split_to(piece.len().min(wanted - self.head.len()));
                self.head.extend_from_slice(&taken);
                if self.head.len() == self.head_bytes() {
                    self.begin(tell)?;
                }
            }
            State::Body { kind, left } => {
                let taken = piece.split_to(piece.len().min(*left));
                self.head.extend_from_slice(&taken);
                *left -= taken.len();
                if *left == 0 {
                    let kind = *kind;
                    self.state = State::Head;
                    let (id, reply) = decode::reply(kind, self.head.split().freeze())?;
                    tell(id, reply);
                }
            }
            State::Data {
                id,
                left,
                pieces,
                small,
            } => {
                let taken = piece.split_to(piece.len().min(*left));
                *left -= taken.len();
                keep(taken, pieces, small);
                if *left == 0 {
                    if !small.is_empty() {
                        pieces.push(small.split().freeze());
                    }
                    let (id, pieces) = (*id, std::mem::take(pieces));
                    self.state = State::Head;
                    tell(Some(id), Reply::Data(pieces));
                }
            }
        }
        Ok(())
    }

    /// Length and type take five bytes; for `DATA`, the request number and the length of the content follow.
    fn head_bytes(&self) -> usize {
        if self.head.get(4) == Some(&packet::DATA) {
            4 + DATA_HEAD_BYTES
        } else {
            5
        }
    }

    fn begin(&mut self, tell: &mut impl FnMut(Option<u32>, Reply)) -> Result<(), SftpError> {
        let mut head = self.head.split();
        let length = head.get_u32() as usize;
        if !(1..=limits::SFTP_PACKET_MAX_BYTES).contains(&length) {
            return Err(SftpError::Protocol(format!("a packet of {length} bytes")));
        }
        let kind = head.get_u8();
        if kind != packet::DATA {
            self.state = State::Body {
                kind,
                left: length - 1,
            };
            if length == 1 {
                return Err(SftpError::Protocol("an empty packet".to_owned()));
            }
            return Ok(());
        }
        let (id, left) = (head.get_u32(), head.get_u32() as usize);
        if left + DATA_HEAD_BYTES != length {
            return Err(SftpError::Protocol("a block of another length".to_owned()));
        }
        if left == 0 {
            tell(Some(id), Reply::Data(Vec::new()));
            return Ok(());
        }
        self.state = State::Data {
            id,
            left,
            pieces: Vec::new(),
            small: BytesMut::new(),
        };
        Ok(())
    }
}

/// Appends a piece; small pieces are joined first.
fn keep(taken: Bytes, pieces: &mut Vec<Bytes>, small: &mut BytesMut) {
    if taken.len() < SMALL_PIECE_BYTES {
        small.extend_from_slice(&taken);
        return;
    }
    if !small.is_empty() {
        pieces.push(small.split().freeze());
    }
    pieces.push(taken);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssh::sftp::error::status;

    fn stream() -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend([0, 0, 0, 5 + 4 + 4, 101, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        let content: Vec<u8> = (0..3000_u32).map(|n| n as u8).collect();
        bytes.extend((9 + 3000_u32).to_be_bytes());
        bytes.extend([103, 0, 0, 0, 2]);
        bytes.extend(3000_u32.to_be_bytes());
        bytes.extend(&content);
        bytes.extend([0, 0, 0, 9, 103, 0, 0, 0, 3, 0, 0, 0, 0]);
        bytes.extend([0, 0, 0, 9, 102, 0, 0, 0, 4, 0, 0, 0, 0]);
        bytes
    }

    #[test]
    fn every_split_of_a_stream_reads_the_same() {
        let stream = stream();
        for size in [1, 2, 3, 7, 1023, 1024, 1500, stream.len()] {
            let mut parser = Parser::default();
            let mut seen = Vec::new();
            for piece in stream.chunks(size) {
                let tell = |id, reply| match reply {
                    Reply::Status(answer) => {
                        assert_eq!(answer.code, status::OK);
                        seen.push((id, 0));
                    }
                    Reply::Data(pieces) => {
                        let content = pieces.concat();
                        let right = content.iter().enumerate().all(|(n, byte)| n as u8 == *byte);
                        assert!(right, "pieces of {size}");
                        seen.push((id, content.len()));
                    }
                    Reply::Handle(handle) => seen.push((id, handle.0.len())),
                    other => panic!("{other:?}"),
                };
                parser.push(Bytes::copy_from_slice(piece), tell).unwrap();
            }
            let expected = [(Some(1), 0), (Some(2), 3000), (Some(3), 0), (Some(4), 0)];
            assert_eq!(seen, expected, "pieces of {size}");
        }
    }

    #[test]
    fn a_length_that_lies_is_an_error() {
        let mut parser = Parser::default();
        let huge = Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 101]);
        assert!(parser.push(huge, |_, _| {}).is_err());
        let mut parser = Parser::default();
        let lying = Bytes::from_static(&[0, 0, 0, 20, 103, 0, 0, 0, 1, 0, 0, 1, 0]);
        assert!(parser.push(lying, |_, _| {}).is_err());
    }
}
