//! One set of sessions behind three transports, and the fate of a client's calls when the client goes away.

use std::time::Duration;

use serde_json::{Value, json};

use mcp_ssh_sessions::limits;

use super::mcp::{self, Sse, Streamable};
use super::request::ask;
use super::world;
use testkit::client::{error_code, stream, text};
use testkit::host::Host;
use testkit::processes::Process;
use testkit::{bounded, eventually};

/// The remote process that runs `line`, after its start.
async fn running(host: &Host, line: &str) -> Process {
    let find = || {
        let mut commands = host.commands().into_iter();
        commands.find(|process| process.command_line() == line)
    };
    eventually(line, || find().is_some()).await;
    find().expect("it was there a moment ago")
}

fn verify_exec(result: &Value) {
    assert!(text(result).contains("(session test"), "{result}");
    assert_eq!(stream(result, "stdout"), "out\n", "{result}");
}

#[tokio::test]
async fn a_session_that_one_client_opens_is_there_for_the_others() {
    let (_host, daemon) = world().await;
    let streamable = Streamable::open(&daemon).await;
    let mut sse = Sse::open(&daemon).await;
    let connected = streamable
        .call(&daemon, "ssh_connect", json!({"host": "test"}))
        .await;
    assert_eq!(
        connected["structuredContent"]["state"], "ready",
        "{connected}"
    );
    let exec = json!({"command": "echo out"});
    verify_exec(&streamable.call(&daemon, "ssh_exec", exec.clone()).await);
    verify_exec(&sse.call(&daemon, "ssh_exec", exec.clone()).await);
    verify_exec(&mcp::succeed(&daemon, "ssh_exec", exec.clone()).await);
    // The client that opened the session goes; the session stays.
    assert_eq!(streamable.delete(&daemon).await.status, 204);
    drop(sse);
    verify_exec(&mcp::succeed(&daemon, "ssh_exec", exec).await);
    let health = ask(&daemon, "GET", "/health").get().await.json().await;
    assert_eq!(health["sessions"]["ready"], 1, "{health}");
}

