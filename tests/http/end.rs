//! The end of the daemon, and the next one.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use tokio::time::Instant;

use super::mcp::{self, Sse, Streamable};
use super::world;
use testkit::client::{stream, text};
use testkit::daemon::Daemon;
use testkit::eventually;
use testkit::host::Host;
use testkit::sshd::Sshd;

/// The contract says 1 s; a loaded machine gets as much again.
const END_LIMIT: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_signal_ends_it_in_a_second_whatever_goes_on() {
    let host = Host::start_with(Sshd::builder().config("MaxSessions 64")).await;
    let mut daemon = Daemon::start(&host.sshd.ssh_config()).await;
    mcp::succeed(&daemon, "ssh_connect", json!({"host": "test"})).await;
    let client = Streamable::open(&daemon).await;
    let _events = client.stream(&daemon).await;
    let sse = Sse::open(&daemon).await;
    for id in 2..12 {
        sse.begin(
            &daemon,
            id,
            "ssh_exec",
            json!({"command": "sleep 621", "waitMs": 50000}),
        )
        .await;
    }
    let mut calls = Vec::new();
    for _ in 0..10 {
        calls.push(
            client
                .begin(
                    &daemon,
                    "ssh_exec",
                    json!({"command": "sleep 621", "waitMs": 50000}),
                )
                .await,
        );
    }
    eventually("the commands", || host.commands().len() >= 20).await;
    let begun = Instant::now();
    daemon.signal(Signal::TERM);
    let status = daemon.ended().await;
    let took = begun.elapsed();
    assert_eq!(status.code(), Some(0));
    assert!(took <= END_LIMIT, "{took:?}");
    eventually("the remote commands to end", || host.commands().is_empty()).await;
    // Every call was answered before its stream ended.
    for mut call in calls {
        let (_, answer) = call.event().await.expect("an answer");
        assert!(answer.contains("\"result\""), "{answer}");
    }
}

#[tokio::test]
async fn every_signal_is_an_orderly_end() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let mut daemon = Daemon::builder().start().await;
        daemon.signal(signal);
        assert_eq!(daemon.ended().await.code(), Some(0), "{signal:?}");
    }
}

#[tokio::test]
async fn after_a_restart_clients_go_on() {
    let (host, mut daemon) = world().await;
    let client = Streamable::open(&daemon).await;
    let sse = Sse::open(&daemon).await;
    client
        .call(&daemon, "ssh_connect", json!({"host": "test"}))
        .await;
    daemon.signal(Signal::TERM);
    daemon.ended().await;
    let next = Daemon::builder().home(daemon.home()).port(daemon.port());
    let next = next.ssh_config(&host.sshd.ssh_config()).start().await;
    // The sessions of the protocol are gone, and their clients are told so that they start anew.
    let old = client
        .post(&next, mcp::request(3, "tools/list", json!({})))
        .await;
    assert_eq!(old.status, 404);
    assert_eq!(
        sse.post(&next, mcp::request(3, "ping", json!({})))
            .await
            .status,
        404
    );
    let listed = mcp::succeed(&next, "ssh_sessions", json!({})).await;
    let sessions = &listed["structuredContent"]["sessions"];
    assert_eq!(sessions[0]["session"], "test", "{listed}");
    assert_eq!(sessions[0]["state"], "saved", "{listed}");
    // The first call dials.
    let client = Streamable::open(&next).await;
    let result = client
        .call(&next, "ssh_exec", json!({"command": "echo again"}))
        .await;
    assert_eq!(stream(&result, "stdout"), "again\n", "{}", text(&result));
}
