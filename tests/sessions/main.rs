//! The state machine of a session, over SSH connections in memory and on a paused clock.
//!
//! `world` and `network` are the support: hosts in memory behind the seam of the dialler. Every other file is
//! one behaviour. Tests that crash an actor on purpose are in `crash` and need the feature `fail-points`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a setup that fails is a test that fails"
)]

mod admission;
mod auth;
mod backoff;
mod channels;
#[cfg(feature = "fail-points")]
mod crash;
mod defaults;
mod disconnect;
mod exec;
mod first_connect;
mod flood;
mod framed_shell;
mod generations;
mod handshakes;
mod host_keys;
mod hostile;
mod isolation;
mod jobs;
mod killing;
mod lost_link;
mod network;
mod on_demand;
mod shell;
mod shell_host;
mod shutdown;
mod states;
mod store;
mod world;
