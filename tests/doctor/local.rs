//! This machine, without a host.

use std::fs;
use std::os::unix::net::UnixListener;
use std::process::Stdio;

use crate::{Home, empty_directory};
use testkit::{eventually, run, set_mode};

/// A line with a public key.
const KEY: &str = include_str!("../data/host_keys/e1.pub");

#[tokio::test]
async fn a_machine_in_order_has_nothing_to_fix() {
    let home = Home::new();
    home.make_key("id");
    fs::write(home.path(".ssh/known_hosts"), format!("web.example {KEY}")).unwrap();
    let store = home.path(".ssh-mcp-sessions.json");
    fs::write(
        &store,
        r#"{"version": 1, "sessions": {"web": {"host": "web", "auth": "agent"}}}"#,
    )
    .unwrap();
    set_mode(&store, 0o600);
    let said = home.doctor().examine(None).await;
    said.assert_code(0);
    let config = home.path(".ssh/config").display().to_string();
    said.assert('✓', "ssh", "OpenSSH_");
    said.assert('✓', "config", &config);
    said.assert('✓', "known_hosts", "known_hosts (1 line)");
    said.assert('✓', "key file", "ssh-ed25519");
    said.assert('–', "agent", "SSH_AUTH_SOCK is not set");
    said.assert('✓', "home", &home.directory.path().display().to_string());
    said.assert('✓', "store", "version 1, mode 0600, 1 session");
    said.assert('✓', "open files", "limit");
    said.assert('✓', "temporary", "can be written to");
    assert!(said.text.contains("nothing must be fixed"), "{}", said.text);
}

#[tokio::test]
async fn an_empty_home_is_usable() {
    let home = Home::new();
    let said = home.doctor().examine(None).await;
    said.assert_code(0);
    said.assert('–', "known_hosts", "no host is known yet");
    said.assert('–', "key file", "does not exist");
    said.assert('–', "agent", "only passwords are left");
    said.assert('✓', "store", "does not exist yet");
}

#[tokio::test]
async fn a_broken_store_is_a_fault() {
    let home = Home::new();
    for (text, words) in [
        ("{\"version\": 1,", "cannot be read as a store"),
        ("{\"version\": 7, \"sessions\": {}}", "version 7"),
    ] {
        fs::write(home.path(".ssh-mcp-sessions.json"), text).unwrap();
        let said = home.doctor().examine(None).await;
        said.assert_code(1);
        said.assert('✗', "store", words);
    }
}

#[tokio::test]
async fn a_broken_configuration_is_a_fault_with_file_and_line() {
    let home = Home::new();
    home.write_config("Hosst web");
    let said = home.doctor().examine(None).await;
    said.assert_code(1);
    said.assert('✗', "config", "config: line 1");
    said.assert('–', "known_hosts", "not examined");
    said.assert('✓', "store", "");

    fs::remove_file(home.path(".ssh/config")).unwrap();
    let said = home.doctor().examine(None).await;
    said.assert_code(1);
    said.assert('✗', "config", "");
    assert!(said.text.contains("fix: create "), "{}", said.text);
}

#[tokio::test]
async fn an_option_that_rules_out_every_host_is_a_fault() {
    let home = Home::new();
    home.write_config("KnownHostsCommand /bin/true %H");
    let said = home.doctor().examine(None).await;
    said.assert_code(1);
    said.assert('✗', "config", "for every host: KnownHostsCommand");
}

#[tokio::test]
async fn a_stale_agent_socket_is_a_fault_for_those_who_need_the_agent() {
    let home = Home::new();
    let socket = home.path("agent.sock");
    // A socket whose listener is gone, as after a logout.
    drop(UnixListener::bind(&socket).unwrap());
    let said = home.doctor().env("SSH_AUTH_SOCK", &socket).examine(None);
    let said = said.await;
    said.assert_code(1);
    said.assert('✗', "agent", "agent.sock: Connection refused");
    assert!(said.text.contains("fix: start an agent"), "{}", said.text);

    home.make_key("id");
    let said = home.doctor().env("SSH_AUTH_SOCK", &socket).examine(None);
    let said = said.await;
    said.assert_code(0);
    said.assert('–', "agent", "key files are used");
}

#[tokio::test]
async fn the_keys_of_an_agent_are_counted() {
    let home = Home::new();
    let socket = home.path("agent.sock");
    let mut agent = tokio::process::Command::new("ssh-agent");
    agent.arg("-D").arg("-a").arg(&socket).kill_on_drop(true);
    let _agent = agent.stdout(Stdio::null()).spawn().unwrap();
    eventually("the agent to listen", || {
        std::os::unix::net::UnixStream::connect(&socket).is_ok()
    })
    .await;
    let examine = || home.doctor().env("SSH_AUTH_SOCK", &socket).examine(None);
    examine()
        .await
        .assert('–', "agent", "the agent holds no key");
    let key = home.make_key("other");
    let mut add = std::process::Command::new("ssh-add");
    run(add.arg("-q").arg(key).env("SSH_AUTH_SOCK", &socket));
    let said = examine().await;
    said.assert_code(0);
    let place = format!("SSH_AUTH_SOCK {}: 1 key", socket.display());
    said.assert('✓', "agent", &place);
}

#[tokio::test]
async fn a_key_that_others_can_read_is_a_fault() {
    let home = Home::new();
    let key = home.make_key("id");
    set_mode(&key, 0o644);
    let said = home.doctor().examine(None).await;
    said.assert_code(1);
    said.assert('✗', "key file", "chmod 600");
}

#[tokio::test]
async fn lines_of_known_hosts_that_cannot_be_read_are_named() {
    let home = Home::new();
    let path = home.path(".ssh/known_hosts");
    fs::write(&path, format!("web {KEY}web AAAA\n")).unwrap();
    let said = home.doctor().examine(None).await;
    said.assert_code(0);
    said.assert('–', "known_hosts", &format!("{}:2 (", path.display()));

    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let said = home.doctor().examine(None).await;
    said.assert_code(1);
    said.assert('✗', "known_hosts", "not a regular file");
}

#[tokio::test]
async fn without_ssh_a_configuration_is_a_fault_and_none_is_not() {
    let home = Home::new();
    let programs = empty_directory();
    let said = home.doctor().env("PATH", programs.path()).examine(None);
    let said = said.await;
    said.assert_code(1);
    said.assert('✗', "ssh", "only ssh can read");
    assert!(said.text.contains("fix: install"), "{}", said.text);

    let doctor = home.doctor().env("PATH", programs.path());
    let said = doctor.env("MCP_SSH_CONFIG", "none").examine(None).await;
    said.assert_code(0);
    said.assert('–', "ssh", "OpenSSH's defaults hold");
    said.assert('–', "user", "no user name");
}

#[tokio::test]
async fn a_home_that_is_none_and_a_full_place_are_faults() {
    let home = Home::new();
    let missing = home.path("missing");
    let doctor = home.doctor().env("HOME", &missing).env("TMPDIR", &missing);
    let said = doctor.examine(None).await;
    said.assert_code(1);
    said.assert('✗', "home", "which is not a directory");
    said.assert('✗', "temporary", "cannot be written to");
    said.assert('✗', "store", "");
}
