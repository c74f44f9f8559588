//! A small MCP client that drives the real binary over stdio and records all messages.
//!
//! Each line of stdout must be one JSON-RPC message, whatever else a test is about. All waits are bounded.

mod home;
mod results;

use std::ffi::OsStr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;

use super::processes::Process;
use super::{binary, bounded};

pub use home::Home;
pub use results::{blocks, error_code, modern, stream, text};

/// The last protocol version with a handshake that this client asks for.
pub const LEGACY_VERSION: &str = "2025-06-18";
/// The protocol version without a handshake.
pub const MODERN_VERSION: &str = "2026-07-28";

/// How a server is to be started.
#[derive(Debug)]
pub struct ClientBuilder {
    command: Command,
    home: TempDir,
}

impl ClientBuilder {
    /// One more argument of the command line.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// One more variable of the environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Hosts are resolved with this configuration.
    pub fn ssh_config(self, path: &Path) -> Self {
        self.arg("--ssh-config").arg(path)
    }

    /// Starts the server.
    pub fn start(mut self) -> Client {
        let mut child = self.command.spawn().expect("the binary starts");
        let stderr = Arc::default();
        let stderr_ended = collect(child.stderr.take().expect("a pipe"), Arc::clone(&stderr));
        Client {
            stdin: child.stdin.take(),
            stdout: child.stdout.take().map(BufReader::new),
            pid: child.id().expect("it was just started"),
            child,
            stderr,
            stderr_ended,
            seen: Vec::new(),
            last_id: 0,
            home: Arc::new(Home(self.home)),
        }
    }
}

/// A running server and its client. Dropping this kills the server and its children.
#[derive(Debug)]
pub struct Client {
    child: Child,
    pid: u32,
    stdin: Option<ChildStdin>,
    stdout: Option<BufReader<ChildStdout>>,
    stderr: Arc<Mutex<Vec<u8>>>,
    stderr_ended: JoinHandle<()>,
    /// Messages that were read, in their order.
    seen: Vec<Value>,
    last_id: u64,
    home: Arc<Home>,
}

/// A server that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Exit status.
    pub status: ExitStatus,
    /// All messages on stdout.
    pub messages: Vec<Value>,
    /// All text on stderr.
    pub stderr: String,
    /// Its home directory.
    pub home: Arc<Home>,
}

impl Ended {
    /// The answers to a request.
    pub fn answers(&self, id: &Value) -> Vec<&Value> {
        let is_answer = |message: &&Value| is_answer(message, id);
        self.messages.iter().filter(is_answer).collect()
    }
}

impl Client {
    /// A server with a home directory of its own and next to no environment.
    pub fn builder() -> ClientBuilder {
        let home = tempfile::tempdir().expect("a temporary directory");
        let mut command = Command::new(binary());
        command
            .env_clear()
            .env("HOME", home.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .current_dir(home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // For tokio, which then reaps the child; `Home` ends the rest.
            .kill_on_drop(true);
        ClientBuilder { command, home }
    }

    /// A server whose hosts are those of `config`, after the handshake.
    pub async fn start(config: &Path) -> Self {
        let mut client = Self::builder().ssh_config(config).start();
        client.initialize().await;
        client
    }

    /// Its home directory, which is also its working directory.
    pub fn home(&self) -> Arc<Home> {
        Arc::clone(&self.home)
    }

    /// Its process.
    pub fn process(&self) -> Process {
        Process::find(self.pid).expect("the server runs")
    }

    /// Peak resident memory of the server, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid));
        let status = status.expect("the server runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        1024 * kilobytes.expect("a size").parse::<u64>().expect("a number")
    }

    /// Text on stderr so far.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr.lock().unwrap()).into_owned()
    }

    /// The handshake of the protocol versions that have one. Gives the result.
    pub async fn initialize(&mut self) -> Value {
        let parameters = json!({
            "protocolVersion": LEGACY_VERSION,
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        });
        let answer = self.request("initialize", parameters).await;
        self.notify("notifications/initialized", json!({})).await;
        answer["result"].clone()
    }

    /// Writes bytes as they are.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("the input is open");
        let writing = async {
            stdin.write_all(bytes).await.expect("the server reads");
            stdin.flush().await.expect("the server reads");
        };
        bounded("the server to read", writing).await;
    }

    /// Writes a message as one line.
    pub async fn send(&mut self, message: &Value) {
        self.send_bytes(format!("{message}\n").as_bytes()).await;
    }

    /// Sends a notification.
    pub async fn notify(&mut self, method: &str, parameters: Value) {
        let message = json!({"jsonrpc": "2.0", "method": method, "params": parameters});
        self.send(&message).await;
    }

