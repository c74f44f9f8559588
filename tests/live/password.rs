//! Passwords, and servers that want more than one proof.

use std::fs;

use mcp_ssh_sessions::error::ErrorCode;
use mcp_ssh_sessions::ssh::credentials::Secret;

use crate::world::{
    Client, TEST, assert_says, command, connections, logged, name, refused, request_with_password,
    shell, succeeded, user,
};
use testkit::sshd::Sshd;
use testkit::temp_user::TempUser;

/// A server that takes passwords, and a configuration that offers nothing else.
async fn start(extra: &str) -> (TempUser, Sshd, std::path::PathBuf) {
    let user = user(&shell("sh"));
    let server = Sshd::builder().config(&format!("PasswordAuthentication yes\n{extra}"));
    let sshd = server.start().await;
    let config = sshd.ssh_config_with("PreferredAuthentications password,keyboard-interactive");
    (user, sshd, config)
}

#[tokio::test]
async fn the_right_password_logs_in_and_reconnects() {
    let (user, sshd, config) = start("").await;
    let client = Client::new(config).await;
    let report = client
        .dial(request_with_password(user.name(), user.password()))
        .await
        .unwrap();
    assert_eq!((report.auth, &*report.username), ("password", user.name()));
    assert_eq!(
        succeeded(&client.run("id -un").await).trim_end(),
        user.name()
    );
    sshd.kill_sessions().await;
    succeeded(&client.run("true").await);
    assert_eq!(logged(&sshd, "Accepted password"), 2);
    // The password is kept in memory as long as the session is meant to be up, and nowhere else.
    let store = fs::read_to_string(client.directory.path().join("store.json")).unwrap();
    assert!(
        store.contains(user.name()) && !store.contains(user.password()),
        "{store}"
    );
    client
        .handle
        .disconnect(Some(name(TEST)), false)
        .await
        .unwrap();
    let text = refused(
        client.exec(TEST, command("true")).await,
        ErrorCode::NotConnected,
    );
    assert_says(&text, &["password", "ssh_connect"]);
    assert_eq!(connections(&sshd), 2);
}

#[tokio::test]
async fn a_wrong_password_is_tried_once() {
    let (user, sshd, config) = start("").await;
    let client = Client::new(config).await;
    let result = client
        .dial(request_with_password(user.name(), "not this one"))
        .await;
    assert!(
        result.as_ref().is_err_and(|error| !error.is_retryable()),
        "{result:?}"
    );
    let text = refused(result, ErrorCode::AuthFailed);
    assert_says(
        &text,
        &[
            "127.0.0.1",
            user.name(),
            "tried: password",
            "the server allows: ",
        ],
    );
    assert!(!text.contains("not this one"), "{text}");
    assert_eq!(
        (connections(&sshd), logged(&sshd, "Failed password")),
        (1, 1)
    );
    assert!(client.status(TEST).await.is_none());
}

#[tokio::test]
async fn a_password_that_was_changed_ends_the_reconnecting() {
    let (user, sshd, config) = start("").await;
    let client = Client::new(config).await;
    client
        .dial(request_with_password(user.name(), user.password()))
        .await
        .unwrap();
    testkit::run(std::process::Command::new("passwd").args(["--lock", "--quiet", user.name()]));
    sshd.kill_sessions().await;
    client
        .until(TEST, "the failure", |row| row.state.as_str() == "failed")
        .await;
    assert_eq!(
        (connections(&sshd), logged(&sshd, "Failed password")),
        (2, 1)
    );
    // A call does not try again either; only the user can.
    refused(
        client.exec(TEST, command("true")).await,
        ErrorCode::AuthFailed,
    );
    assert_eq!(connections(&sshd), 2);
    testkit::run(std::process::Command::new("passwd").args(["--unlock", "--quiet", user.name()]));
    client
        .dial(request_with_password(user.name(), user.password()))
        .await
        .unwrap();
    succeeded(&client.run("true").await);
}

#[tokio::test]
async fn two_proofs_where_the_server_wants_two() {
    let (user, sshd, _) = start("AuthenticationMethods publickey,password").await;
    let client = Client::new(sshd.ssh_config()).await;
    let report = client
        .dial(request_with_password(user.name(), user.password()))
        .await
        .unwrap();
    assert_eq!(report.auth, "password");
    assert_eq!(
        (
            logged(&sshd, "Partial publickey"),
            logged(&sshd, "Accepted password")
        ),
        (1, 1)
    );
    succeeded(&client.run("true").await);
    // With one of them only.
    for wrong in [None, Some("wrong")] {
        let client = Client::new(sshd.ssh_config()).await;
        let mut request = request_with_password(user.name(), "");
        request.credentials.password = wrong.map(|text| Secret::new(text.to_owned()));
        let text = refused(client.dial(request).await, ErrorCode::AuthFailed);
        assert_says(&text, &["key file", "the server allows: password"]);
    }
    assert_eq!(logged(&sshd, "Failed password"), 1);
}
