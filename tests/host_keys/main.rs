//! Host-key verification compared with OpenSSH, and against hostile files.
//!
//! `golden`: the cases that were run with the real `ssh`. `rules`: the places where this program is
//! stricter, one by one. `files`: any file behind a configured path. `learning`: lines of learned keys.
//! `processes`: several processes at once, and a disk that fills up.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a setup that fails is a test that fails"
)]
#![allow(
    clippy::print_stdout,
    reason = "how the processes of a test speak to it"
)]

mod files;
mod golden;
mod learning;
mod processes;
mod rules;
mod support;
