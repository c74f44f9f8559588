//! SSH: targets, the OpenSSH configuration, host keys, authentication, channels. The only place that imports russh.
//!
//! The way of a connect: [`target`] reads what the user typed, [`resolve`] asks `ssh -G` what it means,
//! [`dial`] runs the phases, [`host_keys`] judges the server, [`auth`] convinces it. The way of a command:
//! [`command`] builds the line, [`channel`] finds a channel, [`exec`] runs it, [`ending`] ends it.
//!
//! A file goes another way: [`sftp`] speaks the protocol over a channel, [`transfer`] moves files and trees with it.
//!
//! Knows nothing of sessions by name, of actors and of MCP.

mod algorithms;
pub mod auth;
pub mod channel;
pub mod command;
pub mod connection;
pub mod credentials;
pub mod dial;
pub mod disconnect;
pub mod ending;
mod environment;
pub mod error;
pub mod exec;
mod framing;
pub mod host_keys;
pub(crate) mod peer_text;
pub mod resolve;
pub mod script;
pub(crate) mod sftp;
pub mod shell;
pub mod stream;
pub mod target;
mod tcp;
pub(crate) mod timer;
pub mod transfer;
