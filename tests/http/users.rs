//! Another user of the machine: gets nothing, not even with tricks of timing. Needs root, which alone can be
//! somebody else.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::mcp;
use super::metrics::scrape;
use super::request::ask;
use super::world;
use testkit::client::modern;
use testkit::daemon::Daemon;
use testkit::processes::kill_and_wait;
use testkit::temp_user::TempUser;
use testkit::{eventually, readable_directory, run, set_mode};

/// Makes requests, each on a connection of its own, and prints their statuses. With `close`, the connection is
/// closed as soon as the request is written, and nothing is read.
const REQUESTS: &str = r#"
import json, socket, sys
port, close, requests = int(sys.argv[1]), sys.argv[2] == "close", json.loads(sys.argv[3])
for text in requests:
    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
    connection.sendall(text.encode())
    if close:
        connection.close()
        continue
    line = connection.makefile("rb").readline().decode()
    print(line.split(" ")[1])
    connection.close()
"#;

fn other_user() -> (TempUser, u32) {
    let user = TempUser::create("/bin/sh").expect("root: these tests make users");
    let uid = run(Command::new("id").arg("-u").arg(user.name()))
        .trim()
        .parse()
        .unwrap();
    (user, uid)
}

/// Makes the requests as a user.
fn request_as(uid: u32, port: u16, mode: &str, requests: &[String]) -> Vec<String> {
    let directory = readable_directory();
    let script = directory.path().join("requests.py");
    std::fs::write(&script, REQUESTS).unwrap();
    set_mode(&script, 0o644);
    let mut command = Command::new("python3");
    command
        .arg(script)
        .arg(port.to_string())
        .arg(mode)
        .arg(json!(requests).to_string());
    command
        .uid(uid)
        .gid(uid)
        .stdin(Stdio::null())
        .current_dir("/");
    run(&mut command).lines().map(str::to_owned).collect()
}

/// The bytes of a request.
fn raw(port: u16, method: &str, path: &str, body: &str, headers: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: application/json, text/event-stream\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

fn exec(port: u16, command: &str) -> String {
    let parameters = json!({"name": "ssh_exec", "arguments": {"command": command}});
    let body = mcp::request(1, "tools/call", modern(parameters));
    let headers =
        "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: ssh_exec\r\n";
    raw(port, "POST", "/mcp", &body, headers)
}

#[tokio::test]
async fn another_user_is_refused_on_every_route() {
    let (_host, daemon) = world().await;
    mcp::succeed(&daemon, "ssh_connect", json!({"host": "test"})).await;
    let (_user, uid) = other_user();
    let port = daemon.port();
    let hello = mcp::request(1, "initialize", mcp::hello());
    let requests = [
        raw(port, "GET", "/health", "", ""),
        raw(port, "GET", "/metrics", "", ""),
        raw(port, "GET", "/mcp", "", ""),
        raw(port, "POST", "/mcp", &hello, ""),
        raw(port, "DELETE", "/mcp", "", ""),
        raw(port, "GET", "/nothing", "", ""),
        exec(port, "true"),
    ];
    let statuses = request_as(uid, port, "read", &requests);
    assert_eq!(statuses, vec!["403"; requests.len()]);
    let text = scrape(&daemon).await;
    let line = format!(
        "mcp_ssh_http_rejected_total{{reason=\"peer\"}} {}\n",
        requests.len()
    );
    assert!(text.contains(&line), "{text}");
}

/// The kernel lists a socket that its process has closed as root's: nothing that came through such a socket may run.
#[tokio::test]
async fn another_user_who_closes_at_once_is_refused_too() {
    let (_host, daemon) = world().await;
    mcp::succeed(&daemon, "ssh_connect", json!({"host": "test"})).await;
    let (_user, uid) = other_user();
    let directory = tempfile::tempdir().unwrap();
    let made = directory.path().join("made");
    let command = format!("touch {}", made.display());
    let requests = vec![exec(daemon.port(), &command); 100];
    request_as(uid, daemon.port(), "close", &requests);
    let rejected = async || {
        let text = scrape(&daemon).await;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("mcp_ssh_http_rejected_total{reason=\"peer\"} "));
        line.unwrap().parse::<u32>().unwrap()
    };
    // Those whose connection broke before the answer may not be counted, but this one comes last.
    let last = [raw(daemon.port(), "GET", "/health", "", "")];
    assert_eq!(request_as(uid, daemon.port(), "read", &last), ["403"]);
    assert!(rejected().await >= 1);
    let calls = "mcp_ssh_tool_calls_total{tool=\"ssh_exec\",outcome=\"ok\"} 0\n";
    assert!(scrape(&daemon).await.contains(calls));
    assert!(!made.exists());
}

#[tokio::test]
async fn a_daemon_of_another_user_serves_that_user_and_root_and_nobody_else() {
    let (user, uid) = other_user();
    let (_third, third) = other_user();
    let home = std::sync::Arc::new(readable_directory());
    set_mode(home.path(), 0o777);
    // The test's own directory may be closed to others.
    let binary = home.path().join("daemon");
    std::fs::copy(testkit::binary(), &binary).unwrap();
    set_mode(&binary, 0o755);
    let daemon = Daemon::builder()
        .program(&binary)
        .home(&home)
        .uid(uid)
        .start()
        .await;
    let health = [raw(daemon.port(), "GET", "/health", "", "")];
    assert_eq!(request_as(uid, daemon.port(), "read", &health), ["200"]);
    assert_eq!(request_as(third, daemon.port(), "read", &health), ["403"]);
    assert_eq!(
        ask(&daemon, "GET", "/health").get().await.status,
        200,
        "root may"
    );
    let process = daemon.process();
    drop(daemon);
    kill_and_wait(&[process]);
    drop(user);
}

#[tokio::test]
async fn with_the_token_another_user_may() {
    let directory = readable_directory();
    let path = directory.path().join("token");
    std::fs::write(&path, "a-token-for-other-users").unwrap();
    let daemon = Daemon::builder()
        .arg("--token-file")
        .arg(&path)
        .start()
        .await;
    let (_user, uid) = other_user();
    let port = daemon.port();
    let requests = [
        raw(port, "GET", "/health", "", ""),
        raw(
            port,
            "GET",
            "/health",
            "",
            "Authorization: Bearer a-token-for-other-users\r\n",
        ),
    ];
    assert_eq!(request_as(uid, port, "read", &requests), ["401", "200"]);
    let health: Value = ask(&daemon, "GET", "/health")
        .header("authorization", "Bearer a-token-for-other-users")
        .get()
        .await
        .json()
        .await;
    assert_eq!(health["status"], "ok");
    eventually("the warning", || daemon.stderr().contains("chmod 600")).await;
}