#[tokio::test]
async fn an_mcp_session_that_has_ended_is_gone() {
    let (_host, daemon) = world().await;
    let client = Streamable::open(&daemon).await;
    let mut events = client.stream(&daemon).await;
    assert_eq!(events.status, 200);
    let deleted = client.delete(&daemon).await;
    assert_eq!(deleted.status, 204);
    assert_eq!(deleted.text().await, "");
    assert_eq!(events.event().await, None, "its stream ends with it");
    let again = client.delete(&daemon).await;
    assert_eq!(again.status, 404);
    let after = client
        .post(&daemon, mcp::request(2, "ping", json!({})))
        .await;
    assert_eq!(after.status, 404);
    let unknown = ask(&daemon, "POST", "/mcp?sessionId=nobody").mcp();
    let unknown = unknown.send(mcp::request(1, "ping", json!({}))).await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn a_closed_sse_stream_ends_its_service_and_its_calls_and_no_others() {
    let (host, daemon) = world().await;
    mcp::succeed(&daemon, "ssh_connect", json!({"host": "test"})).await;
    let (leaving, mut staying) = (Sse::open(&daemon).await, Sse::open(&daemon).await);
    leaving
        .begin(&daemon, 2, "ssh_exec", json!({"command": "sleep 611"}))
        .await;
    staying
        .begin(
            &daemon,
            2,
            "ssh_exec",
            json!({"command": "sleep 3 && echo out"}),
        )
        .await;
    let process = running(&host, "sleep 611").await;
    let address = leaving.address.clone();
    drop(leaving);
    eventually("the command of the client that left to end", || {
        !process.is_alive()
    })
    .await;
    let post = async || {
        let asked = ask(&daemon, "POST", &address).mcp();
        asked.send(mcp::request(3, "ping", json!({}))).await.status
    };
    assert_eq!(post().await, 404, "its session is gone");
    let answer = staying.next().await.expect("an answer");
    verify_exec(&answer["result"]);
}

#[tokio::test]
async fn a_modern_call_ends_with_its_connection() {
    let (host, daemon) = world().await;
    mcp::succeed(&daemon, "ssh_connect", json!({"host": "test"})).await;
    let leaving = async {
        let exec = json!({"command": "sleep 612", "waitMs": 50000});
        mcp::begin_modern(&daemon, "ssh_exec", exec).await
    };
    let process = tokio::select! {
        _ = leaving => panic!("it does not end by itself"),
        process = running(&host, "sleep 612") => process,
    };
    eventually("the command to end", || !process.is_alive()).await;
    verify_exec(&mcp::succeed(&daemon, "ssh_exec", json!({"command": "echo out"})).await);
}

#[tokio::test]
async fn deleting_an_mcp_session_ends_its_waiting_calls() {
    let (host, daemon) = world().await;
    mcp::succeed(&daemon, "ssh_connect", json!({"host": "test"})).await;
    let client = Streamable::open(&daemon).await;
    let _call = client
        .begin(
            &daemon,
            "ssh_exec",
            json!({"command": "sleep 613", "waitMs": 50000}),
        )
        .await;
    let process = running(&host, "sleep 613").await;
    client.delete(&daemon).await;
    eventually("the command to end", || !process.is_alive()).await;
}

#[tokio::test]
async fn a_call_that_waits_for_long_keeps_its_stream_and_others_do_not_wait_for_it() {
    let (_host, daemon) = world().await;
    mcp::succeed(&daemon, "ssh_connect", json!({"host": "test"})).await;
    let slow = async {
        let exec = json!({"command": "sleep 17; echo out", "waitMs": 25000});
        mcp::succeed(&daemon, "ssh_exec", exec).await
    };
    let quick = async {
        for _ in 0..10 {
            verify_exec(&mcp::succeed(&daemon, "ssh_exec", json!({"command": "echo out"})).await);
        }
        tokio::time::Instant::now()
    };
    let started = tokio::time::Instant::now();
    let (slow, quick) = tokio::join!(slow, quick);
    verify_exec(&slow);
    assert!(quick - started < Duration::from_secs(15));
}

#[tokio::test]
async fn there_is_a_bound_on_mcp_sessions_and_a_place_comes_free() {
    let (_host, daemon) = world().await;
    let mut clients = Vec::new();
    for _ in 0..limits::LEGACY_SESSIONS_MAX / 2 {
        clients.push(Streamable::open(&daemon).await);
    }
    let mut streams = Vec::new();
    for _ in clients.len()..limits::LEGACY_SESSIONS_MAX {
        let stream = Sse::connect(&daemon).await;
        assert_eq!(stream.status, 200);
        streams.push(stream);
    }
    let refused = Streamable::try_open(&daemon).await;
    assert_eq!(refused.status, 503);
    assert!(
        refused.json().await["error"]["message"]
            .as_str()
            .unwrap()
            .contains("256")
    );
    assert_eq!(Sse::connect(&daemon).await.status, 503);
    // The protocol without sessions needs none.
    mcp::succeed(&daemon, "ssh_sessions", json!({})).await;
    clients.pop().unwrap().delete(&daemon).await;
    Streamable::open(&daemon).await;
    assert_eq!(Sse::connect(&daemon).await.status, 503);
    drop(streams.pop());
    let opening = async {
        while Sse::connect(&daemon).await.status != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    bounded("a place", opening).await;
}

/// 1 KB for each of its clients.
const ROUND_GROWTH_MAX_BYTES: u64 = 250 * 1024;

/// An allocator needs time to settle, so there are several rounds; a leak grows in each of them.
#[tokio::test]
async fn a_thousand_clients_leave_nothing_behind() {
    let (_host, daemon) = world().await;
    let round = async |count: usize| {
        for _ in 0..count {
            drop(Sse::open(&daemon).await);
            let client = Streamable::open(&daemon).await;
            drop(client.stream(&daemon).await);
            client.delete(&daemon).await;
        }
    };
    round(100).await;
    let settled = async || {
        // Ended connections are noticed one by one.
        let idle = || daemon.open_files() < 40;
        eventually("the connections to end", idle).await;
        daemon.status("RssAnon:")
    };
    let mut before = settled().await;
    let mut grown = Vec::new();
    while grown
        .last()
        .is_none_or(|bytes| *bytes >= ROUND_GROWTH_MAX_BYTES)
    {
        assert!(grown.len() < 16, "bytes more after each round: {grown:?}");
        round(125).await;
        let after = settled().await;
        grown.push(after.saturating_sub(before));
        before = after;
    }
    // The places of all of them are free.
    let mut streams = Vec::new();
    for _ in 0..limits::LEGACY_SESSIONS_MAX {
        streams.push(Sse::connect(&daemon).await);
    }
    assert!(streams.iter().all(|stream| stream.status == 200));
}

#[tokio::test]
async fn errors_of_tools_and_of_the_protocol_come_through() {
    let (_host, daemon) = world().await;
    let result = mcp::call(
        &daemon,
        "ssh_exec",
        json!({"command": "true", "session": "nobody"}),
    )
    .await;
    assert_eq!(error_code(&result), "noSuchSession");
    let mut sse = Sse::open(&daemon).await;
    let answer = sse.ask(&daemon, 9, "no/such", json!({})).await;
    assert_eq!(answer["error"]["code"], -32601, "{answer}");
    let twice = mcp::request(
        10,
        "tools/call",
        json!({"name": "ssh_sessions", "arguments": {}}),
    );
    assert_eq!(sse.post(&daemon, twice).await.status, 202);
    assert!(sse.next().await.expect("an answer")["result"].is_object());
}
