//! Bodies that are too large, too slow, or no messages.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use mcp_ssh_sessions::limits;

use super::mcp;
use super::request::{Raw, ask};
use super::world;

/// Above a limit, for a loaded machine.
const SLACK: Duration = Duration::from_secs(5);

#[tokio::test]
async fn only_json_is_taken() {
    let (_host, daemon) = world().await;
    let body = mcp::request(1, "initialize", mcp::hello());
    let types = [
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data"),
        None,
    ];
    for path in ["/mcp", "/mcp?sessionId=1"] {
        for content_type in types {
            let mut asked =
                ask(&daemon, "POST", path).header("accept", "application/json, text/event-stream");
            if let Some(content_type) = content_type {
                asked = asked.header("content-type", content_type);
            }
            let reply = asked.send(body.clone()).await;
            assert_eq!(reply.status, 415, "{path} {content_type:?}");
        }
    }
}

#[tokio::test]
async fn what_is_no_message_is_answered_as_json_rpc() {
    let (_host, daemon) = world().await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let rows: [(Vec<u8>, i64); 11] = [
        (b"".to_vec(), -32700),
        (b"  \n".to_vec(), -32700),
        (b"{".to_vec(), -32700),
        (b"nonsense".to_vec(), -32700),
        (
            b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}".to_vec(),
            -32700,
        ),
        (
            format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":{deep}}}")
                .into_bytes(),
            -32700,
        ),
        (b"[]".to_vec(), -32600),
        (
            format!("[{}]", mcp::request(1, "ping", json!({}))).into_bytes(),
            -32600,
        ),
        (b"{}".to_vec(), -32600),
        (
            b"{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"ping\"}".to_vec(),
            -32600,
        ),
        (
            b"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"ping\"}".to_vec(),
            -32600,
        ),
    ];
    for path in ["/mcp", "/mcp?sessionId=1"] {
        for (body, code) in &rows {
            let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
            let reply = ask(&daemon, "POST", path).mcp().send(body.clone()).await;
            assert_eq!(reply.status, 400, "{path} {shown}");
            let answer = reply.json().await;
            assert_eq!(answer["error"]["code"], *code, "{path} {shown}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_told_so() {
    let (_host, daemon) = world().await;
    let text = "x".repeat(5 * 1024 * 1024);
    let body = mcp::request(1, "ping", json!({"text": text}));
    for path in ["/mcp", "/mcp?sessionId=1"] {
        let reply = ask(&daemon, "POST", path).mcp().send(body.clone()).await;
        assert_eq!(reply.status, 413, "{path}");
        assert!(
            reply.json().await["error"]
                .as_str()
                .unwrap()
                .contains("4 MiB")
        );
    }
}

#[tokio::test]
async fn a_body_without_an_end_takes_no_memory() {
    let (_host, daemon) = world().await;
    let before = daemon.status("VmRSS:");
    let mut raw = Raw::connect(&daemon).await;
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
        daemon.address()
    );
    raw.write(head.as_bytes()).await;
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    for _ in 0..64 * 16 {
        raw.write(chunk.as_bytes()).await;
    }
    let answer = raw.read_to_end(SLACK).await;
    // The answer may be lost where the connection is reset with bytes on their way.
    assert!(answer.is_empty() || answer.contains(" 413 "), "{answer}");
    let grown = daemon.status("VmHWM:").saturating_sub(before);
    assert!(grown < 24 * 1024 * 1024, "{grown} bytes");
    let health = ask(&daemon, "GET", "/health").get().await;
    assert_eq!(health.status, 200);
}

/// Both limits side by side: each takes its time.
#[tokio::test]
async fn slow_headers_and_slow_bodies_end_in_their_time() {
    let (_host, daemon) = world().await;
    let begun = Instant::now();
    let drip = async |start: String, limit: Duration| {
        let mut raw = Raw::connect(&daemon).await;
        raw.write(start.as_bytes()).await;
        let (mut reader, mut writer) = raw.0.into_split();
        let dripping = tokio::spawn(async move {
            use tokio::io::AsyncWriteExt;
            // A byte a second keeps the connection busy for ever.
            while writer.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let mut answer = Vec::new();
        use tokio::io::AsyncReadExt;
        let reading = tokio::time::timeout(limit + SLACK, reader.read_to_end(&mut answer));
        let ended = reading.await;
        dripping.abort();
        assert!(ended.is_ok(), "open after {limit:?}");
        (
            String::from_utf8_lossy(&answer).into_owned(),
            begun.elapsed(),
        )
    };
    let host = daemon.address();
    let headers = format!("GET /health HTTP/1.1\r\nHost: {host}\r\nX-Slow: ");
    let body = format!(
        "POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    );
    let ((_, header_time), (answer, body_time)) = tokio::join!(
        drip(headers, limits::HTTP_HEADER_TIMEOUT),
        drip(body, limits::HTTP_BODY_TIMEOUT)
    );
    assert!(
        header_time < limits::HTTP_HEADER_TIMEOUT + SLACK,
        "{header_time:?}"
    );
    assert!(
        body_time < limits::HTTP_BODY_TIMEOUT + SLACK,
        "{body_time:?}"
    );
    assert!(answer.contains(" 408 "), "{answer}");
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_not_quoted() {
    const SENTINEL: &str = "s3ntinel-body-42";
    let (_host, daemon) = world().await;
    let bodies = [
        format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{{\"password\":\"{SENTINEL}\""),
        json!({"id": 1, "method": "tools/call", "params": {"name": "ssh_connect", "arguments": {"password": SENTINEL}}}).to_string(),
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "ssh_connect", "arguments": [SENTINEL]}}).to_string(),
    ];
    for body in bodies {
        let text = ask(&daemon, "POST", "/mcp")
            .mcp()
            .send(body)
            .await
            .text()
            .await;
        assert!(!text.contains(SENTINEL), "{text}");
        assert!(
            serde_json::from_str::<Value>(&text).is_ok() || text.starts_with("Bad Request"),
            "{text}"
        );
    }
    assert!(!daemon.stderr().contains(SENTINEL));
}
