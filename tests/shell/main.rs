//! `ssh_shell` from the view of a client: the binary, a real sshd, real shells.
//!
//! `basics`: lasting state and texts of results. `bytes`: output and commands of any content and size. `hostile`:
//! commands that attack the frame, each with a probe behind. `ends`: ends of a shell and the state of the next shell.
//! `stops`: timeouts, cancels and signals. `turns`: one at a time, jobs, `busy`. `accounts`: login shells and accounts
//! that allow none. `background`: processes left behind. `links`: lost connections, the end of the server.

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
