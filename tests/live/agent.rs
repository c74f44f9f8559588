//! Keys of an agent, and agents that fail.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mcp_ssh_sessions::error::ErrorCode;
use tokio::net::UnixListener;
use tokio::time::Instant;

use crate::world::{
    Client, TEST, assert_says, connections, logged, refused, request_with_key, succeeded,
};
use testkit::sshd::{KeyType, Sshd};
use testkit::{eventually, run};

/// A real ssh-agent on a socket of its own.
struct Agent {
    socket: PathBuf,
    process: Child,
}

impl Agent {
    /// Starts one that holds these keys, in this order.
    async fn with_keys(sshd: &Sshd, keys: &[PathBuf]) -> Self {
        let socket = sshd
            .home()
            .join(format!("agent-{:08x}", rand::random::<u32>()));
        let mut command = Command::new("ssh-agent");
        command
            .arg("-D")
            .arg("-a")
            .arg(&socket)
            .stdout(Stdio::null());
        let process = command.spawn().expect("ssh-agent");
        let agent = Self { socket, process };
        eventually("the agent's socket", || agent.socket.exists()).await;
        for key in keys {
            let mut add = Command::new("ssh-add");
            run(add
                .arg("-q")
                .arg(key)
                .env("SSH_AUTH_SOCK", &agent.socket)
                .stdin(Stdio::null()));
        }
        agent
    }

