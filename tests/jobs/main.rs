//! Jobs from the view of a client of the binary: commands that outlive their call, their output, their input.
//!
//! Each test has a real sshd and a real server of its own. `handover`: from a call to a job. `output`: results of
//! `ssh_output`, and their time. `pages`: outputs of any size, byte for byte. `ends`: reports of a job's end.
//! `input`: text and signals. `prompts`: the guess that a program waits for input. `terminal`: `pty: true`.
//! `dialogues`: psql, sudo and ssh on a terminal. `history`: ending a command whatever happened before.
//! `load`: floods and many jobs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a setup that fails is a test that fails"
)]

mod dialogues;
mod ends;
mod handover;
mod history;
mod input;
mod load;
mod output;
mod pages;
mod prompts;
mod terminal;
