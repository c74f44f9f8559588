//! SSH: targets, the OpenSSH configuration, host keys, authentication, channels. The only place that imports russh.
//!
//! Path of a connect: [`target`] parses the host as typed, [`resolve`] asks `ssh -G` for its configuration,
//! [`dial`] runs the phases, [`host_keys`] judges the server, [`auth`] logs in. Path of a command: [`command`]
//! builds the line, [`channel`] finds a channel, [`exec`] runs the line, [`ending`] ends the command. Path of a
//! file: [`sftp`] speaks the protocol over a channel, [`transfer`] copies files and trees.
//!
//! Knows no session names, no actors and no MCP.

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
pub(crate) mod processes;
pub mod resolve;
pub mod script;
pub(crate) mod sftp;
pub mod shell;
pub mod stream;
pub mod target;
mod tcp;
pub(crate) mod timer;
pub mod transfer;
