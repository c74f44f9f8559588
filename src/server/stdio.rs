//! MCP on stdio: one client, messages as lines, an orderly end within a second.

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
/// Buffer of the reader; lines may be much longer.
const READ_BUFFER_BYTES: usize = 64 * 1024;
/// Time for calls that are under way when the input ends: a script may send its calls and close.
const EOF_GRACE: Duration = Duration::from_millis(200);
/// Answers of our own that wait for room in stdout. A client that does not read gets no more of them.
const REJECTIONS_MAX: usize = 64;
/// Server error of JSON-RPC 2.0 section 5.1: too many calls at once.
const TOO_MANY_CALLS: i32 = -32000;

/// Serves one client until it is gone or a signal comes.
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
    let serving = tokio::spawn(run_service(service, transport, stop.clone()));
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

async fn run_service(service: McpServer, transport: StdioTransport, stop: CancellationToken) {
    match serve_server_with_ct(service, transport, stop).await {
        Ok(running) => {
            let ended = running.waiting().await;
            tracing::debug!(?ended, "the service ended");
        }
        // An end of input before the first message is no failure. Other errors of rmcp's quote what they have
        // read, so they are not for the log.
        Err(_) => tracing::debug!("the service did not start"),
    }
}

/// The client on the other end, as far as the transport knows it.
#[derive(Clone)]
struct Client {
    stdout: Arc<tokio::sync::Mutex<Output>>,
    /// Requests that were not answered yet.
    open: Arc<Mutex<HashSet<RequestId>>>,
    input_ended: CancellationToken,
    /// Nobody reads what is written.
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
    fn open(&self) -> MutexGuard<'_, HashSet<RequestId>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn end_of_input(&self) {
        self.input_ended.cancelled().await;
    }

    async fn idle_within(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        while !self.open().is_empty() && Instant::now() < deadline {
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// An answer that is being written gets its time.
    async fn flushed_within(&self, limit: Duration) {
        let flush = async { self.stdout.lock().await.flush().await };
        // A client that does not read has had its chance.
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

    /// Counts a request in, or says with which code and words it is refused.
    fn admit(&self, id: &RequestId) -> Result<(), (i32, String)> {
        let mut open = self.open();
        if open.contains(id) {
            let text = "a request with this id is under way; give each one an id of its own";
            return Err((codec::INVALID_REQUEST, text.to_owned()));
        }
        if open.len() >= limits::STDIO_CALLS_MAX {
            let text = format!(
                "{} calls are under way, which is the limit; wait for one",
                limits::STDIO_CALLS_MAX
            );
            return Err((TOO_MANY_CALLS, text));
        }
        open.insert(id.clone());
        Ok(())
    }
}

/// Reads lines until the input ends. What is no message is answered here.
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
    // The service would end at once with its input; calls that are under way may still be answered.
    client.gone.cancelled().await;
    drop(sender);
}

/// Writes answers of our own beside the reader, which must see the end of the input even when nobody reads
/// what is written.
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
                // Without room the client reads nothing: it would not see this either.
                let _ = rejections.try_send(codec::error(code, &text, id));
                return true;
            }
        }
        JsonRpcMessage::Notification(notification) => {
            // A cancelled call is not answered, so it is over as far as the count goes.
            if let ClientNotification::CancelledNotification(cancelled) = &notification.notification
                && let Some(id) = &cancelled.params.request_id
            {
                client.open().remove(id);
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
    /// Before the first request there is nothing that a notification could belong to, and rmcp would end.
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
            // Before it is written: its client may use the id again as soon as it has read this.
            match &item {
                JsonRpcMessage::Response(response) => drop(client.open().remove(&response.id)),
                JsonRpcMessage::Error(error) => {
                    if let Some(id) = &error.id {
                        client.open().remove(id);
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
