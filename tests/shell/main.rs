//! `ssh_shell`, as a client of the binary sees it: a real sshd, real shells.
//!
//! `basics`: what lasts and what a result says. `bytes`: output and commands of any content and size. `hostile`:
//! commands that attack the frame, each with a probe behind it. `ends`: how a shell ends and what the next one has.
//! `stops`: timeouts, cancels and signals. `turns`: one at a time, jobs, `busy`. `accounts`: login shells and accounts
//! that allow none. `background`: what is left behind. `links`: lost connections, the end of the server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a setup that fails is a test that fails"
)]

mod accounts;
mod background;
mod basics;
mod bytes;
mod dropbear;
mod ends;
mod grammar;
mod hostile;
mod links;
mod stops;
mod support;
mod turns;
