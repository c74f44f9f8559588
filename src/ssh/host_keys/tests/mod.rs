//! Helpers of the unit tests of this module, and tests of the private parts of [`KnownHosts`].

mod differential;

use super::known_hosts::{Scope, Statement};
use super::*;
use russh::keys::PublicKey;
use tempfile::TempDir;

/// A test key by its name in `tests/data/host_keys`.
pub(super) fn key(name: &str) -> PublicKey {
    let text = match name {
        "e1" => include_str!("../../../../tests/data/host_keys/e1.pub"),
        "e1-cert" => include_str!("../../../../tests/data/host_keys/e1-cert.pub"),
        "e2" => include_str!("../../../../tests/data/host_keys/e2.pub"),
        "c1" => include_str!("../../../../tests/data/host_keys/c1.pub"),
        "r1" => include_str!("../../../../tests/data/host_keys/r1.pub"),
        "r1024" => include_str!("../../../../tests/data/host_keys/r1024.pub"),
        "r2044" => include_str!("../../../../tests/data/host_keys/r2044.pub"),
        "ca" => include_str!("../../../../tests/data/host_keys/ca.pub"),
        _ => panic!("no test key {name}"),
    };
    let encoded = text.split_whitespace().nth(1).unwrap();
    let blob = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, encoded);
    PublicKey::from_bytes(&blob.unwrap()).unwrap()
}

/// Type and base64 of a test key.
pub(super) fn key_text(name: &str) -> String {
    let text = key(name).to_openssh().unwrap();
    text.trim_end().to_owned()
}

/// A strict policy without any file.
pub(super) fn policy(host: &str) -> HostKeyPolicy {
    HostKeyPolicy {
        host: host.to_owned(),
        port: 22,
        alias: None,
        user_files: Vec::new(),
        global_files: Vec::new(),
        revoked_files: Vec::new(),
        strict: StrictHostKeyChecking::Yes,
        hash_known_hosts: false,
        required_rsa_bits: crate::limits::RSA_MIN_BITS,
    }
}

/// Loads the entries for a host from a file with the given text.
fn load(host: &str, port: u16, text: &str) -> (TempDir, KnownHosts) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("known_hosts");
    std::fs::write(&file, text).unwrap();
    let policy = HostKeyPolicy {
        port,
        user_files: vec![file],
        ..policy(host)
    };
    (directory, KnownHosts::load(policy).unwrap())
}

#[test]
fn a_port_of_its_own_keeps_the_bare_name_apart() {
    let (e1, r1, c1) = (key_text("e1"), key_text("r1"), key_text("c1"));
    let text = format!("[a.test]:2222 {e1}\na.test {r1}\n* {c1}\n[a.test]:22 {r1}\nb.test {r1}\n");
    let (_directory, known) = load("A.test", 2222, &text);
    let found: Vec<_> = known
        .entries
        .iter()
        .map(|entry| (entry.place.line, entry.scope))
        .collect();
    assert_eq!(
        found,
        [(1, Scope::Exact), (2, Scope::Bare), (3, Scope::Exact)]
    );
    let recorded: Vec<_> = known.recorded_algorithms();
    assert_eq!(recorded, [key("e1").algorithm(), key("c1").algorithm()]);
}

#[test]
fn only_plain_lines_order_the_algorithms() {
    let (e1, r1, c1) = (key_text("e1"), key_text("r1"), key_text("c1"));
    let text = format!("@revoked * {e1}\n@cert-authority * {c1}\n* {r1}\n* ssh-ed25519 AAAA\n");
    let (_directory, known) = load("a.test", 22, &text);
    assert_eq!(known.recorded_algorithms(), [key("r1").algorithm()]);
    let statements: Vec<_> = known.entries.iter().map(|entry| &entry.statement).collect();
    assert!(matches!(
        statements.as_slice(),
        [
            Statement::Revoked(_),
            Statement::CertAuthority(_),
            Statement::Key(_),
            Statement::Damaged(_)
        ]
    ));
    let authorities: Vec<_> = known
        .authorities()
        .map(|(place, key)| (place.line, key))
        .collect();
    assert_eq!(authorities, [(2, key("c1").key_data())]);
}

#[test]
fn rsa_keys_are_measured_to_the_bit() {
    let bits = |name| key_text::rsa_bits(key(name).key_data());
    assert_eq!(bits("r1"), Some(2048));
    assert_eq!(bits("r2044"), Some(2044));
    assert_eq!(bits("r1024"), Some(1024));
    assert_eq!(bits("e1"), None);
}
