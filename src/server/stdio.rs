//! MCP on stdio: a single client, messages as lines, an orderly end within a second.

use std::collections::HashSet;
use std::io;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::{ClientNotification, JsonRpcMessage, RequestId};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage, serve_server_with_ct};
use rmcp::transport::Transport;
use serde::Serialize;
use serde_json::Value;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::McpServer;
use super::codec::{self, Incoming};
use super::signals::termination;
use super::stdio_pipes::{self, Output};
use crate::actors::SupervisorHandle;
use crate::limits;
use crate::policy::LocalPolicy;

/// Messages read ahead of the service.
const READ_AHEAD: usize = 16;
/// Bytes of the reader's buffer; lines may be much longer.
const READ_BUFFER_BYTES: usize = 64 * 1024;
/// Time for calls in progress when the input ends: a script may send its calls and close stdin.
const EOF_GRACE: Duration = Duration::from_millis(200);
/// Rejections that wait for room in stdout; a client that does not read gets no more.
const REJECTIONS_MAX: usize = 64;
/// Server error of JSON-RPC 2.0 section 5.1: too many calls at once.
const TOO_MANY_CALLS: i32 = -32000;

/// Serves the client until its input ends, its output breaks, or a signal arrives.
pub async fn serve(supervisor: SupervisorHandle, local_policy: LocalPolicy) -> ExitCode {
    let client = Client::default();
    let stop = CancellationToken::new();
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    tokio::spawn(read_lines(client.clone(), sender));
    let transport = StdioTransport {
        client: client.clone(),
        receiver,
        request_seen: false,
    };
    let service = McpServer::new(supervisor.clone(), local_policy);
    let serving = tokio::spawn(serve_messages(service, transport, stop.clone()));
    tokio::select! {
        () = termination() => {}
        () = client.end_of_input() => client.idle_within(EOF_GRACE).await,
        () = client.gone.cancelled() => {}
        _ = serving => {}
    }
    supervisor.shut_down().await;
    client.flushed_within(EOF_GRACE).await;
    stop.cancel();
    ExitCode::SUCCESS
}

async fn serve_messages(service: McpServer, transport: StdioTransport, stop: CancellationToken) {
    match serve_server_with_ct(service, transport, stop).await {
        Ok(running) => {
            let ended = running.waiting().await;
            tracing::debug!(?ended, "the service ended");
        }
        // An end of input before the first message is no failure. rmcp's other errors quote the input, which may
        // contain secrets, so they are not logged.
        Err(_) => tracing::debug!("the service did not start"),
    }
}

/// The state of the client that the transport keeps.
#[derive(Clone)]
struct Client {
    stdout: Arc<tokio::sync::Mutex<Output>>,
    /// Requests without an answer.
    open: Arc<Mutex<HashSet<RequestId>>>,
    input_ended: CancellationToken,
    /// A write to stdout has failed: the client is gone.
    gone: CancellationToken,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            stdout: Arc::new(tokio::sync::Mutex::new(stdio_pipes::output())),
            open: Arc::default(),
            input_ended: CancellationToken::new(),
            gone: CancellationToken::new(),
        }
    }
}

