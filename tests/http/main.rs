//! The HTTP daemon from outside: its clients, its neighbours and web pages.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy knows only test functions as tests, and helpers of these are none"
)]

mod bodies;
mod browser;
mod clients;
mod defaults;
mod end;
mod guard;
mod mcp;
mod metrics;
mod prometheus;
mod request;
mod start;
mod transports;
mod users;

use testkit::daemon::Daemon;
use testkit::host::Host;

/// A host, and a daemon that reaches the host as `test`.
async fn world() -> (Host, Daemon) {
    let host = Host::start().await;
    let daemon = Daemon::start(&host.sshd.ssh_config()).await;
    (host, daemon)
}