    /// Sends a request and gives its id.
    pub async fn begin(&mut self, method: &str, parameters: Value) -> Value {
        self.last_id += 1;
        let id = json!(self.last_id);
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": parameters});
        self.send(&message).await;
        id
    }

    /// Sends a call of a tool and gives its id.
    pub async fn begin_call(&mut self, tool: &str, arguments: Value) -> Value {
        let parameters = json!({"name": tool, "arguments": arguments});
        self.begin("tools/call", parameters).await
    }

    /// Sends a request and waits for its answer.
    pub async fn request(&mut self, method: &str, parameters: Value) -> Value {
        let id = self.begin(method, parameters).await;
        self.answer(&id).await
    }

    /// Calls a tool and gives its result, which may be an error of the tool.
    pub async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let id = self.begin_call(tool, arguments).await;
        self.result(&id).await
    }

    /// Calls a tool that must succeed.
    pub async fn succeed(&mut self, tool: &str, arguments: Value) -> Value {
        let result = self.call(tool, arguments).await;
        assert_ne!(result["isError"], json!(true), "{tool}: {result}");
        result
    }

    /// The answer to a request; reads messages until the answer comes.
    pub async fn answer(&mut self, id: &Value) -> Value {
        loop {
            if let Some(answer) = self.seen.iter().find(|message| is_answer(message, id)) {
                return answer.clone();
            }
            let message = self.next().await;
            assert!(message.is_some(), "no answer to {id} before the end");
        }
    }

    /// Whether an answer to the request has been read.
    pub fn has_answered(&self, id: &Value) -> bool {
        self.seen.iter().any(|message| is_answer(message, id))
    }

    /// The result of a call; panics on a protocol error.
    pub async fn result(&mut self, id: &Value) -> Value {
        let answer = self.answer(id).await;
        assert!(answer["result"].is_object(), "{answer}");
        answer["result"].clone()
    }

    /// The next message; nothing at the end of stdout.
    pub async fn next(&mut self) -> Option<Value> {
        let stdout = self.stdout.as_mut().expect("the output is open");
        let mut line = Vec::new();
        let reading = stdout.read_until(b'\n', &mut line);
        let length = bounded("a line of output", reading).await.expect("a pipe");
        if length == 0 {
            return None;
        }
        let message = message(&line);
        self.seen.push(message.clone());
        Some(message)
    }

    /// Ends the input.
    pub fn close_input(&mut self) {
        drop(self.stdin.take());
    }

    /// Stops reading for good, so that the server writes into a closed pipe.
    pub fn close_output(&mut self) {
        drop(self.stdout.take());
    }

    /// Sends a signal to the server.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid.try_into().expect("a process id")).expect("not zero");
        kill_process(pid, signal).expect("the server runs");
    }

    /// Waits for the end of the server, which something else has brought about.
    pub async fn ended(mut self) -> Ended {
        if self.stdout.is_some() {
            while self.next().await.is_some() {}
        }
        let status = bounded("the server to end", self.child.wait()).await;
        bounded("the end of stderr", &mut self.stderr_ended)
            .await
            .expect("no panic");
        Ended {
            status: status.expect("own child"),
            messages: std::mem::take(&mut self.seen),
            stderr: self.stderr(),
            home: Arc::clone(&self.home),
        }
    }

    /// Ends the input and waits for the end of the server.
    pub async fn finish(mut self) -> Ended {
        self.close_input();
        self.ended().await
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("stderr of the server:\n{}", self.stderr());
        }
    }
}

/// Reads a pipe to the end in the background, so that the server never waits for room in the pipe.
fn collect(mut pipe: ChildStderr, into: Arc<Mutex<Vec<u8>>>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = pipe.read(&mut buffer).await {
            into.lock().unwrap().extend_from_slice(&buffer[..length]);
        }
    })
}

/// A line of stdout, which must be one JSON-RPC message.
fn message(line: &[u8]) -> Value {
    let text = String::from_utf8_lossy(line);
    assert!(line.ends_with(b"\n"), "an unfinished line: {text:?}");
    let message: Value = serde_json::from_slice(line)
        .unwrap_or_else(|error| panic!("not JSON on stdout: {error}: {text:?}"));
    assert_eq!(
        message["jsonrpc"], "2.0",
        "not JSON-RPC on stdout: {text:?}"
    );
    message
}

fn is_answer(message: &Value, id: &Value) -> bool {
    message.get("method").is_none() && message.get("id") == Some(id)
}