impl Client {
    fn open_requests(&self) -> MutexGuard<'_, HashSet<RequestId>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn end_of_input(&self) {
        self.input_ended.cancelled().await;
    }

    async fn idle_within(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        while !self.open_requests().is_empty() && Instant::now() < deadline {
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits for an answer that is being written.
    async fn flushed_within(&self, limit: Duration) {
        let flush = async { self.stdout.lock().await.flush().await };
        // A client that does not read within the limit loses the answer.
        let _ = timeout(limit, flush).await;
    }

    async fn write(&self, message: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        let mut stdout = self.stdout.lock().await;
        let written = async {
            stdout.write_all(&line).await?;
            stdout.flush().await
        };
        let result = written.await;
        if result.is_err() {
            self.gone.cancel();
        }
        result
    }

    /// Admits a request, or returns the code and the text of the refusal.
    fn admit(&self, id: &RequestId) -> Result<(), (i32, String)> {
        let mut open = self.open_requests();
        if open.contains(id) {
            let text = "a request with this id is in progress; give each request an id of its own";
            return Err((codec::INVALID_REQUEST, text.to_owned()));
        }
        if open.len() >= limits::STDIO_CALLS_MAX {
            let text = format!(
                "{} calls are in progress, which is the limit; wait for one to end",
                limits::STDIO_CALLS_MAX
            );
            return Err((TOO_MANY_CALLS, text));
        }
        open.insert(id.clone());
        Ok(())
    }
}

/// Reads lines until the input ends, and answers lines that are no message.
async fn read_lines(client: Client, sender: mpsc::Sender<RxJsonRpcMessage<RoleServer>>) {
    let mut reader = BufReader::with_capacity(READ_BUFFER_BYTES, stdio_pipes::input());
    let rejections = write_rejections(client.clone());
    loop {
        match codec::read(&mut reader, limits::STDIO_LINE_MAX_BYTES).await {
            Ok(Some(Incoming::Message(message))) => {
                if !deliver(&client, &sender, &rejections, *message).await {
                    break;
                }
            }
            Ok(Some(Incoming::Rejected(answer))) => drop(rejections.try_send(answer)),
            Ok(Some(Incoming::Blank)) => {}
            Ok(None) => break,
            Err(error) => {
                tracing::warn!(%error, "stdin cannot be read");
                break;
            }
        }
    }
    client.input_ended.cancel();
    // The service ends with its input; while the sender lives, calls in progress may still be answered.
    client.gone.cancelled().await;
    drop(sender);
}

/// Starts a task that writes rejections, so that the reader sees the end of the input even while the client does not
/// read.
fn write_rejections(client: Client) -> mpsc::Sender<Value> {
    let (sender, mut receiver) = mpsc::channel(REJECTIONS_MAX);
    tokio::spawn(async move {
        while let Some(answer) = receiver.recv().await {
            if client.write(&answer).await.is_err() {
                return;
            }
        }
    });
    sender
}

async fn deliver(
    client: &Client,
    sender: &mpsc::Sender<RxJsonRpcMessage<RoleServer>>,
    rejections: &mpsc::Sender<Value>,
    message: RxJsonRpcMessage<RoleServer>,
) -> bool {
    match &message {
        JsonRpcMessage::Request(request) => {
            if let Err((code, text)) = client.admit(&request.id) {
                let id = serde_json::to_value(&request.id).ok();
                // A full queue means that the client does not read, so the rejection would not be read either.
                let _ = rejections.try_send(codec::error(code, &text, id));
                return true;
            }
        }
        JsonRpcMessage::Notification(notification) => {
            // A cancelled call gets no answer, so the call no longer counts.
            if let ClientNotification::CancelledNotification(cancelled) = &notification.notification
                && let Some(id) = &cancelled.params.request_id
            {
                client.open_requests().remove(id);
            }
        }
        _ => {}
    }
    sender.send(message).await.is_ok()
}

/// rmcp's view of the client.
struct StdioTransport {
    client: Client,
    receiver: mpsc::Receiver<RxJsonRpcMessage<RoleServer>>,
    /// rmcp ends at a notification before the first request, so earlier notifications are dropped.
    request_seen: bool,
}

impl Transport<RoleServer> for StdioTransport {
    type Error = io::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let client = self.client.clone();
        async move {
            // The id is free before the answer is written: the client may reuse the id as soon as the answer is read.
            match &item {
                JsonRpcMessage::Response(response) => {
                    client.open_requests().remove(&response.id);
                }
                JsonRpcMessage::Error(error) => {
                    if let Some(id) = &error.id {
                        client.open_requests().remove(id);
                    }
                }
                _ => {}
            }
            client.write(&item).await
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            let message = self.receiver.recv().await?;
            self.request_seen |= matches!(message, JsonRpcMessage::Request(_));
            if self.request_seen {
                return Some(message);
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        let mut stdout = self.client.stdout.lock().await;
        timeout(EOF_GRACE, stdout.flush()).await.unwrap_or(Ok(()))
    }
}
