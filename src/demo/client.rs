//! A small MCP client over the stdio of a child process, in the place of an agent's host.
//!
//! The client shares no code with the server: lines of JSON-RPC are written and read here.

use std::collections::HashMap;
use std::io;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::tool_result::ToolResult;
use crate::limits::{DEMO_CALL_TIMEOUT, DEMO_END_TIMEOUT, STDIO_LINE_MAX_BYTES};

/// The requested protocol version, of the era that begins with `initialize`.
const PROTOCOL_VERSION: &str = "2025-06-18";

/// Reason for a missing answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// The server could not be started.
    #[error("the MCP server cannot be started: {0}")]
    Start(#[source] io::Error),
    /// The server has ended or accepts no more input.
    #[error("the MCP server has ended")]
    Gone,
    /// The server took too long.
    #[error("no answer to {0} within {limit} s", limit = DEMO_CALL_TIMEOUT.as_secs())]
    Silent(String),
    /// The server refused a request. (A failed tool call is an answer.)
    #[error("{method} was refused: {message}")]
    Refused {
        /// The request.
        method: String,
        /// The server's message.
        message: String,
    },
    /// The server still runs although its input has ended.
    #[error("the MCP server did not end within {} s", DEMO_END_TIMEOUT.as_secs())]
    Stuck,
}

/// Requests without an answer.
#[derive(Clone, Default)]
struct Pending(Arc<Mutex<HashMap<u64, oneshot::Sender<Value>>>>);

impl Pending {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Value>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running server and its client. Several requests may be in progress at once. Dropping the client kills the server.
pub(super) struct Client {
    child: Child,
    stdin: tokio::sync::Mutex<ChildStdin>,
    pending: Pending,
    last_id: AtomicU64,
}

impl Client {
    /// Starts the server; its stdin and stdout are taken for the protocol.
    pub(super) fn start(command: &mut Command) -> Result<Self, ClientError> {
        use std::process::Stdio;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(ClientError::Start)?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(ClientError::Gone);
        };
        let pending = Pending::default();
        tokio::spawn(read_answers(stdout, pending.clone()));
        Ok(Self {
            child,
            stdin: tokio::sync::Mutex::new(stdin),
            pending,
            last_id: AtomicU64::new(0),
        })
    }

    /// Opens the conversation; returns the server's description of itself.
    pub(super) async fn initialize(&self) -> Result<Value, ClientError> {
        let parameters = json!({
            "protocolVersion": PROTOCOL_VERSION,
            "capabilities": {},
            "clientInfo": {"name": "demo", "version": env!("CARGO_PKG_VERSION")},
        });
        let answer = self.request("initialize", parameters).await?;
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))
            .await?;
        Ok(answer)
    }

    /// Calls a tool. A call that failed has a result too.
    pub(super) async fn call(
        &self,
        tool: &str,
        arguments: Value,
    ) -> Result<ToolResult, ClientError> {
        let parameters = json!({"name": tool, "arguments": arguments});
        let result = self.request("tools/call", parameters).await?;
        Ok(ToolResult::new(result))
    }

    /// Sends a request and waits for its result.
    pub(super) async fn request(
        &self,
        method: &str,
        parameters: Value,
    ) -> Result<Value, ClientError> {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let (sender, answer) = oneshot::channel();
        self.pending.lock().insert(id, sender);
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": parameters});
        let answered = async {
            self.send(&request).await?;
            // The reader drops the senders when the server has ended.
            answer.await.map_err(|_| ClientError::Gone)
        };
        let answer = timeout(DEMO_CALL_TIMEOUT, answered).await;
        self.pending.lock().remove(&id);
        let mut answer = answer.map_err(|_| ClientError::Silent(method.to_owned()))??;
        match answer.get_mut("result") {
            Some(result) => Ok(result.take()),
            None => Err(ClientError::Refused {
                method: method.to_owned(),
                message: answer["error"]["message"].to_string(),
            }),
        }
    }

    async fn send(&self, message: &Value) -> Result<(), ClientError> {
        let line = format!("{message}\n");
        let mut stdin = self.stdin.lock().await;
        stdin
            .write_all(line.as_bytes())
            .await
            .map_err(|_| ClientError::Gone)
    }

    /// Ends the server's input and waits until the server exits by itself.
    pub(super) async fn end(self) -> Result<(ExitStatus, Duration), ClientError> {
        let Self {
            mut child, stdin, ..
        } = self;
        let started = Instant::now();
        drop(stdin);
        match timeout(DEMO_END_TIMEOUT, child.wait()).await {
            Ok(Ok(status)) => Ok((status, started.elapsed())),
            Ok(Err(_)) => Err(ClientError::Gone),
            Err(_) => {
                // An error means that the server has exited meanwhile.
                let _ = child.kill().await;
                Err(ClientError::Stuck)
            }
        }
    }
}

/// Hands each answer to the request that waits for it. Notifications are ignored.
async fn read_answers(stdout: ChildStdout, pending: Pending) {
    let mut reader = BufReader::new(stdout);
    let mut line = Vec::new();
    loop {
        line.clear();
        // The product writes no longer lines. A line that is cut here is no JSON, and the wait times out.
        let mut bounded = (&mut reader).take(STDIO_LINE_MAX_BYTES as u64);
        match bounded.read_until(b'\n', &mut line).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => break,
        }
        let Ok(message) = serde_json::from_slice::<Value>(&line) else {
            tracing::warn!("the MCP server wrote a line that is no JSON");
            continue;
        };
        let waiting = message["id"]
            .as_u64()
            .and_then(|id| pending.lock().remove(&id));
        if let Some(sender) = waiting {
            // The receiver is gone when the request has timed out.
            let _ = sender.send(message);
        }
    }
    pending.lock().clear();
}
