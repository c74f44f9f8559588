//! The HTTP daemon as its clients, its neighbours and web pages meet it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy knows only test functions as tests, and helpers of these are none"
)]

mod common;

#[path = "http/bodies.rs"]
mod bodies;
#[path = "http/browser.rs"]
mod browser;
#[path = "http/clients.rs"]
mod clients;
#[path = "http/end.rs"]
mod end;
#[path = "http/guard.rs"]
mod guard;
#[path = "http/mcp.rs"]
mod mcp;
#[path = "http/metrics.rs"]
mod metrics;
#[path = "http/prometheus.rs"]
mod prometheus;
#[path = "http/request.rs"]
mod request;
#[path = "http/start.rs"]
mod start;
#[path = "http/transports.rs"]
mod transports;
#[path = "http/users.rs"]
mod users;

use common::daemon::Daemon;
use common::host::Host;

/// A host and a daemon that knows it as `test`.
async fn world() -> (Host, Daemon) {
    let host = Host::start().await;
    let daemon = Daemon::start(&host.sshd.ssh_config()).await;
    (host, daemon)
}
