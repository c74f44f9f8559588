//! `/metrics`: the names of the contract, counters that only rise, and nothing that was given in
//! confidence.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::json;

use super::mcp::{self, Sse, Streamable};
use super::request::ask;
use super::world;
use testkit::bounded;
use testkit::client::error_code;
use testkit::daemon::Daemon;
use testkit::host::Host;

/// The contract's names, with their types.
const NAMES: [(&str, &str); 17] = [
    ("mcp_ssh_sessions", "gauge"),
    ("mcp_ssh_session_up", "gauge"),
    ("mcp_ssh_session_connected_seconds", "gauge"),
    ("mcp_ssh_connects_total", "counter"),
    ("mcp_ssh_reconnects_total", "counter"),
    ("mcp_ssh_connect_duration_seconds", "histogram"),
    ("mcp_ssh_commands_total", "counter"),
    ("mcp_ssh_command_duration_seconds", "histogram"),
    ("mcp_ssh_transfer_bytes_total", "counter"),
    ("mcp_ssh_transfers_total", "counter"),
    ("mcp_ssh_tool_calls_total", "counter"),
    ("mcp_ssh_tool_call_duration_seconds", "histogram"),
    ("mcp_ssh_jobs_running", "gauge"),
    ("mcp_ssh_actor_restarts_total", "counter"),
    ("mcp_ssh_host_key_refusals_total", "counter"),
    ("mcp_ssh_http_rejected_total", "counter"),
    ("mcp_ssh_build_info", "gauge"),
];
const GUIDE: &str = include_str!("../../docs/daemon.md");
/// Series whatever comes by, those of single sessions excepted.
const SERIES_MAX: usize = 500;

pub(crate) async fn scrape(daemon: &Daemon) -> String {
    let reply = ask(daemon, "GET", "/metrics").get().await;
    assert_eq!(reply.status, 200);
    assert!(
        reply
            .header("content-type")
            .starts_with("text/plain; version=0.0.4")
    );
    reply.text().await
}

/// Every series with its value.
fn series(text: &str) -> BTreeMap<String, f64> {
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a value");
            (name.to_owned(), value.parse().expect("a number"))
        })
        .collect()
}

async fn value(daemon: &Daemon, name: &str) -> Option<f64> {
    series(&scrape(daemon).await).get(name).copied()
}