    /// Lines of ssh_config that use this agent and no key file.
    fn lines(&self) -> String {
        format!(
            "IdentityAgent {}\nIdentitiesOnly no\nIdentityFile none",
            self.socket.display()
        )
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // The agent may have ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Makes keys that nobody lets in.
fn wrong_keys(sshd: &Sshd, number: usize) -> Vec<PathBuf> {
    let make = |index| {
        let path = sshd.home().join(format!("wrong-{index}"));
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-t", "ed25519", "-N", "", "-f"]);
        run(command.arg(&path).stdin(Stdio::null()));
        path
    };
    (0..number).map(make).collect()
}

/// The configuration with an agent and no other lines of the fixture's keys.
fn config(sshd: &Sshd, lines: &str) -> PathBuf {
    let config = sshd.ssh_config_with(lines);
    let text = fs::read_to_string(&config).unwrap();
    let own = format!("IdentityFile {}\n", sshd.user_key_path().display());
    fs::write(&config, text.replace(&own, "")).unwrap();
    config
}

#[tokio::test]
async fn a_key_of_the_agent_logs_in() {
    let sshd = Sshd::start_default().await;
    let rsa = sshd.add_user_key("rsa", KeyType::Rsa, "");
    let ecdsa = sshd.add_user_key("ecdsa", KeyType::Ecdsa, "");
    for key in [sshd.user_key_path(), rsa, ecdsa] {
        let agent = Agent::with_keys(&sshd, std::slice::from_ref(&key)).await;
        let client = Client::new(config(&sshd, &agent.lines())).await;
        assert_eq!(client.must_connect(TEST).await.auth, "agent", "{key:?}");
        // And again, for the reconnect.
        sshd.kill_sessions().await;
        succeeded(&client.run("true").await);
    }
    // Twice for each key, and once more where a reconnect was quick enough to be killed too.
    let accepted = logged(&sshd, "Accepted publickey");
    assert!((6..=9).contains(&accepted), "{accepted}");
}

#[tokio::test]
async fn five_wrong_keys_before_the_right_one_do_no_harm() {
    let sshd = Sshd::start_default().await;
    let mut keys = wrong_keys(&sshd, 5);
    keys.push(sshd.user_key_path());
    let agent = Agent::with_keys(&sshd, &keys).await;
    let client = Client::new(config(&sshd, &agent.lines())).await;
    assert_eq!(client.must_connect(TEST).await.auth, "agent");
    assert_eq!(
        (connections(&sshd), logged(&sshd, "Failed publickey")),
        (1, 5)
    );
}

#[tokio::test]
async fn too_many_keys_are_told_and_not_tried_again() {
    let sshd = Sshd::start_default().await;
    let mut keys = wrong_keys(&sshd, 8);
    keys.push(sshd.user_key_path());
    let agent = Agent::with_keys(&sshd, &keys).await;
    let client = Client::new(config(&sshd, &agent.lines())).await;
    let result = client.connect(TEST).await;
    assert!(
        result.as_ref().is_err_and(|error| !error.is_retryable()),
        "{result:?}"
    );
    let text = refused(result, ErrorCode::AuthFailed);
    assert_says(&text, &["IdentitiesOnly", "agent key SHA256:", "oo many"]);
    assert_eq!(connections(&sshd), 1);
    assert!(client.status(TEST).await.is_none());

    // The same on a reconnect: the session has failed, and calls do not dial either.
    let session = Client::connected(&sshd).await;
    config(&sshd, &agent.lines());
    let dials = connections(&sshd);
    sshd.kill_sessions().await;
    let row = session
        .until(TEST, "the failure", |row| row.state.as_str() == "failed")
        .await;
    assert_says(&row.last_error.unwrap_or_default(), &["IdentitiesOnly"]);
    for _ in 0..3 {
        let text = refused(
            session.exec(TEST, crate::world::command("true")).await,
            ErrorCode::AuthFailed,
        );
        assert_says(&text, &["IdentitiesOnly"]);
    }
    assert_eq!(connections(&sshd), dials + 1);
}

#[tokio::test]
async fn with_identities_only_one_key_is_offered() {
    let sshd = Sshd::start_default().await;
    let mut keys = wrong_keys(&sshd, 8);
    keys.push(sshd.user_key_path());
    let agent = Agent::with_keys(&sshd, &keys).await;
    let lines = format!("IdentityAgent {}", agent.socket.display());
    // IdentitiesOnly yes and one IdentityFile are the fixture's own.
    let client = Client::new(sshd.ssh_config_with(&lines)).await;
    assert_eq!(client.must_connect(TEST).await.auth, "agent");
    assert_eq!(
        (connections(&sshd), logged(&sshd, "Failed publickey")),
        (1, 0)
    );
    // A key that the call names is the only one too, whatever the configuration says.
    let client = Client::new(config(&sshd, &agent.lines())).await;
    let report = client
        .dial(request_with_key(&sshd.user_key_path(), None))
        .await
        .unwrap();
    assert_eq!(report.auth, "publickey");
    assert_eq!(logged(&sshd, "Failed publickey"), 0);
}

#[tokio::test]
async fn an_encrypted_key_file_is_used_through_the_agent_that_holds_it() {
    let sshd = Sshd::start_default().await;
    let locked = sshd.add_user_key("locked", KeyType::Ed25519, "");
    let agent = Agent::with_keys(&sshd, std::slice::from_ref(&locked)).await;
    let mut encrypt = Command::new("ssh-keygen");
    run(encrypt
        .args(["-q", "-p", "-P", "", "-N", "a passphrase", "-f"])
        .arg(&locked));
    let lines = format!(
        "IdentityAgent {}\nIdentityFile {}",
        agent.socket.display(),
        locked.display()
    );
    let client = Client::new(config(&sshd, &lines)).await;
    assert_eq!(client.must_connect(TEST).await.auth, "agent");
    let client = Client::new(config(&sshd, &agent.lines())).await;
    let report = client.dial(request_with_key(&locked, None)).await.unwrap();
    assert_eq!(report.auth, "agent");
}

/// Connects with a broken agent and a good key file; returns the time.
async fn connect_past(sshd: &Sshd, socket: &Path) -> Duration {
    let client =
        Client::new(sshd.ssh_config_with(&format!("IdentityAgent {}", socket.display()))).await;
    let started = Instant::now();
    assert_eq!(client.must_connect(TEST).await.auth, "publickey");
    let took = started.elapsed();
    // With nothing else, the error names the agent.
    let lines = format!(
        "IdentityAgent {}\nIdentitiesOnly no\nIdentityFile none",
        socket.display()
    );
    let client = Client::new(config(sshd, &lines)).await;
    let text = refused(client.connect(TEST).await, ErrorCode::AuthFailed);
    assert_says(&text, &[&socket.display().to_string()]);
    took
}

#[tokio::test]
async fn a_broken_agent_gives_way_to_the_key_files() {
    let sshd = Sshd::start_default().await;
    let missing = sshd.home().join("no-agent");
    assert!(connect_past(&sshd, &missing).await < Duration::from_secs(2));
    // Left behind by an agent that has ended.
    let stale = sshd.home().join("stale");
    drop(UnixListener::bind(&stale).unwrap());
    assert!(stale.exists());
    assert!(connect_past(&sshd, &stale).await < Duration::from_secs(2));
    // Talks nonsense: each caller is greeted with an answer of 4 GiB, and with one that is no agent's.
    for nonsense in [&[0xff; 64][..], b"\0\0\0\x01\x05", b""] {
        let path = sshd.home().join(format!("nonsense-{}", nonsense.len()));
        let listener = UnixListener::bind(&path).unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, nonsense).await;
            }
        });
        assert!(
            connect_past(&sshd, &path).await < Duration::from_millis(2500),
            "{nonsense:?}"
        );
    }
}

#[tokio::test]
async fn an_agent_that_never_answers_costs_two_seconds() {
    let sshd = Sshd::start_default().await;
    let silent = sshd.home().join("silent");
    let listener = UnixListener::bind(&silent).unwrap();
    let accepting = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok(accepted) = listener.accept().await {
            held.push(accepted);
        }
    });
    let took = connect_past(&sshd, &silent).await;
    assert!(took < Duration::from_millis(2500), "{took:?}");
    accepting.abort();
}
