//! The product before a real OpenSSH server: one file for each behaviour.
//!
//! Most tests use the library through the handle that the tools use; tests of texts for the user start
//! the binary. Tests that need accounts of their own (other login shells, passwords) run as root only and
//! fail with that reason elsewhere.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy knows only test functions as tests, and helpers of these are none"
)]

mod world;

mod agent;
mod bad_input;
mod binary;
mod bulk;
mod dead_peers;
mod end_many;
mod end_one;
mod end_session;
mod exec;
mod fate;
mod faults;
mod host_keys;
mod key_files;
mod login_shells;
mod password;
mod place;
mod restricted;
mod stdin;
