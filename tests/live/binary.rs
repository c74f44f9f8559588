//! The binary with a real server: texts for the user, use of the environment, the end.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::world::{assert_says, nothing_left, processes};
use testkit::client::{Client, blocks};
use testkit::sshd::Sshd;
use testkit::{eventually, readable_directory, run, set_mode};

const RESULT: &str = "mcp-ssh-sessions/result";
const ERROR: &str = "mcp-ssh-sessions/error";

fn pair(stream: &str, text: &str) -> (String, String) {
    (stream.to_owned(), text.to_owned())
}

/// A server with this configuration, home directory and further variables.
async fn start(config: &Path, home: &Path, variables: &[(&str, &Path)]) -> Client {
    let mut builder = Client::builder().ssh_config(config);
    for (name, path) in [("HOME", home)].iter().chain(variables) {
        builder = builder.env(name, path.to_str().unwrap());
    }
    let mut client = builder.start();
    client.initialize().await;
    client
}

/// Connects to the configured host `test`, which has to succeed.
async fn connect(client: &mut Client) -> Value {
    client.succeed("ssh_connect", json!({"host": "test"})).await
}

/// The first text of a result.
fn first(result: &Value) -> String {
    blocks(result).swap_remove(0).1
}

#[tokio::test]
async fn what_a_host_prints_is_shown_and_cannot_act() {
    let sshd = Sshd::start_default().await;
    let home = readable_directory();
    let mut server = start(&sshd.ssh_config(), home.path(), &[]).await;
    connect(&mut server).await;
    let line =
        r"printf 'a\000b\033[2J\r\tc\377 \303\244 \342\200\256'; printf 'no newline' >&2; exit 3";
    let result = server.call("ssh_exec", json!({"command": line})).await;
    let shown = blocks(&result);
    assert!(
        shown[0].1.starts_with("exit 3 in ") && shown[0].1.contains("session test"),
        "{shown:?}"
    );
    let expected = [
        pair("stdout", "a\\x00b\\x1b[2J\r\tc\\xff ä \\u{202e}"),
        pair("stderr", "no newline"),
    ];
    assert_eq!(shown[1..], expected);
    assert_ne!(result["isError"], json!(true));
    assert!(result["structuredContent"].is_null());
    let record = &result["_meta"][RESULT];
    for (field, value) in [
        ("outcome", json!("exited")),
        ("fate", json!("completed")),
        ("exitCode", json!(3)),
        ("stderrBytes", json!(10)),
        ("escaped", json!(4)),
    ] {
        assert_eq!(record[field], value, "{field}: {record}");
    }
    let killed = server
        .call("ssh_exec", json!({"command": "kill -9 $$"}))
        .await;
    assert_says(&first(&killed), &["killed by SIGKILL in "]);
    let late = json!({"command": "sleep 1000", "timeoutMs": 300});
    let late = server.call("ssh_exec", late).await;
    assert_says(&first(&late), &["timed out after 0.30 s: sent INT, gone"]);
    let missing = json!({"command": "true", "cwd": "/does/not/exist"});
    let missing = server.call("ssh_exec", missing).await;
    assert_eq!(missing["isError"], json!(true));
    assert_says(
        &first(&missing),
        &["remotePathError", "\"/does/not/exist\"", "not run"],
    );
    assert_eq!(missing["_meta"][ERROR]["fate"], json!("notSent"));
    // A lost connection is a result of the command, and an error.
    let lost = server
        .begin_call(
            "ssh_exec",
            json!({"command": "echo begun; exec sleep 1000"}),
        )
        .await;
    eventually("the command to begin", || {
        processes(&sshd, "sleep 1000").len() == 1
    })
    .await;
    sshd.kill_sessions().await;
    let lost = server.result(&lost).await;
    assert_says(
        &first(&lost),
        &["connection lost after", "unknown", "not run again"],
    );
    assert_eq!(blocks(&lost)[1], pair("stdout", "begun\n"));
    assert_eq!(lost["isError"], json!(true));
    assert_eq!(lost["_meta"][RESULT]["outcome"], json!("connectionLost"));
    assert_eq!(lost["_meta"][ERROR]["fate"], json!("unknown"));
    assert!(server.finish().await.status.success());
}

#[tokio::test]
async fn a_cancelled_call_is_not_answered_and_its_command_ends() {
    let sshd = Sshd::start_default().await;
    let home = readable_directory();
    let mut server = start(&sshd.ssh_config(), home.path(), &[]).await;
    connect(&mut server).await;
    let id = server
        .begin_call("ssh_exec", json!({"command": "sleep 1000"}))
        .await;
    eventually("the command to begin", || {
        processes(&sshd, "sleep 1000").len() == 1
    })
    .await;
    let reason = json!({"requestId": id, "reason": "test"});
    server.notify("notifications/cancelled", reason).await;
    nothing_left(&sshd).await;
    // An answer to a later call would come behind one to this call.
    server.call("ssh_sessions", json!({})).await;
    assert!(!server.has_answered(&id));
    let next = server
        .call("ssh_exec", json!({"command": "echo next"}))
        .await;
    assert_eq!(blocks(&next)[1], pair("stdout", "next\n"));
}

