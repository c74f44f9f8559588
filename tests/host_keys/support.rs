//! Keys, files and verdicts for the tests.

use mcp_ssh_sessions::limits::RSA_MIN_BITS;
use mcp_ssh_sessions::ssh::host_keys::{
    HostKeyPolicy, HostKeyRefusal, KnownHosts, RefusalKind, Source, StrictHostKeyChecking, Verdict,
};
use russh::keys::PublicKey;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;
use tempfile::TempDir;

/// Every setting of StrictHostKeyChecking.
pub(crate) const STRICT: [StrictHostKeyChecking; 4] = [
    StrictHostKeyChecking::Yes,
    StrictHostKeyChecking::Ask,
    StrictHostKeyChecking::AcceptNew,
    StrictHostKeyChecking::No,
];

/// The file of a test key.
pub(crate) fn key_file(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/host_keys");
    directory.join(format!("{name}.pub"))
}

/// Type and base64 of a test key.
pub(crate) fn key_text(name: &str) -> String {
    let text = std::fs::read_to_string(key_file(name)).unwrap();
    text.trim_end().to_owned()
}

/// The base64 of a test key.
pub(crate) fn key_blob(name: &str) -> String {
    key_text(name).split_whitespace().nth(1).unwrap().to_owned()
}

/// A test key.
pub(crate) fn key(name: &str) -> PublicKey {
    PublicKey::from_openssh(&key_text(name)).unwrap()
}

/// Replaces `${name}` by the base64 of that key.
pub(crate) fn fill_in(template: &[u8]) -> Vec<u8> {
    let mut text = template.to_vec();
    for name in ["e1", "e2", "c1", "c384", "r1", "r2", "ca", "ca2"] {
        let blank = format!("${{{name}}}");
        while let Some(at) = find(&text, blank.as_bytes()) {
            text.splice(at..at + blank.len(), key_blob(name).bytes());
        }
    }
    text
}

/// Where a part stands in a whole.
pub(crate) fn find(whole: &[u8], part: &[u8]) -> Option<usize> {
    whole.windows(part.len()).position(|window| window == part)
}

/// A policy whose only file is the given one.
pub(crate) fn policy(host: &str, file: &Path, strict: StrictHostKeyChecking) -> HostKeyPolicy {
    HostKeyPolicy {
        host: host.to_owned(),
        port: 22,
        alias: None,
        user_files: vec![file.to_owned()],
        global_files: Vec::new(),
        revoked_files: Vec::new(),
        strict,
        hash_known_hosts: false,
        required_rsa_bits: RSA_MIN_BITS,
    }
}

/// A directory with a `known_hosts` file of the given lines, keys filled in.
pub(crate) fn known_hosts(text: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("known_hosts");
    std::fs::write(&file, fill_in(text.as_bytes())).unwrap();
    (directory, file)
}

/// Loads, judges, and learns a key if that is the verdict, as a dial does.
pub(crate) fn judge(policy: &HostKeyPolicy, key: &PublicKey) -> Result<Source, HostKeyRefusal> {
    let known = KnownHosts::load(policy.clone())?;
    match known.verify(key) {
        Verdict::Accept { source } => Ok(source),
        Verdict::Refuse(refusal) => Err(refusal),
        Verdict::Learn => known.learn(key),
    }
}

/// A verdict under its name in the golden cases.
pub(crate) fn name(result: &Result<Source, HostKeyRefusal>) -> &'static str {
    match result.as_ref().map_err(HostKeyRefusal::kind) {
        Ok(_) => "ACCEPT",
        Err(RefusalKind::Unknown) => "REJECT-UNKNOWN",
        Err(RefusalKind::Changed) => "REJECT-CHANGED",
        Err(RefusalKind::Revoked) => "REJECT-REVOKED",
        Err(RefusalKind::Io) => "REJECT-IO",
        Err(kind) => kind.as_str(),
    }
}

/// The verdict on a key of `host`, whose known_hosts has the given lines.
pub(crate) fn verdict(
    host: &str,
    lines: &str,
    strict: StrictHostKeyChecking,
    shown: &str,
) -> &'static str {
    let (_directory, file) = known_hosts(lines);
    name(&judge(&policy(host, &file, strict), &key(shown)))
}

/// Runs a closure that must not hang, and fails if the closure does.
pub(crate) fn within_ten_seconds<T: Send + 'static>(
    what: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let _ = sender.send(run());
    });
    let result = receiver.recv_timeout(Duration::from_secs(10));
    result.unwrap_or_else(|error| panic!("{what}: {error}"))
}
