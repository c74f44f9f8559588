//! SFTP version 3 (draft-ietf-secsh-filexfer-02) over one session channel, with OpenSSH's extensions.
//!
//! russh-sftp encodes most packets. Its client is not used: russh-sftp decodes handles and names through lossy
//! UTF-8 (the 129th handle of OpenSSH becomes unusable, and names change), the time limit of a request starts in
//! the queue, and each block of a file is copied three times. Here, [`wire`] encodes and decodes packets,
//! [`parse`] finds packets in the stream without copying their content, [`in_flight`] matches answers with
//! requests, [`io_tasks`] moves bytes, [`client`] is the channel with a method for each request ([`requests`]), and
//! [`pool`] keeps open channels for the next transfer.

pub(crate) mod client;
pub(crate) mod error;
mod in_flight;
mod io_tasks;
mod parse;
pub(crate) mod pool;
pub(crate) mod read_block;
mod requests;
pub(crate) mod wire;

pub(crate) use self::client::Sftp;
pub(crate) use self::error::SftpError;
pub(crate) use self::in_flight::Pending;
pub(crate) use self::wire::{Entry, Handle};