/// Asks until a series has this value.
async fn reaches(daemon: &Daemon, name: &str, wanted: Option<f64>) {
    let asking = async {
        while value(daemon, name).await != wanted {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    bounded(&format!("{name} = {wanted:?}"), asking).await;
}

#[tokio::test]
async fn the_names_of_the_contract_are_there_and_promtool_has_nothing_to_say() {
    let (_host, daemon) = world().await;
    mcp::succeed(&daemon, "ssh_connect", json!({"host": "test"})).await;
    mcp::succeed(&daemon, "ssh_exec", json!({"command": "true"})).await;
    let text = scrape(&daemon).await;
    for (name, kind) in NAMES {
        assert!(
            text.contains(&format!("# TYPE {name} {kind}\n")),
            "{name}\n{text}"
        );
        assert!(text.contains(&format!("# HELP {name} ")), "{name}");
        assert!(
            GUIDE.contains(&format!("| `{name}")),
            "{name} is not in docs/daemon.md"
        );
        assert!(text.contains(&format!("\n{name}")), "no sample of {name}");
    }
    assert!(text.contains("\nprocess_resident_memory_bytes "), "{text}");
    let version = env!("CARGO_PKG_VERSION");
    assert!(text.contains(&format!("mcp_ssh_build_info{{version=\"{version}\"}} 1\n")));
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool of Debian's package prometheus");
    promtool
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[tokio::test]
async fn sessions_and_commands_are_told_as_they_are() {
    let (host, daemon) = world().await;
    let up = "mcp_ssh_session_up{session=\"test\"}";
    assert_eq!(value(&daemon, up).await, None);
    mcp::succeed(&daemon, "ssh_connect", json!({"host": "test"})).await;
    let before = series(&scrape(&daemon).await);
    assert_eq!(before[up], 1.0);
    assert_eq!(before["mcp_ssh_sessions{state=\"ready\"}"], 1.0);
    assert_eq!(before["mcp_ssh_connects_total{outcome=\"ok\"}"], 1.0);
    mcp::succeed(
        &daemon,
        "ssh_exec",
        json!({"command": "sleep 631", "waitMs": 0}),
    )
    .await;
    reaches(&daemon, "mcp_ssh_jobs_running", Some(1.0)).await;
    mcp::succeed(&daemon, "ssh_exec", json!({"command": "exit 3"})).await;
    mcp::succeed(&daemon, "ssh_exec", json!({"command": "kill -9 $$"})).await;
    mcp::succeed(
        &daemon,
        "ssh_exec",
        json!({"command": "sleep 632", "timeoutMs": 50}),
    )
    .await;
    mcp::call(
        &daemon,
        "ssh_exec",
        json!({"command": "true", "cwd": "/no/such"}),
    )
    .await;
    mcp::succeed(&daemon, "ssh_disconnect", json!({})).await;
    let after = series(&scrape(&daemon).await);
    let count = |outcome: &str| {
        after[&format!("mcp_ssh_commands_total{{tool=\"ssh_exec\",outcome=\"{outcome}\"}}")]
    };
    let counts = [
        "exited",
        "signaled",
        "timedOut",
        "cancelled",
        "notRun",
        "failed",
    ]
    .map(count);
    assert_eq!(counts, [1.0, 1.0, 1.0, 1.0, 1.0, 0.0]);
    assert_eq!(
        after["mcp_ssh_command_duration_seconds_count{tool=\"ssh_exec\"}"],
        4.0
    );
    assert_eq!(after["mcp_ssh_jobs_running"], 0.0);
    assert_eq!(after[up], 0.0);
    assert_eq!(after["mcp_ssh_sessions{state=\"saved\"}"], 1.0);
    mcp::succeed(
        &daemon,
        "ssh_disconnect",
        json!({"session": "test", "forget": true}),
    )
    .await;
    let text = scrape(&daemon).await;
    assert!(!text.contains("session=\"test\""), "{text}");
    drop(host);
}

#[tokio::test]
async fn shells_and_transfers_are_counted() {
    let (host, daemon) = world().await;
    let directory = host.sshd.remote_home();
    mcp::succeed(&daemon, "ssh_connect", json!({"host": "test"})).await;
    mcp::succeed(&daemon, "ssh_shell", json!({"command": "true"})).await;
    mcp::succeed(&daemon, "ssh_shell", json!({"command": "exit 3"})).await;
    let (from, to) = (daemon.home().path().join("from"), directory.join("to"));
    std::fs::write(&from, vec![7; 300_000]).unwrap();
    let upload = json!({"localPath": from, "remotePath": to});
    mcp::succeed(&daemon, "ssh_upload", upload).await;
    let back = daemon.home().path().join("back");
    let download = json!({"remotePath": to, "localPath": back});
    mcp::succeed(&daemon, "ssh_download", download).await;
    let missing = json!({"remotePath": directory.join("none"), "localPath": back});
    mcp::call(&daemon, "ssh_download", missing).await;
    // The directory that the daemon was started in means nothing to its clients.
    let relative = json!({"localPath": "from", "remotePath": to});
    let refused = mcp::call(&daemon, "ssh_upload", relative).await;
    assert_eq!(refused["isError"], true, "{refused}");
    let after = series(&scrape(&daemon).await);
    let rows = [
        ("commands_total{tool=\"ssh_shell\",outcome=\"exited\"}", 2.0),
        ("command_duration_seconds_count{tool=\"ssh_shell\"}", 2.0),
        ("transfer_bytes_total{direction=\"upload\"}", 300_000.0),
        ("transfer_bytes_total{direction=\"download\"}", 300_000.0),
        (
            "transfers_total{direction=\"upload\",outcome=\"done\"}",
            1.0,
        ),
        (
            "transfers_total{direction=\"download\",outcome=\"done\"}",
            1.0,
        ),
        (
            "transfers_total{direction=\"download\",outcome=\"failed\"}",
            1.0,
        ),
    ];
    for (name, expected) in rows {
        assert_eq!(after[&format!("mcp_ssh_{name}")], expected, "{name}");
    }
}

#[tokio::test]
async fn counters_never_go_backwards() {
    let (host, daemon) = world().await;
    mcp::succeed(&daemon, "ssh_connect", json!({"host": "test"})).await;
    let mut last = series(&scrape(&daemon).await);
    for _ in 0..3 {
        mcp::succeed(&daemon, "ssh_exec", json!({"command": "true"})).await;
        host.sshd.kill_sessions().await;
        mcp::succeed(&daemon, "ssh_exec", json!({"command": "true"})).await;
        let now = series(&scrape(&daemon).await);
        for (name, value) in &last {
            let kinds = ["_total", "_bucket", "_count", "_sum"];
            let base = name.split('{').next().unwrap();
            if kinds.iter().any(|kind| base.ends_with(kind)) {
                assert!(
                    now.get(name).is_some_and(|now| now >= value),
                    "{name}: {value}"
                );
            }
        }
        last = now;
    }
    assert_eq!(last["mcp_ssh_reconnects_total{outcome=\"ok\"}"], 3.0);
    assert_eq!(last["mcp_ssh_connects_total{outcome=\"ok\"}"], 1.0);
}

#[tokio::test]
async fn a_refused_host_key_is_counted() {
    let (mut host, daemon) = world().await;
    mcp::succeed(&daemon, "ssh_connect", json!({"host": "test"})).await;
    host.sshd.restart_with_new_host_key().await;
    host.sshd.kill_sessions().await;
    let refused = "mcp_ssh_host_key_refusals_total{reason=\"changed\"}";
    reaches(&daemon, refused, Some(1.0)).await;
    let outcome = "mcp_ssh_reconnects_total{outcome=\"hostKeyChanged\"}";
    assert_eq!(value(&daemon, outcome).await, Some(1.0));
}

#[tokio::test]
async fn names_hosts_and_users_make_no_series() {
    let (_host, daemon) = world().await;
    mcp::succeed(&daemon, "ssh_connect", json!({"host": "test"})).await;
    mcp::succeed(&daemon, "ssh_exec", json!({"command": "true"})).await;
    for tool in [
        "ssh_output",
        "ssh_input",
        "ssh_reconnect",
        "ssh_set_default",
        "ssh_sessions",
    ] {
        mcp::call(
            &daemon,
            tool,
            json!({"job": "a-1", "session": "a", "text": "a"}),
        )
        .await;
    }
    let before = series(&scrape(&daemon).await).len();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let refusing = listener.local_addr().unwrap().port();
    drop(listener);
    for round in 0..50 {
        let name = format!("s{round}");
        let arguments = json!({"host": format!("user{round}@127.0.0.1:{refusing}"), "name": name});
        let result = mcp::call(&daemon, "ssh_connect", arguments).await;
        assert_eq!(error_code(&result), "connectFailed");
        mcp::call(
            &daemon,
            "ssh_exec",
            json!({"command": format!("c{round}"), "session": name}),
        )
        .await;
        let tool = mcp::request(
            1,
            "tools/call",
            json!({"name": format!("tool{round}"), "arguments": {}}),
        );
        ask(&daemon, "POST", "/mcp").mcp().send(tool).await;
        ask(&daemon, "GET", &format!("/path{round}")).get().await;
        ask(&daemon, "GET", "/health")
            .header("host", &format!("h{round}.example"))
            .get()
            .await;
    }
    let text = scrape(&daemon).await;
    let after = series(&text);
    assert_eq!(after.len(), before, "{text}");
    // As many as there can be: every tool, every outcome and every bucket is there from the start or by now.
    assert!(after.len() <= SERIES_MAX, "{}", after.len());
    for planted in ["s49", "user49", "c49", "tool49", "path49", "h49"] {
        assert!(!text.contains(planted), "{planted}\n{text}");
    }
}

/// Everything that can be given in confidence, in words that occur nowhere else.
#[tokio::test]
async fn what_was_given_in_confidence_is_told_to_nobody() {
    const PLANTED: [&str; 9] = [
        "planted-password-1",
        "planted-passphrase-2",
        "planted-command-3",
        "planted-variable-4",
        "planted-stdin-5",
        "planted-output-6",
        "planted-directory-7",
        "planted-bearer-token-8",
        "planted-input-9",
    ];
    let host = Host::start().await;
    let directory = tempfile::tempdir().unwrap();
    let token_file = directory.path().join("token");
    std::fs::write(&token_file, PLANTED[7]).unwrap();
    let daemon = Daemon::builder()
        .ssh_config(&host.sshd.ssh_config())
        .arg("--log")
        .arg("trace")
        .env("RUST_LOG", "trace")
        .arg("--token-file")
        .arg(&token_file)
        .start()
        .await;
    let bearer = format!("Bearer {}", PLANTED[7]);
    let call = async |tool: &str, arguments: serde_json::Value| {
        let body = mcp::request(
            1,
            "tools/call",
            testkit::client::modern(json!({"name": tool, "arguments": arguments})),
        );
        let asked = ask(&daemon, "POST", "/mcp")
            .mcp()
            .header("authorization", &bearer);
        let asked = asked.header("mcp-protocol-version", testkit::client::MODERN_VERSION);
        let asked = asked
            .header("mcp-method", "tools/call")
            .header("mcp-name", tool);
        asked.send(body).await.answer().await["result"].clone()
    };
    let connect = json!({"host": "test", "password": PLANTED[0], "passphrase": PLANTED[1]});
    assert_ne!(call("ssh_connect", connect).await["isError"], json!(true));
    let exec = json!({
        "command": format!(": {}; echo planted-out\"\"put-6; cat; pwd", PLANTED[2]),
        "env": {"SECRET": PLANTED[3]},
        "stdin": PLANTED[4],
    });
    assert!(
        call("ssh_exec", exec)
            .await
            .to_string()
            .contains(PLANTED[5])
    );
    let elsewhere = json!({"command": "true", "cwd": format!("/{}", PLANTED[6])});
    assert_eq!(
        error_code(&call("ssh_exec", elsewhere).await),
        "remotePathError"
    );
    let job = call(
        "ssh_exec",
        json!({"command": "read line; exit 4", "interactive": true, "waitMs": 0}),
    )
    .await;
    let job = &job["_meta"]["mcp-ssh-sessions/result"]["job"];
    call(
        "ssh_input",
        json!({"job": job, "text": format!("{}\n", PLANTED[8])}),
    )
    .await;
    call("ssh_output", json!({"job": job, "waitMs": 5000})).await;
    // A client that begins with an unexpected message.
    let opening = ask(&daemon, "GET", "/mcp").header("accept", "text/event-stream");
    let mut opened = opening.header("authorization", &bearer).get().await;
    let (_, address) = opened.event().await.expect("the first event");
    let unasked = json!({"jsonrpc": "2.0", "id": 1, "result": {"content": PLANTED[0]}}).to_string();
    let posting = ask(&daemon, "POST", &address).mcp();
    let posted = posting.header("authorization", &bearer).send(unasked).await;
    assert_eq!(posted.status, 202);
    assert_eq!(opened.event().await, None, "the session ends");
    // Refused, too: by their form, by their token.
    ask(&daemon, "POST", "/mcp")
        .mcp()
        .header("authorization", &bearer)
        .send(format!("{{\"{}\"", PLANTED[0]))
        .await;
    ask(&daemon, "GET", "/health")
        .header("authorization", &format!("{bearer}x"))
        .get()
        .await;
    let get = async |path: &str| {
        let asked = ask(&daemon, "GET", path).header("authorization", &bearer);
        asked.get().await.text().await
    };
    let told = [get("/metrics").await, get("/health").await, daemon.stderr()];
    assert!(told[2].contains("DEBUG"), "nothing was logged: {}", told[2]);
    for planted in PLANTED {
        for text in &told {
            assert!(!text.contains(planted), "{planted}\n{text}");
        }
    }
    for text in &told[..2] {
        let user = host.sshd.user();
        assert!(
            !text.contains("127.0.0.1") && !text.contains(&format!("\"{user}\"")),
            "{text}"
        );
    }
}

#[tokio::test]
async fn calls_of_every_transport_are_counted() {
    let (_host, daemon) = world().await;
    mcp::succeed(&daemon, "ssh_sessions", json!({})).await;
    Streamable::open(&daemon)
        .await
        .call(&daemon, "ssh_sessions", json!({}))
        .await;
    Sse::open(&daemon)
        .await
        .call(&daemon, "ssh_sessions", json!({}))
        .await;
    mcp::call(&daemon, "ssh_exec", json!({"command": "true"})).await;
    let text = scrape(&daemon).await;
    let count = |tool: &str, outcome: &str| {
        series(&text)[&format!("mcp_ssh_tool_calls_total{{tool=\"{tool}\",outcome=\"{outcome}\"}}")]
    };
    assert_eq!(count("ssh_sessions", "ok"), 3.0);
    assert_eq!(count("ssh_exec", "error"), 1.0);
    let buckets = series(&text);
    assert_eq!(
        buckets["mcp_ssh_tool_call_duration_seconds_count{tool=\"ssh_sessions\"}"],
        3.0
    );
}

#[tokio::test]
async fn health_counts_and_names_nobody() {
    let (_host, daemon) = world().await;
    mcp::succeed(
        &daemon,
        "ssh_connect",
        json!({"host": "test", "name": "secret-name"}),
    )
    .await;
    let health = ask(&daemon, "GET", "/health").get().await.json().await;
    assert_eq!(health["sessions"]["ready"], 1);
    assert!(!health.to_string().contains("secret-name"), "{health}");
}
