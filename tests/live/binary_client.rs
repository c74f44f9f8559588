//! The binary on stdio, with as little MCP as a test needs.

use std::collections::HashMap;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use testkit::bounded;
use testkit::processes::Process;

/// A running server and the pipes to it.
pub(crate) struct Server {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Lines<BufReader<ChildStdout>>,
    last_id: u64,
    /// Answers that came while another one was waited for.
    answers: HashMap<u64, Value>,
}

impl Server {
    /// Starts it with a configuration, a home directory and nothing else of the environment but these.
    pub(crate) async fn start(config: &Path, home: &Path, variables: &[(&str, &Path)]) -> Self {
        let mut command = Command::new(testkit::binary());
        command.arg("--ssh-config").arg(config).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", home).envs(variables.iter().copied());
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().expect("the binary");
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut server = Self {
            child,
            stdin,
            stdout,
            last_id: 0,
            answers: HashMap::new(),
        };
        let client = json!({"name": "live", "version": "0"});
        let hello =
            json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client});
        let id = server.request("initialize", hello).await;
        server.answer(id).await;
        server.notify("notifications/initialized", json!({})).await;
        server
    }

    /// Its process.
    pub(crate) fn process(&self) -> Process {
        let pid = self.child.id().expect("it runs");
        Process::find(pid).expect("it runs")
    }

    async fn write(&mut self, message: Value) {
        let line = format!("{message}\n");
        let stdin = self.stdin.as_mut().expect("not closed");
        stdin.write_all(line.as_bytes()).await.expect("it reads");
    }

    async fn request(&mut self, method: &str, parameters: Value) -> u64 {
        self.last_id += 1;
        let id = self.last_id;
        self.write(json!({"jsonrpc": "2.0", "id": id, "method": method, "params": parameters}))
            .await;
        id
    }

    /// Sends a notification.
    pub(crate) async fn notify(&mut self, method: &str, parameters: Value) {
        self.write(json!({"jsonrpc": "2.0", "method": method, "params": parameters}))
            .await;
    }

    /// Sends a call of a tool and goes on.
    pub(crate) async fn start_call(&mut self, tool: &str, arguments: Value) -> u64 {
        self.request("tools/call", json!({"name": tool, "arguments": arguments}))
            .await
    }

    /// Waits for the result of a call.
    pub(crate) async fn answer(&mut self, id: u64) -> Value {
        while !self.answers.contains_key(&id) {
            let line = bounded("an answer", self.stdout.next_line())
                .await
                .expect("a pipe");
            let line = line.expect("it ended");
            let message: Value = serde_json::from_str(&line).expect("every line is a message");
            if let Some(id) = message["id"].as_u64() {
                self.answers.insert(id, message);
            }
        }
        let message = self.answers.remove(&id).expect("just seen");
        assert!(message["error"].is_null(), "{message}");
        message["result"].clone()
    }

    /// Calls a tool and waits.
    pub(crate) async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let id = self.start_call(tool, arguments).await;
        self.answer(id).await
    }

    /// Connects to the configured host `test`; it has to work.
    pub(crate) async fn connect(&mut self) -> Value {
        let result = self.call("ssh_connect", json!({"host": "test"})).await;
        assert_ne!(result["isError"], json!(true), "{result}");
        result
    }

    /// Whether an answer to a call has come. Asks for something else to let it come first.
    pub(crate) async fn has_answered(&mut self, id: u64) -> bool {
        self.call("ssh_sessions", json!({})).await;
        self.answers.contains_key(&id)
    }

    /// Closes its input and waits for its end.
    pub(crate) async fn end(&mut self) -> ExitStatus {
        drop(self.stdin.take());
        bounded("the end of the server", self.child.wait())
            .await
            .expect("own child")
    }
}

/// The text blocks of a result with the stream that each belongs to.
pub(crate) fn blocks(result: &Value) -> Vec<(String, String)> {
    let content = result["content"].as_array().expect("content");
    let block = |block: &Value| {
        let stream = block["_meta"]["mcp-ssh-sessions/stream"]
            .as_str()
            .unwrap_or_default();
        (
            stream.to_owned(),
            block["text"].as_str().expect("text").to_owned(),
        )
    };
    content.iter().map(block).collect()
}

/// The first text of a result.
pub(crate) fn first(result: &Value) -> String {
    blocks(result).swap_remove(0).1
}
