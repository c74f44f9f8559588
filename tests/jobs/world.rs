//! The binary on stdio, a real sshd behind it, and a client that bounds every wait.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use testkit::processes::Process;
use testkit::sshd::Sshd;

/// Bound of one call: longer than the longest `waitMs`.
const CALL_BOUND: Duration = Duration::from_secs(60);
/// Bound of a condition that is asked for again and again.
const EVENTUALLY: Duration = Duration::from_secs(45);
/// Between two such questions.
const POLL: Duration = Duration::from_millis(20);

const RESULT_META: &str = "mcp-ssh-sessions/result";
const ERROR_META: &str = "mcp-ssh-sessions/error";
const STREAM_META: &str = "mcp-ssh-sessions/stream";
const OMITTED_META: &str = "mcp-ssh-sessions/omitted";

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Value>>>>;

/// A server with a session, and the host behind it. The server goes first.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) sshd: Sshd,
    /// What a job had printed when it was handed over: it counts as read, so its first unread output lacks it.
    early: Mutex<HashMap<String, Vec<Value>>>,
}

impl World {
    /// With the session `web`, which is the default one.
    pub(crate) async fn start() -> Self {
        Self::at(Sshd::start_default().await, "").await
    }

    /// The same at a certain host, with further lines of ssh_config(5).
    pub(crate) async fn at(sshd: Sshd, config: &str) -> Self {
        let server = Server::start(&sshd, config).await;
        let early = Mutex::default();
        let world = Self {
            server,
            sshd,
            early,
        };
        world.connect("web").await;
        world
    }

    pub(crate) async fn connect(&self, session: &str) {
        let arguments = json!({"host": "test", "name": session});
        let answer = self.call("ssh_connect", arguments).await;
        assert!(
            !answer.is_error(),
            "{}\n{}",
            answer.status(),
            self.sshd.log()
        );
    }

    /// A call and its answer.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Answer {
        self.server.begin(tool, arguments).await.answer().await
    }

    /// A command as a job from the start; `more` are further parameters of `ssh_exec`.
    pub(crate) async fn job(&self, command: &str, more: Value) -> String {
        let mut arguments = json!({"command": command, "waitMs": 0});
        merge(&mut arguments, more);
        let answer = self.call("ssh_exec", arguments).await;
        assert_eq!(answer.meta("outcome"), "running", "{}", answer.status());
        let job = answer.meta("job").as_str().unwrap().to_owned();
        let printed = answer.blocks()[1..].to_vec();
        self.early.lock().unwrap().insert(job.clone(), printed);
        job
    }

    /// `ssh_output`; the first look at what is unread has what the handover showed in front.
    pub(crate) async fn output(&self, job: &str, more: Value) -> Answer {
        let elsewhere = ["offsetBytes", "grep", "stream"];
        let unread = elsewhere.iter().all(|name| more.get(name).is_none());
        let mut arguments = json!({"job": job});
        merge(&mut arguments, more);
        let mut answer = self.call("ssh_output", arguments).await;
        let early = if unread {
            self.early.lock().unwrap().remove(job)
        } else {
            None
        };
        if let (Some(early), Some(blocks)) = (early, answer.result["content"].as_array_mut()) {
            blocks.splice(1..1, early);
        }
        answer
    }

    /// `ssh_input`, which has to succeed.
    pub(crate) async fn input(&self, job: &str, more: Value) -> Answer {
        let answer = self.try_input(job, more).await;
        assert!(!answer.is_error(), "{}", answer.status());
        answer
    }

    pub(crate) async fn try_input(&self, job: &str, more: Value) -> Answer {
        let mut arguments = json!({"job": job});
        merge(&mut arguments, more);
        self.call("ssh_input", arguments).await
    }

    /// Reads on until the unread text holds `wanted`; gives all that was read.
    pub(crate) async fn read_until(&self, job: &str, wanted: &str) -> String {
        let mut text = String::new();
        let what = format!("{wanted:?} from {job}");
        poll(&what, async || {
            let answer = self.output(job, json!({})).await;
            text.push_str(&answer.text());
            text.contains(wanted).then_some(())
        })
        .await;
        text
    }

    /// Waits for the end of a job without reading it.
    pub(crate) async fn ended(&self, job: &str) -> Answer {
        poll(&format!("the end of {job}"), async || {
            // Nothing is left behind the end, so this returns at the end of the job, and moves no mark.
            let arguments = json!({"offsetBytes": i64::MAX, "waitMs": 10000});
            let answer = self.output(job, arguments).await;
            (answer.meta("outcome") != "running").then_some(answer)
        })
        .await
    }

    /// The command's processes on the host of this command line.
    pub(crate) fn processes(&self, command_line: &str) -> Vec<Process> {
        let mut found = self.sshd.commands();
        found.retain(|process| process.command_line() == command_line);
        found
    }

    /// Running jobs of a session, as `ssh_sessions` lists them.
    pub(crate) async fn jobs(&self, session: &str) -> Vec<Value> {
        let answer = self.call("ssh_sessions", json!({})).await;
        let sessions = answer.result["structuredContent"]["sessions"].clone();
        let sessions = sessions.as_array().unwrap().iter();
        let mut found = sessions.filter(|row| row["session"] == session);
        found.next().expect("the session is listed")["jobs"]
            .as_array()
            .unwrap()
            .clone()
    }
}

