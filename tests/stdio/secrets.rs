//! Secrets stand in no log, no answer and no file.

use std::net::TcpListener;
use std::path::Path;

use serde_json::json;

use testkit::client::{Client, Ended, error_code};
use testkit::host::Host;
use testkit::sshd::Sshd;

/// The secret that is looked for.
const SENTINEL: &str = "s3ntinel-Zyx9-9876543210";

/// A server that logs as much as possible.
fn talkative(config: &Path) -> Client {
    let builder = Client::builder().ssh_config(config);
    builder
        .arg("--log")
        .arg("trace")
        .env("RUST_LOG", "trace")
        .env("RUST_BACKTRACE", "full")
        .start()
}

/// A loopback port on which nobody listens.
fn refusing_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// The files below a directory, with their content.
fn contents(directory: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            found.push((
                path.display().to_string(),
                String::from_utf8_lossy(&bytes).into_owned(),
            ));
        }
    }
    found
}

fn verify(ended: &Ended) {
    // Something was logged, so that its absence means something.
    assert!(ended.stderr.contains("DEBUG"), "{}", ended.stderr);
    assert!(!ended.stderr.contains(SENTINEL), "{}", ended.stderr);
    for message in &ended.messages {
        assert!(!message.to_string().contains(SENTINEL), "{message}");
    }
    for (path, content) in contents(ended.home.path()) {
        assert!(!content.contains(SENTINEL), "{path}: {content}");
    }
}

#[tokio::test]
async fn a_password_for_a_host_that_refuses_is_kept_secret() {
    let host = Host::start().await;
    let mut client = talkative(&host.sshd.ssh_config());
    client.initialize().await;
    let port = refusing_port();
    let arguments = json!({"host": "127.0.0.1", "port": port, "username": "root", "password": SENTINEL, "passphrase": SENTINEL});
    let result = client.call("ssh_connect", arguments).await;
    assert_eq!(error_code(&result), "connectFailed");
    verify(&client.finish().await);
}

#[tokio::test]
async fn a_password_that_is_refused_is_kept_secret() {
    let builder = Sshd::builder().config("PasswordAuthentication yes");
    let host = Host::start_with(builder).await;
    let config = host.sshd.ssh_config_with(
        "IdentityFile none\nPreferredAuthentications password,keyboard-interactive",
    );
    let mut client = talkative(&config);
    client.initialize().await;
    let arguments = json!({"host": "test", "username": "nobody-here", "password": SENTINEL});
    let result = client.call("ssh_connect", arguments).await;
    assert_eq!(error_code(&result), "authFailed");
    verify(&client.finish().await);
}

#[tokio::test]
async fn what_a_working_session_was_given_is_kept_secret() {
    let host = Host::start().await;
    let mut client = talkative(&host.sshd.ssh_config());
    client.initialize().await;
    let arguments = json!({"host": "test", "password": SENTINEL, "passphrase": SENTINEL});
    client.succeed("ssh_connect", arguments).await;
    let arguments = json!({
        "command": "read line; test \"$line\" = \"$TOKEN\"",
        "stdin": format!("{SENTINEL}\n"),
        "env": {"TOKEN": SENTINEL},
    });
    let result = client.succeed("ssh_exec", arguments).await;
    assert_eq!(
        result["_meta"]["mcp-ssh-sessions/result"]["exitCode"], 0,
        "{result}"
    );
    client.succeed("ssh_sessions", json!({})).await;
    client.succeed("ssh_reconnect", json!({})).await;
    let ended = client.finish().await;
    let saved = contents(ended.home.path());
    assert!(
        saved
            .iter()
            .any(|(path, _)| path.ends_with(".ssh-mcp-sessions.json")),
        "{saved:?}"
    );
    verify(&ended);
}

#[tokio::test]
async fn a_secret_of_the_wrong_type_is_not_quoted() {
    let mut client = Client::builder().start();
    client.initialize().await;
    for parameter in ["password", "passphrase"] {
        let mut arguments = json!({"host": "test"});
        arguments[parameter] = json!(9_876_543_210_u64);
        let result = client.call("ssh_connect", arguments).await;
        assert_eq!(error_code(&result), "invalidParameter");
        assert!(!result.to_string().contains("9876543210"), "{result}");
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_not_quoted() {
    let host = Host::start().await;
    let mut client = talkative(&host.sshd.ssh_config());
    client.initialize().await;
    client.succeed("ssh_connect", json!({"host": "test"})).await;
    let lines = [
        format!(
            r#"{{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{{"password":"{SENTINEL}"}}"#
        ),
        format!(
            r#"{{"jsonrpc":"2.0","id":10,"method":"tools/call","params":{{"name":"ssh_connect","arguments":["{SENTINEL}"]}}}}"#
        ),
        format!(
            r#"{{"id":11,"method":"tools/call","params":{{"name":"ssh_connect","arguments":{{"password":"{SENTINEL}"}}}}}}"#
        ),
        format!(
            r#"{{"jsonrpc":"2.0","id":12,"method":"tools/call","params":{{"name":"ssh_connect","arguments":{{"password":["{SENTINEL}"],"host":"test"}}}}}}"#
        ),
        format!(
            r#"{{"jsonrpc":"2.0","id":13,"method":"tools/call","params":{{"name":"ssh_connect","arguments":{{"passwort":"{SENTINEL}","host":"test"}}}}}}"#
        ),
    ];
    for line in lines {
        client.send_bytes(format!("{line}\n").as_bytes()).await;
        client.next().await.expect("an answer");
    }
    verify(&client.finish().await);
}
