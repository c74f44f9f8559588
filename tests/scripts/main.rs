//! The scripts that run on hosts, each in dash, bash and busybox ash with real processes.
//!
//! `sources`: shellcheck, syntax and quoting of every `.sh` file. `groups`: process groups are found and ended.
//! `shell_command`: the command of a persistent shell. `run_in`: directory and variables. `framing`: a shell is started
//! and writes the ends of frames.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a setup that fails is a test that fails"
)]

mod framing;
mod groups;
mod run_in;
mod shell_command;
mod shells;
mod sources;
