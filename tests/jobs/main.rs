//! Jobs, as a client of the binary sees them: commands that go on after their call, their output, their input.
//!
//! Each test has a real sshd and a real server of its own. `handover`: from a call to a job. `output`: what
//! `ssh_output` returns, and when. `pages`: outputs of any size, byte for byte. `ends`: how a job's end is told.
//! `input`: text and signals. `prompts`: the guess that a program waits for input. `terminal`: `pty: true`.
//! `dialogues`: psql, sudo and ssh on a terminal.
//! `load`: floods and many jobs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a setup that fails is a test that fails"
)]

mod dialogues;
mod ends;
mod handover;
mod input;
mod load;
mod output;
mod pages;
mod prompts;
mod terminal;
