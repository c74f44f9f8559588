//! A host, step by step, on a real OpenSSH server.

use std::fs;
use std::path::PathBuf;

use crate::{Doctor, Said};
use testkit::sshd::{KeyType, Sshd};

async fn examine(sshd: &Sshd, config: PathBuf) -> Said {
    let said = Doctor::new(&sshd.home(), &config).examine(Some("test"));
    said.await
}

#[tokio::test]
async fn a_host_in_order_passes_every_step() {
    let sshd = Sshd::start_default().await;
    let said = examine(&sshd, sshd.ssh_config()).await;
    said.assert_code(0);
    let port = sshd.port();
    said.assert('✓', "resolve", &format!("HostName 127.0.0.1, Port {port}"));
    said.assert('✓', "resolve", "no agent; key files: ");
    said.assert('✓', "look up", "127.0.0.1 (");
    said.assert(
        '✓',
        "connect",
        &format!("port {port} accepted the connection"),
    );
    said.assert('✓', "host key", "known_hosts:1");
    said.assert('✓', "log in", &format!("as {} by publickey", sshd.user()));
}

#[tokio::test]
async fn an_unknown_host_key_is_refused_with_its_fingerprint_and_nothing_is_sent() {
    let sshd = Sshd::start_default().await;
    let config = sshd.ssh_config();
    fs::write(sshd.home().join(".ssh/known_hosts"), "").unwrap();
    let said = examine(&sshd, config).await;
    said.assert_code(1);
    said.assert('✓', "connect", "");
    said.assert('✗', "host key", "SHA256:");
    said.assert('–', "log in", "not tried");
    let log = sshd.log();
    assert!(!log.contains("userauth-request"), "{log}");
}

#[tokio::test]
async fn a_key_that_a_session_would_record_is_not_recorded() {
    let sshd = Sshd::start_default().await;
    for setting in ["accept-new", "no"] {
        let config = sshd.ssh_config_with(&format!("StrictHostKeyChecking {setting}"));
        // Neither an empty file nor one that does not exist is touched.
        let known_hosts = sshd.home().join(".ssh/known_hosts");
        fs::write(&known_hosts, "").unwrap();
        let said = examine(&sshd, config.clone()).await;
        said.assert_code(0);
        said.assert('–', "host key", &format!("StrictHostKeyChecking {setting}"));
        said.assert('✓', "log in", "by publickey");
        assert_eq!(fs::read_to_string(&known_hosts).unwrap(), "");

        fs::remove_file(&known_hosts).unwrap();
        examine(&sshd, config).await.assert_code(0);
        assert!(!known_hosts.exists());
    }
}

#[tokio::test]
async fn a_changed_host_key_is_refused() {
    let mut sshd = Sshd::start_default().await;
    let config = sshd.ssh_config();
    sshd.restart_with_new_host_key().await;
    let said = examine(&sshd, config).await;
    said.assert_code(1);
    said.assert('✗', "host key", "has changed");
    said.assert('–', "log in", "not tried");
}

#[tokio::test]
async fn a_key_that_the_host_does_not_take_is_told() {
    let sshd = Sshd::start_default().await;
    // A key that nobody has authorized, alone.
    let stranger = sshd.add_user_key("stranger", KeyType::Ecdsa, "");
    fs::copy(&stranger, sshd.user_key_path()).unwrap();
    let server = sshd.home().join("../server/authorized_keys");
    fs::write(server, "").unwrap();
    let said = examine(&sshd, sshd.ssh_config()).await;
    said.assert_code(1);
    said.assert('✓', "host key", "");
    said.assert('✗', "log in", "did not accept the login");
}

#[tokio::test]
async fn a_port_that_nobody_listens_on_is_told() {
    let mut sshd = Sshd::start_default().await;
    let config = sshd.ssh_config();
    sshd.stop();
    let said = examine(&sshd, config).await;
    said.assert_code(1);
    said.assert('✓', "look up", "127.0.0.1");
    said.assert('✗', "connect", "Connection refused");
    said.assert('–', "host key", "not tried");
    said.assert('–', "log in", "not tried");
}

#[tokio::test]
async fn a_host_that_cannot_be_resolved_or_looked_up_is_told() {
    let sshd = Sshd::start_default().await;
    let config = sshd.ssh_config_with("AddressFamily inet6");
    let said = examine(&sshd, config).await;
    said.assert_code(1);
    said.assert('✗', "look up", "AddressFamily");
    said.assert('–', "connect", "not tried");

    let config = sshd.ssh_config_with("ProxyCommand nc %h %p");
    let said = examine(&sshd, config.clone()).await;
    said.assert_code(1);
    said.assert('✗', "resolve", "ProxyCommand");
    said.assert('–', "look up", "not tried");

    let said = Doctor::new(&sshd.home(), &config)
        .examine(Some("a b"))
        .await;
    said.assert_code(1);
    said.assert('✗', "resolve", "not allowed in a host");
}
