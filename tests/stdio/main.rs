//! The binary over stdio from the view of an MCP client: lines in, answers out, the end.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy knows only test functions as tests, and helpers of these are none"
)]

mod calls;
mod cancel;
mod end;
mod eras;
mod lines;
mod secrets;
mod start;

use std::time::Duration;

use serde_json::json;
use testkit::client::Client;
use testkit::host::Host;
use testkit::processes::Process;

/// The contract says 1 s; a loaded machine gets as much again.
const END_LIMIT: Duration = Duration::from_secs(2);
/// Until nothing is left of a remote command after the end of the server that started it.
const REMOTE_END_LIMIT: Duration = Duration::from_secs(3);

/// A server and a client with one session, `test`.
async fn connected() -> (Host, Client) {
    let host = Host::start().await;
    let mut client = Client::start(&host.sshd.ssh_config()).await;
    client.succeed("ssh_connect", json!({"host": "test"})).await;
    (host, client)
}

/// The remote process that runs `line`, once it is there.
async fn running(host: &Host, line: &str) -> Process {
    let find = || {
        let mut commands = host.commands().into_iter();
        commands.find(|process| process.command_line() == line)
    };
    testkit::eventually(line, || find().is_some()).await;
    find().expect("it was there a moment ago")
}

/// Waits until a remote process is gone, which must not take longer than `limit`.
async fn gone_within(process: Process, limit: Duration) {
    let begun = tokio::time::Instant::now();
    testkit::eventually("the remote command to end", || !process.is_alive()).await;
    let took = begun.elapsed();
    assert!(took <= limit, "the remote command ended after {took:?}");
}
