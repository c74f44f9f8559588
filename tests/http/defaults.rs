//! The default session belongs to a client: an MCP session, an event stream, or a process that calls without either.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::mcp::{self, Sse, Streamable};
use super::world;
use testkit::bounded;
use testkit::client::{MODERN_VERSION, error_code, modern, text};
use testkit::daemon::Daemon;

/// A client in a process of its own that opens a connection for each request.
struct Elsewhere {
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    port: u16,
    _process: Child,
}

/// Reads requests that end in NUL. `cat` inherits the connection, as a child of any client may.
const LOOP: &str = r#"
while IFS= read -r -d '' request; do
  exec 3<>"/dev/tcp/127.0.0.1/$0"
  printf '%s' "$request" >&3
  cat <&3
  printf '\n--end--\n'
  exec 3>&-
done
"#;

impl Elsewhere {
    fn start(daemon: &Daemon) -> Self {
        let mut process = Command::new("bash")
            .args(["-c", LOOP, &daemon.port().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("bash starts");
        Self {
            stdin: process.stdin.take().expect("a pipe"),
            stdout: BufReader::new(process.stdout.take().expect("a pipe")),
            port: daemon.port(),
            _process: process,
        }
    }

    async fn ask(&mut self, method: &str, name: Option<&str>, parameters: Value) -> Value {
        let message = json!({
            "jsonrpc": "2.0", "id": 1, "method": method, "params": modern(parameters),
        });
        let body = message.to_string();
        let name = name.map_or_else(String::new, |name| format!("mcp-name: {name}\r\n"));
        let request = format!(
            "POST /mcp HTTP/1.1\r\nhost: localhost:{}\r\nconnection: close\r\n\
             accept: application/json, text/event-stream\r\ncontent-type: application/json\r\n\
             mcp-protocol-version: {MODERN_VERSION}\r\nmcp-method: {method}\r\n{name}\
             content-length: {}\r\n\r\n{body}\0",
            self.port,
            body.len()
        );
        let asking = async {
            self.stdin.write_all(request.as_bytes()).await.unwrap();
            let mut lines = Vec::new();
            loop {
                let mut line = String::new();
                self.stdout.read_line(&mut line).await.unwrap();
                if line == "--end--\n" {
                    return lines;
                }
                lines.push(line);
            }
        };
        let lines = bounded("an answer", asking).await;
        let json = lines.iter().find_map(|line| {
            let line = line.strip_prefix("data: ").unwrap_or(line);
            serde_json::from_str::<Value>(line)
                .ok()?
                .get("result")
                .cloned()
        });
        json.unwrap_or_else(|| panic!("no result in {lines:?}"))
    }

    async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let parameters = json!({"name": tool, "arguments": arguments});
        self.ask("tools/call", Some(tool), parameters).await
    }
}

fn exec() -> Value {
    json!({"command": "echo out"})
}

fn connect(session: &str) -> Value {
    json!({"host": "test", "name": session})
}

/// The session in which a command ran.
fn ran_in(result: &Value) -> String {
    let text = text(result);
    let (_, session) = text
        .split_once("(session ")
        .unwrap_or_else(|| panic!("{text}"));
    session.split([',', ')', ' ']).next().unwrap().to_owned()
}

#[tokio::test]
async fn each_mcp_session_and_each_stream_has_a_default_of_its_own() {
    let (_host, daemon) = world().await;
    let a = Streamable::open(&daemon).await;
    let b = Streamable::open(&daemon).await;
    let mut sse = Sse::open(&daemon).await;
    let connected = a.call(&daemon, "ssh_connect", connect("a")).await;
    assert_eq!(connected["structuredContent"]["isDefault"], true);
    // The only session there is.
    assert_eq!(ran_in(&b.call(&daemon, "ssh_exec", exec()).await), "a");
    b.call(&daemon, "ssh_connect", connect("b")).await;
    assert_eq!(ran_in(&a.call(&daemon, "ssh_exec", exec()).await), "a");
    assert_eq!(ran_in(&b.call(&daemon, "ssh_exec", exec()).await), "b");
    // A guess for a client that has connected nothing, although `a` is the stored default by now.
    let refused = sse.call(&daemon, "ssh_exec", exec()).await;
    assert_eq!(error_code(&refused), "noDefaultSession", "{refused}");
    assert!(text(&refused).contains("a, b"), "{refused}");
    sse.call(&daemon, "ssh_set_default", json!({"session": "b"}))
        .await;
    a.call(&daemon, "ssh_set_default", json!({"session": "a"}))
        .await;
    assert_eq!(ran_in(&sse.call(&daemon, "ssh_exec", exec()).await), "b");
    let defaults = [
        a.call(&daemon, "ssh_sessions", json!({})).await,
        b.call(&daemon, "ssh_sessions", json!({})).await,
    ];
    let defaults = defaults.map(|list| list["structuredContent"]["default"].clone());
    assert_eq!(defaults, [json!("a"), json!("b")]);
    // A client that begins now gets the stored default.
    let late = Streamable::open(&daemon).await;
    assert_eq!(ran_in(&late.call(&daemon, "ssh_exec", exec()).await), "a");
}

#[tokio::test]
async fn a_process_without_an_mcp_session_has_one_default_over_all_its_connections() {
    let (_host, daemon) = world().await;
    let (mut a, mut b) = (Elsewhere::start(&daemon), Elsewhere::start(&daemon));
    a.ask("server/discover", None, json!({})).await;
    b.ask("server/discover", None, json!({})).await;
    a.call("ssh_connect", connect("a")).await;
    assert_eq!(ran_in(&b.call("ssh_exec", exec()).await), "a");
    mcp::succeed(&daemon, "ssh_connect", connect("b")).await;
    assert_eq!(ran_in(&a.call("ssh_exec", exec()).await), "a");
    assert_eq!(
        ran_in(&mcp::succeed(&daemon, "ssh_exec", exec()).await),
        "b"
    );
    let refused = b.call("ssh_exec", exec()).await;
    assert_eq!(error_code(&refused), "noDefaultSession", "{refused}");
    b.call("ssh_connect", connect("a")).await;
    assert_eq!(ran_in(&b.call("ssh_exec", exec()).await), "a");
    b.call("ssh_set_default", json!({"session": "b"})).await;
    assert_eq!(ran_in(&a.call("ssh_exec", exec()).await), "a");
    assert_eq!(ran_in(&b.call("ssh_exec", exec()).await), "b");
}