#[tokio::test]
async fn the_end_of_the_input_ends_the_commands_on_the_host() {
    let sshd = Sshd::start_default().await;
    let home = readable_directory();
    let mut server = start(&sshd.ssh_config(), home.path(), &[]).await;
    connect(&mut server).await;
    for line in [
        "sleep 1000",
        "sleep 1001",
        "trap '' INT TERM; while :; do sleep 0.1002; done",
    ] {
        server
            .begin_call("ssh_exec", json!({"command": line}))
            .await;
    }
    eventually("the commands to begin", || {
        processes(&sshd, "sleep 100").len() == 2 && !processes(&sshd, "sleep 0.1002").is_empty()
    })
    .await;
    let children = testkit::processes::descendants(&[server.process()]);
    let begun = Instant::now();
    let status = server.finish().await.status;
    assert!(status.success(), "{status}");
    assert!(
        begun.elapsed() < Duration::from_millis(1300),
        "{:?}",
        begun.elapsed()
    );
    assert!(!children.iter().any(|child| child.is_alive()));
    nothing_left(&sshd).await;
}

#[tokio::test]
async fn the_agent_of_the_environment_is_used() {
    let sshd = Sshd::start_default().await;
    let home = readable_directory();
    let socket = home.path().join("agent");
    let mut agent = tokio::process::Command::new("ssh-agent");
    agent
        .arg("-D")
        .arg("-a")
        .arg(&socket)
        .stdout(std::process::Stdio::null());
    let _agent = agent.kill_on_drop(true).spawn().unwrap();
    eventually("the agent's socket", || socket.exists()).await;
    let mut add = std::process::Command::new("ssh-add");
    run(add
        .arg("-q")
        .arg(sshd.user_key_path())
        .env("SSH_AUTH_SOCK", &socket));
    let config = sshd.ssh_config_with("IdentitiesOnly no");
    let text = fs::read_to_string(&config).unwrap();
    let own = format!(
        "IdentityFile {}\nIdentitiesOnly yes\nIdentityAgent none\n",
        sshd.user_key_path().display()
    );
    assert!(text.contains(&own), "{text}");
    fs::write(&config, text.replace(&own, "IdentityFile none\n")).unwrap();
    let mut server = start(&config, home.path(), &[("SSH_AUTH_SOCK", &socket)]).await;
    let report = connect(&mut server).await;
    assert_eq!(
        report["structuredContent"]["auth"],
        json!("agent"),
        "{report}"
    );
    assert!(server.finish().await.status.success());
    // Without the variable there is nothing to offer, and the error says so.
    let mut server = start(&config, home.path(), &[("XDG_RUNTIME_DIR", home.path())]).await;
    let result = server.call("ssh_connect", json!({"host": "test"})).await;
    assert_eq!(
        result["_meta"][ERROR]["code"],
        json!("authFailed"),
        "{result}"
    );
    assert_says(&first(&result), &["SSH_AUTH_SOCK"]);
}

#[tokio::test]
async fn a_home_that_cannot_be_written_is_told_and_costs_nothing_else() {
    let sshd = Sshd::start_default().await;
    // Read-only for everybody, root included.
    let mut server = start(&sshd.ssh_config(), Path::new("/proc"), &[]).await;
    let report = connect(&mut server).await;
    let text = first(&report);
    assert_says(&text, &["not saved", "/proc"]);
    let result = server
        .call("ssh_exec", json!({"command": "echo works"}))
        .await;
    assert_eq!(blocks(&result)[1], pair("stdout", "works\n"));
    assert!(server.finish().await.status.success());
}

#[tokio::test]
async fn sessions_of_an_earlier_process_are_there() {
    let sshd = Sshd::start_default().await;
    let home = readable_directory();
    set_mode(home.path(), 0o700);
    let mut server = start(&sshd.ssh_config(), home.path(), &[]).await;
    connect(&mut server).await;
    assert!(server.finish().await.status.success());
    let mut server = start(&sshd.ssh_config(), home.path(), &[]).await;
    let result = server
        .call("ssh_exec", json!({"command": "echo again"}))
        .await;
    assert_eq!(blocks(&result)[1], pair("stdout", "again\n"));
    assert_eq!(result["_meta"][RESULT]["reconnected"], json!(true));
}

/// Peak and present memory of a process, in KiB.
fn memory(server: &Client) -> (u64, u64) {
    let status = fs::read_to_string(format!("/proc/{}/status", server.process().pid)).unwrap();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    (field("VmHWM:"), field("VmRSS:"))
}

#[tokio::test]
async fn much_output_grows_the_process_little() {
    let sshd = Sshd::start_default().await;
    let home = readable_directory();
    let mut server = start(&sshd.ssh_config(), home.path(), &[]).await;
    connect(&mut server).await;
    for line in ["true", "head -c 100000 /dev/zero"] {
        server.call("ssh_exec", json!({"command": line})).await;
    }
    let (_, before) = memory(&server);
    let line = "head -c 64000000 /dev/zero | tr '\\0' x";
    let result = server.call("ssh_exec", json!({"command": line})).await;
    assert_eq!(
        result["_meta"][RESULT]["stdoutBytes"],
        json!(64_000_000),
        "{result}"
    );
    assert_eq!(
        result["_meta"][RESULT]["omittedBytes"],
        json!(64_000_000 - 8192)
    );
    let (peak, after) = memory(&server);
    assert!(
        peak - before < 16 * 1024,
        "{before} KiB, then {peak} at most"
    );
    assert!(after < before + 12 * 1024, "{before} KiB, then {after}");
}
