//! The server as a child process, seen from its client: JSON-RPC lines over two pipes.
//!
//! Blocking on purpose: nothing stands between the pipe and the clock.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

use super::Measured;
use super::lab::Lab;

/// The era before 2026-07-28, which begins with `initialize`.
const PROTOCOL_VERSION: &str = "2025-06-18";

/// Where a command's result stands for programs.
pub(crate) const COMMAND_META: &str = "mcp-ssh-sessions/result";

/// A running server; dropping this kills the process.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    last_id: u64,
    /// Answers that came while another one was waited for.
    early: HashMap<u64, Value>,
    /// Home directory of the server, with the store.
    _home: TempDir,
}

impl Server {
    /// Starts the binary with a home and a store of its own; no message is sent yet.
    pub(crate) fn spawn(lab: &Lab) -> Measured<Self> {
        let home = tempfile::tempdir()?;
        let mut child = Command::new(lab.server())
            .arg("--ssh-config")
            .arg(lab.ssh_config())
            .arg("--store")
            .arg(home.path().join("sessions.json"))
            .env("HOME", home.path())
            .env_remove("SSH_AUTH_SOCK")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("the server has no pipes".into());
        };
        Ok(Self {
            child,
            stdin,
            stdout: BufReader::new(stdout),
            last_id: 0,
            early: HashMap::new(),
            _home: home,
        })
    }

    /// Starts the server and sends the opening of every client.
    pub(crate) fn start(lab: &Lab) -> Measured<Self> {
        let mut server = Self::spawn(lab)?;
        server.open()?;
        Ok(server)
    }

    /// The handshake and the list of tools, each answer awaited as clients do.
    pub(crate) fn open(&mut self) -> Measured<()> {
        let client = json!({"name": "bench", "version": "0"});
        let hello =
            json!({"protocolVersion": PROTOCOL_VERSION, "capabilities": {}, "clientInfo": client});
        let id = self.request("initialize", hello)?;
        self.answer(id)?;
        self.write(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))?;
        let id = self.request("tools/list", json!({}))?;
        self.answer(id)?;
        Ok(())
    }

    /// Calls a tool and waits for its result. A result that reports an error is one.
    pub(crate) fn call(&mut self, tool: &str, arguments: Value) -> Measured<Value> {
        let id = self.begin(tool, arguments)?;
        self.finish(id)
    }

    /// The same with the time from the request to the last byte of the answer.
    pub(crate) fn timed(&mut self, tool: &str, arguments: Value) -> Measured<Duration> {
        let started = Instant::now();
        self.call(tool, arguments)?;
        Ok(started.elapsed())
    }

    /// `ssh_exec` of a command that succeeds.
    pub(crate) fn exec(&mut self, session: &str, command: &str) -> Measured<Duration> {
        let arguments = json!({"session": session, "command": command});
        self.timed("ssh_exec", arguments)
    }

    /// Sends a call without waiting for the answer.
    pub(crate) fn begin(&mut self, tool: &str, arguments: Value) -> Measured<u64> {
        self.request("tools/call", json!({"name": tool, "arguments": arguments}))
    }

    /// Waits for the result of a call. A command must have exited with status 0, or go on as a job.
    pub(crate) fn finish(&mut self, id: u64) -> Measured<Value> {
        let result = self.answer(id)?;
        let command = result["_meta"].get(COMMAND_META);
        let went_well =
            |command: &Value| command["exitCode"] == 0 || command["outcome"] == "running";
        let failed = command.is_some_and(|command| !went_well(command));
        if failed || result["isError"] == true {
            let text = &result["content"][0]["text"];
            return Err(format!("the call failed: {text}").into());
        }
        Ok(result)
    }

    /// Whether the answer came while another one was waited for.
    pub(crate) fn has_finished(&self, id: u64) -> bool {
        self.early.contains_key(&id)
    }

    /// A number of `/proc/PID/status` in bytes.
    pub(crate) fn memory(&self, field: &str) -> Measured<u64> {
        let status = fs::read_to_string(self.proc("status"))?;
        let mut words = status.split_whitespace();
        words.find(|word| word.strip_suffix(':') == Some(field));
        let kilobytes: u64 = words.next().ok_or("no such field")?.parse()?;
        Ok(kilobytes * 1024)
    }

    /// Makes the peak of resident memory (`VmHWM`) begin anew from what is resident now.
    pub(crate) fn reset_peak(&self) -> Measured<()> {
        Ok(fs::write(self.proc("clear_refs"), "5")?)
    }

    fn proc(&self, file: &str) -> String {
        format!("/proc/{}/{file}", self.child.id())
    }

    fn request(&mut self, method: &str, params: Value) -> Measured<u64> {
        self.last_id += 1;
        let id = self.last_id;
        self.write(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))?;
        Ok(id)
    }

    fn write(&mut self, message: &Value) -> Measured<()> {
        // One write for each message.
        Ok(self.stdin.write_all(format!("{message}\n").as_bytes())?)
    }

    fn answer(&mut self, id: u64) -> Measured<Value> {
        loop {
            if let Some(answer) = self.early.remove(&id) {
                let result = answer.get("result").cloned();
                return result.ok_or_else(|| format!("the server answered {answer}").into());
            }
            let mut line = String::new();
            if self.stdout.read_line(&mut line)? == 0 {
                return Err("the server ended".into());
            }
            let message: Value = serde_json::from_str(&line)?;
            if let Some(answered) = message["id"].as_u64() {
                self.early.insert(answered, message);
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The server may have ended by itself, as intended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
