//! The fixtures do what other tests rely on.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy knows only test functions as tests, and helpers of these are none"
)]

mod common;

#[path = "fixtures/link.rs"]
mod link;
#[path = "fixtures/local.rs"]
mod local;
#[path = "fixtures/memory.rs"]
mod memory;
#[path = "fixtures/openssh.rs"]
mod openssh;

use mcp_ssh_sessions::demo::Exit;

/// The exit of a command that a signal ended.
fn killed_by(name: &str) -> Option<Exit> {
    Some(Exit::Signal {
        name: name.to_owned(),
        core_dumped: false,
    })
}
