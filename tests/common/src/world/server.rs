//! The binary as an MCP server on stdio, for tests with several calls under way at once.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::answer::Answer;
use crate::processes::Process;
use crate::sshd::Sshd;

/// Bound of one call: longer than the longest `waitMs`.
const CALL_BOUND: Duration = Duration::from_secs(60);

/// The callers that wait for an answer, by the id of their request.
type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Value>>>>;

/// A running server. Any number of calls may be under way at the same time.
#[derive(Debug)]
pub struct Server {
    child: Child,
    stdin: tokio::sync::Mutex<ChildStdin>,
    waiting: Waiting,
    next: AtomicU64,
}

impl Server {
    pub(super) async fn start(sshd: &Sshd, config: &str) -> Self {
        let mut command = Command::new(crate::binary());
        command
            .arg("--ssh-config")
            .arg(sshd.ssh_config_with(config));
        command.arg("--store").arg(sshd.home().join("store.json"));
        command.env("HOME", sshd.home()).env_remove("SSH_AUTH_SOCK");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().expect("the binary");
        let waiting = Waiting::default();
        let stdout = child.stdout.take().expect("a pipe");
        tokio::spawn(read_answers(stdout, Arc::clone(&waiting)));
        let server = Self {
            stdin: tokio::sync::Mutex::new(child.stdin.take().expect("a pipe")),
            child,
            waiting,
            next: AtomicU64::new(1),
        };
        let parameters = json!({
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "jobs", "version": "1"},
        });
        let call = server.request("initialize", parameters).await;
        assert!(call.message().await["result"].is_object());
        server.notify("notifications/initialized", json!({})).await;
        server
    }

    /// Sends a call and returns at once.
    pub async fn begin(&self, tool: &str, arguments: Value) -> Pending {
        self.request("tools/call", json!({"name": tool, "arguments": arguments}))
            .await
    }

    /// Gives a call up.
    pub async fn cancel(&self, call: &Pending) {
        let parameters = json!({"requestId": call.id, "reason": "a test"});
        self.notify("notifications/cancelled", parameters).await;
    }

    /// The process of the server.
    pub fn process(&self) -> Process {
        let pid = self.child.id().expect("it was started");
        Process::find(pid).expect("it runs")
    }

    /// Resident memory of the process.
    pub fn resident_bytes(&self) -> u64 {
        let pid = self.child.id().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
        kilobytes.parse::<u64>().unwrap() * 1024
    }

    async fn request(&self, method: &str, parameters: Value) -> Pending {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        self.waiting.lock().unwrap().insert(id, sender);
        self.send(json!({"jsonrpc": "2.0", "id": id, "method": method, "params": parameters}))
            .await;
        Pending { id, receiver }
    }

    async fn notify(&self, method: &str, parameters: Value) {
        self.send(json!({"jsonrpc": "2.0", "method": method, "params": parameters}))
            .await;
    }

    async fn send(&self, message: Value) {
        let mut line = message.to_string();
        line.push('\n');
        let mut stdin = self.stdin.lock().await;
        let written = timeout(CALL_BOUND, stdin.write_all(line.as_bytes())).await;
        written.expect("the server reads").expect("the server runs");
    }
}

async fn read_answers(stdout: ChildStdout, waiting: Waiting) {
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let message: Value = serde_json::from_str(&line).expect("JSON on stdout");
        let answered = message["id"].as_u64();
        if let Some(sender) = answered.and_then(|id| waiting.lock().unwrap().remove(&id)) {
            // The test may not be interested any more.
            let _ = sender.send(message);
        }
    }
    // Nobody will be answered any more.
    waiting.lock().unwrap().clear();
}

/// A call under way.
#[derive(Debug)]
pub struct Pending {
    id: u64,
    receiver: oneshot::Receiver<Value>,
}

impl Pending {
    /// Its answer.
    pub async fn answer(self) -> Answer {
        let message = self.message().await;
        assert!(message["result"].is_object(), "{message}");
        Answer {
            result: message["result"].clone(),
        }
    }

    /// Whether there is an answer by now.
    pub fn is_answered(&mut self) -> bool {
        self.receiver.try_recv().is_ok()
    }

    async fn message(self) -> Value {
        let answer = timeout(CALL_BOUND, self.receiver).await;
        answer
            .expect("an answer in time")
            .expect("the server lives")
    }
}
