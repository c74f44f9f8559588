//! Host keys: which server is talked to, before any credential is sent.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use mcp_ssh_sessions::error::ErrorCode;

use crate::world::{
    Client, TEST, assert_says, command, connections, logged, refused, request, succeeded,
};
use testkit::run;
use testkit::sshd::{KeyType, Sshd};

/// A configuration with a known_hosts file of its own.
fn config(sshd: &Sshd, known_hosts: &str, lines: &str) -> (PathBuf, PathBuf) {
    let path = sshd.home().join(".ssh/own_known_hosts");
    fs::write(&path, known_hosts).unwrap();
    let lines = format!("UserKnownHostsFile {}\n{lines}", path.display());
    (sshd.ssh_config_with(&lines), path)
}

/// The fingerprint that `ssh-keygen -l` prints for a public key.
fn fingerprint(public: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.pub");
    fs::write(&path, public).unwrap();
    let printed = run(Command::new("ssh-keygen").arg("-lf").arg(path));
    printed.split_whitespace().nth(1).unwrap().to_owned()
}

/// No user has been named to the server: no credential was offered.
fn nothing_was_offered(sshd: &Sshd) -> bool {
    logged(sshd, "userauth-request") == 0 && logged(sshd, "publickey for") == 0
}

/// Whether `ssh-keygen -F` finds the server in a known_hosts file.
fn is_recorded(sshd: &Sshd, known_hosts: &Path) -> bool {
    let mut find = Command::new("ssh-keygen");
    find.arg("-F")
        .arg(format!("[127.0.0.1]:{}", sshd.port()))
        .arg("-f")
        .arg(known_hosts);
    find.output().unwrap().status.success()
}

#[tokio::test]
async fn an_unknown_host_is_refused_with_its_fingerprint() {
    let sshd = Sshd::start_default().await;
    for strict in ["yes", "ask"] {
        let (config, known_hosts) = config(&sshd, "", &format!("StrictHostKeyChecking {strict}"));
        let client = Client::new(config).await;
        let text = refused(client.connect(TEST).await, ErrorCode::HostKeyUnknown);
        let fingerprint = fingerprint(&sshd.host_public_key(KeyType::Ed25519));
        assert_says(
            &text,
            &[
                "ssh-ed25519",
                &fingerprint,
                &known_hosts.display().to_string(),
            ],
        );
        assert_eq!(fs::read_to_string(&known_hosts).unwrap(), "");
    }
    assert!(nothing_was_offered(&sshd), "{}", sshd.log());
    assert_eq!(connections(&sshd), 2);
}

#[tokio::test]
async fn accept_new_records_a_host_once() {
    let sshd = Sshd::start_default().await;
    for hash in ["yes", "no"] {
        let lines = format!("StrictHostKeyChecking accept-new\nHashKnownHosts {hash}");
        let other = "other.example ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIxnlhLHhMlKmyMFrgqRgCrvzKCWKqZHvRLjGYXkzLyM";
        // Without the final newline, as an editor may leave the file.
        let (config, known_hosts) = config(&sshd, other, &lines);
        let client = Client::new(config.clone()).await;
        let report = client.must_connect(TEST).await;
        assert_eq!(
            report.host_key.source,
            format!("added {}", known_hosts.display())
        );
        let text = fs::read_to_string(&known_hosts).unwrap();
        assert!(
            text.starts_with(&format!("{other}\n")) && text.ends_with('\n'),
            "{text}"
        );
        assert_eq!(text.lines().count(), 2);
        assert_eq!(text.contains("|1|"), hash == "yes", "{text}");
        assert_eq!(text.contains("127.0.0.1"), hash == "no", "{text}");
        assert!(is_recorded(&sshd, &known_hosts), "{text}");
        // From now on the key is known.
        let report = Client::new(config).await.must_connect(TEST).await;
        assert_eq!(
            report.host_key.source,
            format!("{}:2", known_hosts.display())
        );
        assert_eq!(report.host_key.algorithm, "ssh-ed25519");
        assert_eq!(fs::read_to_string(&known_hosts).unwrap(), text);
    }
}

#[tokio::test]
async fn a_changed_key_is_refused_under_every_setting() {
    let mut sshd = Sshd::start_default().await;
    let old = sshd.known_hosts_line();
    sshd.restart_with_new_host_key().await;
    let settings = ["yes", "ask", "accept-new", "no"];
    for strict in settings {
        let (config, known_hosts) = config(
            &sshd,
            &format!("{old}\n"),
            &format!("StrictHostKeyChecking {strict}"),
        );
        let client = Client::new(config).await;
        let result = client.connect(TEST).await;
        assert!(
            result.as_ref().is_err_and(|error| !error.is_retryable()),
            "{result:?}"
        );
        let text = refused(result, ErrorCode::HostKeyChanged);
        let (shown, recorded) = (sshd.known_hosts_line(), old.clone());
        let key = |line: &str| fingerprint(line.split_once(' ').unwrap().1);
        let place = format!("{}:1", known_hosts.display());
        assert_says(&text, &[&key(&shown), &key(&recorded), &place, "changed"]);
        assert_eq!(
            fs::read_to_string(&known_hosts).unwrap(),
            format!("{old}\n")
        );
    }
    assert!(nothing_was_offered(&sshd), "{}", sshd.log());
    assert_eq!(connections(&sshd), settings.len());
}

