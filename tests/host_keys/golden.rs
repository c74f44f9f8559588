//! The golden cases: each was run with the real `ssh` against a real sshd.

use crate::support::{fill_in, find, judge, key, key_blob, key_file, name, policy};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use mcp_ssh_sessions::ssh::host_keys::{
    HostKeyPolicy, KnownHosts, Source, StrictHostKeyChecking, order_host_key_algorithms,
};
use russh::keys::Algorithm;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// OpenSSH's default order, without certificates and security keys.
const DEFAULT_ALGORITHMS: [&str; 6] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
];

/// Cases in the file, and those among them without a host certificate.
const CASES: (usize, usize) = (101, 90);

#[test]
fn every_case_without_a_certificate_ends_as_it_must() {
    let text = include_str!("../data/hostkeys.json");
    let cases: Vec<Value> = serde_json::from_str(text).unwrap();
    let plain: Vec<&Value> = cases
        .iter()
        .filter(|case| case["serverCertificate"].is_null())
        .collect();
    assert_eq!((cases.len(), plain.len()), CASES);
    let failures: Vec<String> = plain
        .iter()
        .filter_map(|case| {
            let problem = run(case).err()?;
            Some(format!("{}: {problem}", case["id"].as_str().unwrap()))
        })
        .collect();
    assert!(
        failures.is_empty(),
        "{} failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

/// Runs one case and describes any difference.
fn run(case: &Value) -> Result<(), String> {
    let directory = tempfile::tempdir().unwrap();
    let user = write_files(directory.path(), "user", &case["userKnownHosts"]);
    let global = write_files(directory.path(), "global", &case["globalKnownHosts"]);
    let before = contents(&user, &global);
    let (policy, algorithms, explicit) = settings(case, &user, &global);

    let known = KnownHosts::load(policy.clone()).map_err(|refusal| refusal.to_string())?;
    let proposed = order_host_key_algorithms(&known.recorded_algorithms(), &algorithms, explicit);
    let (algorithm, shown) = negotiate(&proposed, &case["serverKeys"]);
    expect(
        "algorithm",
        algorithm.as_str(),
        text(&case["openssh_10_5"]["algorithm"]),
    )?;

    let result = judge(&policy, &key(&shown));
    let target = text(&case["target"]).split(',').next().unwrap();
    expect("verdict", name(&result), target)?;
    if let Ok(source) = &result {
        check_source(source, &user, &shown)?;
    }
    check_files(&before, &contents(&user, &global), expected_additions(case))
}

/// Writes the files of a case: a list, one text, or nothing.
fn write_files(directory: &Path, prefix: &str, files: &Value) -> Vec<PathBuf> {
    let files = match files {
        Value::Null => Vec::new(),
        Value::String(_) => vec![files],
        Value::Array(files) => files.iter().collect(),
        other => panic!("no files: {other}"),
    };
    let write = |(index, file): (usize, &Value)| {
        let path = directory.join(format!("{prefix}{index}"));
        std::fs::write(&path, file_content(file)).unwrap();
        path
    };
    files.into_iter().enumerate().map(write).collect()
}

/// The content of one file, generated where the case says so.
fn file_content(file: &Value) -> Vec<u8> {
    if let Some(encoded) = file.as_str() {
        return fill_in(&BASE64.decode(encoded).unwrap());
    }
    let last = format!("ed.test ssh-ed25519 {}", key_blob("e1"));
    let text = match text(&file["generated"]) {
        "very-long-comment" => format!("{last} {}\n", "c".repeat(300_000)),
        "big-file-100k-lines" => {
            let other = key_blob("e2");
            let line = |n| format!("h{n}.test ssh-ed25519 {other}\n");
            let others: String = (0..100_000).map(line).collect();
            format!("{others}{last}\n")
        }
        other => panic!("no generator for {other}"),
    };
    assert_eq!(text.len() as u64, file["bytes"].as_u64().unwrap());
    text.into_bytes()
}

/// The policy of a case, the requested host-key algorithms, and whether their order was chosen.
fn settings(
    case: &Value,
    user: &[PathBuf],
    global: &[PathBuf],
) -> (HostKeyPolicy, Vec<Algorithm>, bool) {
    assert!(case["precondition"].is_null(), "no case has one");
    let strict = match text(&case["strict"]) {
        "yes" => StrictHostKeyChecking::Yes,
        "ask" => StrictHostKeyChecking::Ask,
        "accept-new" => StrictHostKeyChecking::AcceptNew,
        "no" => StrictHostKeyChecking::No,
        other => panic!("no setting {other}"),
    };
    let mut policy = HostKeyPolicy {
        port: case["port"].as_u64().unwrap().try_into().unwrap(),
        user_files: user.to_vec(),
        global_files: global.to_vec(),
        ..policy(text(&case["host"]), Path::new(""), strict)
    };
    let (mut algorithms, mut explicit) = (DEFAULT_ALGORITHMS.to_vec(), false);
    for option in case["options"].as_array().unwrap() {
        match text(option).split_once('=').unwrap() {
            ("HostKeyAlias", alias) => policy.alias = Some(alias.to_owned()),
            ("HashKnownHosts", "yes") => policy.hash_known_hosts = true,
            ("UserKnownHostsFile", "none") => policy.user_files = vec!["none".into()],
            ("RevokedHostKeys", "KEYS/e1.pub") => policy.revoked_files = vec![key_file("e1")],
            ("HostKeyAlgorithms", "^ssh-ed25519") => {
                explicit = true;
                algorithms.sort_by_key(|&name| name != "ssh-ed25519");
            }
            // Without effect here: CheckHostIP is not read, S7, S8.
            ("CheckHostIP" | "NoHostAuthenticationForLocalhost" | "UpdateHostKeys", "yes") => {}
            other => panic!("no such option: {other:?}"),
        }
    }
    let algorithms = algorithms.iter().map(|name| Algorithm::new(name).unwrap());
    (policy, algorithms.collect(), explicit)
}

/// The server's choice from the client's list: the first algorithm that one of its keys can do (RFC 4253,
/// 7.1). Gives the algorithm and the key's name.
fn negotiate(proposed: &[Algorithm], keys: &Value) -> (Algorithm, String) {
    let keys = keys.as_array().unwrap();
    let able = |algorithm: &Algorithm| {
        keys.iter().map(text).find(|key| match *key {
            "e1" => algorithm.as_str() == "ssh-ed25519",
            "c1" => algorithm.as_str() == "ecdsa-sha2-nistp256",
            "r1" => matches!(algorithm, Algorithm::Rsa { .. }),
            other => panic!("no server key {other}"),
        })
    };
    let chosen = proposed.iter().find_map(|algorithm| {
        let key = able(algorithm)?;
        Some((algorithm.clone(), key.to_owned()))
    });
    chosen.expect("the server has none of the algorithms")
}

/// A source has to be a line with the key, or the file that was added to.
fn check_source(source: &Source, user: &[PathBuf], shown: &str) -> Result<(), String> {
    match source {
        Source::Recorded(place) => {
            let content = std::fs::read(&place.path).unwrap();
            let line = content.split(|&byte| byte == b'\n').nth(place.line - 1);
            let holds = find(line.unwrap(), key_blob(shown).as_bytes()).is_some();
            expect("the source line holds the key", holds, true)
        }
        Source::Added(path) => expect(
            "added to",
            Some(&**path),
            user.first().map(PathBuf::as_path),
        ),
        Source::NotRecorded(reason) => Err(format!("not recorded: {reason}")),
    }
}

/// How many lines a case may add: as many as OpenSSH did, and none where this program is stricter.
fn expected_additions(case: &Value) -> usize {
    match text(&case["rule"]) {
        "as OpenSSH" => case["openssh_10_5"]["addedLines"].as_u64().unwrap() as usize,
        _ => 0,
    }
}

/// The bytes of all files.
fn contents(user: &[PathBuf], global: &[PathBuf]) -> Vec<Vec<u8>> {
    let files = user.iter().chain(global);
    files.map(|file| std::fs::read(file).unwrap()).collect()
}

/// Lines are only added, only at the end, and only to the first file.
fn check_files(before: &[Vec<u8>], after: &[Vec<u8>], additions: usize) -> Result<(), String> {
    for (index, (before, after)) in before.iter().zip(after).enumerate() {
        let added = after
            .strip_prefix(before.as_slice())
            .ok_or("a file was rewritten")?;
        let expected = if index == 0 { additions } else { 0 };
        let lines = added
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty());
        expect("added lines", lines.count(), expected)?;
        expect(
            "a whole last line",
            added.is_empty() || added.ends_with(b"\n"),
            true,
        )?;
    }
    Ok(())
}

/// The text of a JSON value that has to be one.
fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// An error that describes the difference.
fn expect<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) -> Result<(), String> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{what}: {found:?} instead of {expected:?}"))
    }
}