/// Asks until there is an answer.
pub(crate) async fn poll<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            sleep(POLL).await;
        }
    };
    let answer = timeout(EVENTUALLY, asking).await;
    answer.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// How long something took.
pub(crate) async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let start = Instant::now();
    let result = work.await;
    (result, start.elapsed())
}

fn merge(arguments: &mut Value, more: Value) {
    for (name, value) in more.as_object().expect("parameters") {
        arguments[name] = value.clone();
    }
}

/// The binary, serving this test on its stdin and stdout.
pub(crate) struct Server {
    child: Child,
    stdin: tokio::sync::Mutex<ChildStdin>,
    waiting: Waiting,
    next: AtomicU64,
}

impl Server {
    async fn start(sshd: &Sshd, config: &str) -> Self {
        let mut command = Command::new(testkit::binary());
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

    /// Sends a call and does not wait for it.
    pub(crate) async fn begin(&self, tool: &str, arguments: Value) -> Pending {
        self.request("tools/call", json!({"name": tool, "arguments": arguments}))
            .await
    }

    /// Gives a call up.
    pub(crate) async fn cancel(&self, call: &Pending) {
        let parameters = json!({"requestId": call.id, "reason": "a test"});
        self.notify("notifications/cancelled", parameters).await;
    }

    /// Its process.
    #[allow(
        dead_code,
        reason = "for the tests of the shell, which share this file"
    )]
    pub(crate) fn process(&self) -> Process {
        let pid = self.child.id().expect("it was started");
        Process::find(pid).expect("it runs")
    }

    /// Resident memory of the process.
    pub(crate) fn resident_bytes(&self) -> u64 {
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
pub(crate) struct Pending {
    id: u64,
    receiver: oneshot::Receiver<Value>,
}

impl Pending {
    /// Its answer.
    pub(crate) async fn answer(self) -> Answer {
        let message = self.message().await;
        assert!(message["result"].is_object(), "{message}");
        Answer {
            result: message["result"].clone(),
        }
    }

    /// Whether there is an answer by now.
    pub(crate) fn is_answered(&mut self) -> bool {
        self.receiver.try_recv().is_ok()
    }

    async fn message(self) -> Value {
        let answer = timeout(CALL_BOUND, self.receiver).await;
        answer
            .expect("an answer in time")
            .expect("the server lives")
    }
}

/// The result of a tool call.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) result: Value,
}

impl Answer {
    fn blocks(&self) -> &[Value] {
        self.result["content"].as_array().expect("content")
    }

    /// The first block: ours.
    pub(crate) fn status(&self) -> &str {
        self.blocks()[0]["text"].as_str().expect("text")
    }

    /// Everything that the host said, in order.
    pub(crate) fn text(&self) -> String {
        self.streams().into_iter().map(|(_, text)| text).collect()
    }

    /// What the host said, with the stream of each block.
    pub(crate) fn streams(&self) -> Vec<(String, String)> {
        let text = |block: &Value| {
            let stream = block["_meta"][STREAM_META].as_str()?;
            Some((stream.to_owned(), block["text"].as_str()?.to_owned()))
        };
        self.blocks().iter().filter_map(text).collect()
    }

    /// What was left out, where.
    pub(crate) fn omitted(&self) -> Vec<(Value, String)> {
        let gap = |block: &Value| {
            let meta = &block["_meta"][OMITTED_META];
            let text = block["text"].as_str().expect("text").to_owned();
            meta.is_object().then(|| (meta.clone(), text))
        };
        self.blocks().iter().filter_map(gap).collect()
    }

    /// A field of the result for programs; null if it is left out.
    pub(crate) fn meta(&self, field: &str) -> &Value {
        &self.result["_meta"][RESULT_META][field]
    }

    /// The same as a number.
    pub(crate) fn number(&self, field: &str) -> u64 {
        let value = self.meta(field).as_u64();
        value.unwrap_or_else(|| panic!("no {field}: {}", self.result["_meta"]))
    }

    pub(crate) fn is_error(&self) -> bool {
        self.result["isError"] == true
    }

    /// The code of an error; empty without one.
    pub(crate) fn code(&self) -> &str {
        let meta = &self.result["_meta"][ERROR_META];
        meta["code"].as_str().unwrap_or_default()
    }

    /// A field of a record.
    pub(crate) fn field(&self, name: &str) -> &Value {
        &self.result["structuredContent"][name]
    }

    /// Asserts an error of this code whose text holds all of these words.
    pub(crate) fn assert_error(&self, code: &str, words: &[&str]) {
        assert!(self.is_error(), "{:?}", self.result);
        assert_eq!(self.code(), code, "{}", self.status());
        for word in words {
            assert!(self.status().contains(word), "{word:?}: {}", self.status());
        }
    }
}