#[tokio::test]
async fn a_revoked_key_is_refused_where_it_is_known_too() {
    let sshd = Sshd::start_default().await;
    let line = sshd.known_hosts_line();
    let list = sshd.home().join("revoked_keys");
    fs::write(&list, sshd.host_public_key(KeyType::Ed25519)).unwrap();
    let in_list = format!("RevokedHostKeys {}", list.display());
    let marked = format!("{line}\n@revoked * {}\n", line.split_once(' ').unwrap().1);
    for (known, lines) in [(marked, ""), (format!("{line}\n"), &*in_list)] {
        let (config, _) = config(&sshd, &known, &format!("StrictHostKeyChecking no\n{lines}"));
        let client = Client::new(config).await;
        let text = refused(client.connect(TEST).await, ErrorCode::HostKeyRevoked);
        assert_says(&text, &["revoked", "SHA256:"]);
    }
    assert!(nothing_was_offered(&sshd), "{}", sshd.log());
}

#[tokio::test]
async fn the_recorded_type_is_asked_for_first() {
    let types = [KeyType::Ed25519, KeyType::Ecdsa, KeyType::Rsa];
    let sshd = Sshd::builder().host_keys(&types).start().await;
    let names = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"];
    for (recorded, name) in types.into_iter().zip(names) {
        let known = format!(
            "[127.0.0.1]:{} {}\n",
            sshd.port(),
            sshd.host_public_key(recorded)
        );
        let (config, known_hosts) = config(&sshd, &known, "StrictHostKeyChecking yes");
        let report = Client::new(config).await.must_connect(TEST).await;
        assert_eq!(report.host_key.algorithm, name);
        assert_eq!(
            report.host_key.source,
            format!("{}:1", known_hosts.display())
        );
        assert_eq!(
            report.host_key.fingerprint,
            fingerprint(&sshd.host_public_key(recorded))
        );
    }
    assert_says(&sshd.log(), &["host key algorithm: rsa-sha2-512"]);
}

#[tokio::test]
async fn a_server_with_rsa_alone_is_taken_by_sha_2() {
    let sshd = Sshd::builder().host_keys(&[KeyType::Rsa]).start().await;
    let (config, _) = config(&sshd, "", "StrictHostKeyChecking accept-new");
    let client = Client::new(config).await;
    assert_eq!(
        client.must_connect(TEST).await.host_key.algorithm,
        "ssh-rsa"
    );
    sshd.kill_sessions().await;
    succeeded(&client.run("true").await);
    // One that signs with SHA-1 alone is not.
    let old = Sshd::builder()
        .host_keys(&[KeyType::Rsa])
        .config("HostKeyAlgorithms ssh-rsa")
        .start()
        .await;
    let client = Client::new(old.ssh_config()).await;
    let text = refused(client.connect(TEST).await, ErrorCode::ConnectFailed);
    assert_says(&text, &["SHA-1", "update the server"]);
    assert!(nothing_was_offered(&old), "{}", old.log());
}

#[tokio::test]
async fn another_key_on_a_reconnect_ends_the_session_s_dialling() {
    let mut sshd = Sshd::start_default().await;
    let client = Client::connected(&sshd).await;
    let accepted = logged(&sshd, "Accepted publickey");
    sshd.restart_with_new_host_key().await;
    let before = connections(&sshd);
    sshd.kill_sessions().await;
    let row = client
        .until(TEST, "the refusal", |row| row.state.as_str() == "failed")
        .await;
    assert_says(
        &row.last_error.unwrap_or_default(),
        &["host key", "SHA256:"],
    );
    for _ in 0..3 {
        refused(
            client.exec(TEST, command("true")).await,
            ErrorCode::HostKeyChanged,
        );
    }
    // Longer than the first delays of the backoff: a session that retries would have dialled by now.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(connections(&sshd), before + 1);
    assert_eq!(logged(&sshd, "Accepted publickey"), accepted);
    assert_eq!(client.status(TEST).await.unwrap().state.as_str(), "failed");
    // The user accepts the new key in known_hosts and connects anew.
    sshd.ssh_config();
    client.must_connect(TEST).await;
    assert_eq!(succeeded(&client.run("echo new").await), "new\n");
}

#[tokio::test]
async fn a_session_keeps_to_the_key_that_it_was_opened_with() {
    let mut sshd = Sshd::start_default().await;
    let client = Client::connected(&sshd).await;
    sshd.restart_with_new_host_key().await;
    // The file changes too, as by an attacker with write access, or by another program.
    sshd.ssh_config();
    let accepted = logged(&sshd, "Accepted publickey");
    sshd.kill_sessions().await;
    client
        .until(TEST, "the refusal", |row| row.state.as_str() == "failed")
        .await;
    let text = refused(
        client.exec(TEST, command("true")).await,
        ErrorCode::HostKeyChanged,
    );
    assert_says(&text, &["session was opened", "ssh_connect"]);
    assert_eq!(logged(&sshd, "Accepted publickey"), accepted);
    // Another session takes the recorded key, and this one once the user says so.
    client.dial(request("other", TEST)).await.unwrap();
    client.must_connect(TEST).await;
    succeeded(&client.run("true").await);
}

#[tokio::test]
async fn a_damaged_line_for_the_host_lets_nothing_be_learned() {
    let sshd = Sshd::start_default().await;
    let damaged = format!("[127.0.0.1]:{} ssh-ed25519 AAAA\n", sshd.port());
    let (config, known_hosts) = config(&sshd, &damaged, "StrictHostKeyChecking accept-new");
    let client = Client::new(config).await;
    let text = refused(client.connect(TEST).await, ErrorCode::HostKeyUnknown);
    assert_says(&text, &[&format!("{}:1", known_hosts.display())]);
    assert_eq!(fs::read_to_string(&known_hosts).unwrap(), damaged);
    assert!(nothing_was_offered(&sshd));
}
