//! SFTP version 3 (draft-ietf-secsh-filexfer-02) over one session channel, with OpenSSH's extensions.
//!
//! russh-sftp makes and reads most packets. How they travel is ours, because its client does not fit: it decodes
//! handles and names through lossy UTF-8 (so the 129th handle of OpenSSH is unusable, and names are guessed), its
//! requests time out from the moment they are queued, and each block of a file is copied three times. So
//! [`wire`] writes and reads the packets that carry handles, names and data, [`parse`] finds them in the stream
//! without copying what they carry, and [`client`] keeps any number of requests in flight. [`pool`] keeps
//! channels warm.

pub(crate) mod client;
mod io_tasks;
mod parse;
pub(crate) mod pool;
pub(crate) mod read_block;
mod requests;
pub(crate) mod wire;

pub(crate) use client::{Pending, Sftp, SftpError};
pub(crate) use wire::{Entry, Handle};
