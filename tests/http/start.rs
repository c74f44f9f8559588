//! Starts of the daemon, and refusals to start.

use super::request::ask;
use super::world;
use testkit::daemon::Daemon;
use testkit::set_mode;

#[tokio::test]
async fn it_says_where_it_listens_and_that_it_is_well() {
    let (_host, daemon) = world().await;
    assert!(daemon.address().starts_with("127.0.0.1:"));
    let health = ask(&daemon, "GET", "/health").get().await.json().await;
    assert_eq!(health["status"], "ok");
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    assert!(health["uptimeSeconds"].is_u64());
    assert_eq!(health["sessions"]["ready"], 0, "{health}");
    assert!(!daemon.home().path().join(".ssh-mcp-sessions.json").exists());
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error_and_never_another_port() {
    let (_host, daemon) = world().await;
    let second = Daemon::builder()
        .arg("--http")
        .arg(daemon.port().to_string());
    let (status, stderr) = second.refused().await;
    assert_eq!(status.code(), Some(1));
    assert!(stderr.contains(daemon.address()), "{stderr}");
    assert!(
        stderr.contains("another program uses this port"),
        "{stderr}"
    );
    assert!(!stderr.contains("listening on"), "{stderr}");
}

#[tokio::test]
async fn nobody_binds_wider_without_a_token() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:7722"] {
        let daemon = Daemon::builder().arg("--http").arg(address);
        let (status, stderr) = daemon.refused().await;
        assert_eq!(status.code(), Some(2), "{address}: {stderr}");
        assert!(stderr.contains("--token-file"), "{address}: {stderr}");
        assert!(!stderr.contains("listening on"), "{address}: {stderr}");
    }
}

#[tokio::test]
async fn an_address_that_is_none_is_a_usage_error() {
    for address in ["nonsense", "70000", "example.com:80", ""] {
        let (status, stderr) = Daemon::builder().arg("--http").arg(address).refused().await;
        assert_eq!(status.code(), Some(2), "{address}: {stderr}");
    }
}

#[tokio::test]
async fn a_token_file_is_made_or_must_hold_a_token() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    let daemon = Daemon::builder()
        .arg("--token-file")
        .arg(&path)
        .start()
        .await;
    let token = std::fs::read_to_string(&path).unwrap();
    assert_eq!(token.trim().len(), 64);
    assert!(!daemon.stderr().contains(token.trim()));
    drop(daemon);

    std::fs::write(&path, "short\n").unwrap();
    set_mode(&path, 0o600);
    let daemon = Daemon::builder()
        .arg("--token-file")
        .arg(&path)
        .arg("--http")
        .arg("0");
    let (status, stderr) = daemon.refused().await;
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("must hold one token"), "{stderr}");
    assert!(!stderr.contains("short"), "{stderr}");
}
