//! Clients of the three transports, small enough to show all bytes on the wire.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::request::{Reply, ask};
use testkit::client::{MODERN_VERSION, modern};
use testkit::daemon::Daemon;

/// The last protocol version with a handshake.
pub(crate) const LEGACY_VERSION: &str = "2025-11-25";
const ID: u64 = 7;

/// Parameters of the handshake.
pub(crate) fn hello() -> Value {
    json!({
        "protocolVersion": LEGACY_VERSION,
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    })
}

pub(crate) fn request(id: u64, method: &str, parameters: Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": parameters}).to_string()
}

fn notification(method: &str) -> String {
    json!({"jsonrpc": "2.0", "method": method}).to_string()
}

fn call_of(tool: &str, arguments: Value) -> Value {
    json!({"name": tool, "arguments": arguments})
}

/// A call of the protocol without sessions, whose answer may still be coming.
pub(crate) async fn begin_modern(daemon: &Daemon, tool: &str, arguments: Value) -> Reply {
    let body = request(ID, "tools/call", modern(call_of(tool, arguments)));
    ask(daemon, "POST", "/mcp")
        .mcp()
        .header("mcp-protocol-version", MODERN_VERSION)
        .header("mcp-method", "tools/call")
        .header("mcp-name", tool)
        .send(body)
        .await
}

/// A request of the protocol without sessions.
pub(crate) async fn ask_modern(daemon: &Daemon, method: &str, parameters: Value) -> Value {
    let body = request(ID, method, modern(parameters));
    let asked = ask(daemon, "POST", "/mcp")
        .mcp()
        .header("mcp-protocol-version", MODERN_VERSION)
        .header("mcp-method", method);
    asked.send(body).await.answer().await
}

/// A call of the protocol without sessions, to its result.
pub(crate) async fn call(daemon: &Daemon, tool: &str, arguments: Value) -> Value {
    let reply = begin_modern(daemon, tool, arguments).await;
    assert_eq!(reply.status, 200);
    let answer = reply.answer().await;
    assert!(answer["result"].is_object(), "{answer}");
    answer["result"].clone()
}

/// A call that must succeed.
pub(crate) async fn succeed(daemon: &Daemon, tool: &str, arguments: Value) -> Value {
    let result = call(daemon, tool, arguments).await;
    assert_ne!(result["isError"], json!(true), "{tool}: {result}");
    result
}

/// A client of streamable HTTP with a session.
pub(crate) struct Streamable {
    id: String,
    /// The id of the next request: one of its own for each.
    next: AtomicU64,
}

impl Streamable {
    pub(crate) async fn try_open(daemon: &Daemon) -> Reply {
        let asked = ask(daemon, "POST", "/mcp").mcp();
        asked.send(request(1, "initialize", hello())).await
    }

    pub(crate) async fn open(daemon: &Daemon) -> Self {
        let reply = Self::try_open(daemon).await;
        assert_eq!(reply.status, 200);
        let id = reply.header("mcp-session-id").to_owned();
        let answer = reply.answer().await;
        assert_eq!(
            answer["result"]["protocolVersion"], LEGACY_VERSION,
            "{answer}"
        );
        let next = AtomicU64::new(2);
        let client = Self { id, next };
        let reply = client
            .post(daemon, notification("notifications/initialized"))
            .await;
        assert_eq!(reply.status, 202);
        client
    }

    pub(crate) async fn post(&self, daemon: &Daemon, body: String) -> Reply {
        ask(daemon, "POST", "/mcp")
            .mcp()
            .header("mcp-session-id", &self.id)
            .header("mcp-protocol-version", LEGACY_VERSION)
            .send(body)
            .await
    }

    pub(crate) async fn begin(&self, daemon: &Daemon, tool: &str, arguments: Value) -> Reply {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let body = request(id, "tools/call", call_of(tool, arguments));
        self.post(daemon, body).await
    }

    pub(crate) async fn call(&self, daemon: &Daemon, tool: &str, arguments: Value) -> Value {
        let answer = self.begin(daemon, tool, arguments).await.answer().await;
        assert!(answer["result"].is_object(), "{answer}");
        answer["result"].clone()
    }

    pub(crate) async fn stream(&self, daemon: &Daemon) -> Reply {
        ask(daemon, "GET", "/mcp")
            .header("accept", "text/event-stream")
            .header("mcp-session-id", &self.id)
            .header("mcp-protocol-version", LEGACY_VERSION)
            .get()
            .await
    }

    pub(crate) async fn delete(&self, daemon: &Daemon) -> Reply {
        ask(daemon, "DELETE", "/mcp")
            .header("mcp-session-id", &self.id)
            .header("mcp-protocol-version", LEGACY_VERSION)
            .get()
            .await
    }
}

/// A client of the transport of 2024, HTTP+SSE.
pub(crate) struct Sse {
    pub(crate) stream: Reply,
    pub(crate) address: String,
}

impl Sse {
    pub(crate) async fn connect(daemon: &Daemon) -> Reply {
        ask(daemon, "GET", "/mcp")
            .header("accept", "text/event-stream")
            .get()
            .await
    }

    pub(crate) async fn open(daemon: &Daemon) -> Self {
        let mut stream = Self::connect(daemon).await;
        assert_eq!(stream.status, 200);
        assert_eq!(stream.header("content-type"), "text/event-stream");
        let (kind, address) = stream.event().await.expect("the first event");
        assert_eq!(kind, "endpoint");
        let mut client = Self { stream, address };
        let answer = client.ask(daemon, 1, "initialize", hello()).await;
        assert_eq!(answer["result"]["serverInfo"]["name"], "mcp-ssh-sessions");
        let reply = client
            .post(daemon, notification("notifications/initialized"))
            .await;
        assert_eq!(reply.status, 202);
        client
    }

    pub(crate) async fn post(&self, daemon: &Daemon, body: String) -> Reply {
        let asked = ask(daemon, "POST", &self.address);
        asked
            .header("content-type", "application/json")
            .send(body)
            .await
    }

    pub(crate) async fn begin(&self, daemon: &Daemon, id: u64, tool: &str, arguments: Value) {
        let body = request(id, "tools/call", call_of(tool, arguments));
        assert_eq!(self.post(daemon, body).await.status, 202);
    }

    /// The next message on the stream.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        let (kind, data) = self.stream.event().await?;
        assert_eq!(kind, "message");
        Some(serde_json::from_str(&data).unwrap())
    }

    pub(crate) async fn ask(
        &mut self,
        daemon: &Daemon,
        id: u64,
        method: &str,
        parameters: Value,
    ) -> Value {
        let reply = self.post(daemon, request(id, method, parameters)).await;
        assert_eq!(reply.status, 202);
        let answer = self.next().await.expect("an answer");
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    pub(crate) async fn call(&mut self, daemon: &Daemon, tool: &str, arguments: Value) -> Value {
        let answer = self
            .ask(daemon, ID, "tools/call", call_of(tool, arguments))
            .await;
        answer["result"].clone()
    }
}
