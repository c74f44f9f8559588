//! Looks up random names in random known_hosts files and compares the result with `ssh-keygen -F`.
//!
//! Both must find the same lines with the same keys, except for markers that only this program reads (S2).

use super::{key, key_text, policy};
use crate::ssh::host_keys::known_hosts::{Scope, Statement};
use crate::ssh::host_keys::{HostKeyPolicy, KnownHosts, pattern};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use russh::keys::HashAlg;
use russh::keys::ssh_key::public::KeyData;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Files to generate. Each file costs three to six runs of `ssh-keygen`, a few milliseconds each.
const FILES: u64 = 300;
/// Lines of a file.
const LINES: usize = 25;
/// Hosts to look up. The set is small, so that lines match often.
const HOSTS: [&str; 6] = [
    "a.test",
    "ab.test",
    "b.example",
    "10.0.0.1",
    "::1",
    "fe80::1%lo",
];
/// Ports to look them up on.
const PORTS: [u16; 3] = [22, 2222, 22222];
/// Bytes with a meaning somewhere in a line, for mutations. NUL is left out, because OpenSSH 9 and 10 differ
/// on a NUL behind the names.
const BYTES: &[u8] = b" \t\n\r\x0b,!*?|#@[]:=.aA1\xff";

/// The lines found for a name: line number, marker in the words of `ssh-keygen`, fingerprint.
type Found = BTreeMap<usize, (&'static str, Option<String>)>;

#[test]
fn the_same_lines_are_found_as_by_ssh_keygen() {
    let (mut lines_found, mut only_here) = (0, 0);
    for seed in 0..FILES {
        let mut rng = StdRng::seed_from_u64(seed);
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("known_hosts");
        let text: Vec<u8> = (0..LINES).flat_map(|_| line(&mut rng)).collect();
        std::fs::write(&file, &text).unwrap();
        for _ in 0..3 {
            let host = pick(&mut rng, &HOSTS);
            let port = pick(&mut rng, &PORTS);
            let known = load(host, port, &file);
            let exact = by_keygen(&known.names.exact, &file);
            let found = by_us(&known, Scope::Exact);
            lines_found += exact.len();
            only_here += compare(seed, &known.names.exact, &text, &found, &exact);
            if let Some(bare) = &known.names.bare {
                let mut expected = by_keygen(bare, &file);
                expected.retain(|line, _| !found.contains_key(line));
                compare(seed, bare, &text, &by_us(&known, Scope::Bare), &expected);
            }
        }
    }
    // Guard against a generator whose files match no name.
    assert!(lines_found > 400, "{lines_found}");
    assert!(only_here > 100, "{only_here}");
}

fn load(host: &str, port: u16, file: &Path) -> KnownHosts {
    let policy = HostKeyPolicy {
        port,
        user_files: vec![file.to_owned()],
        ..policy(host)
    };
    KnownHosts::load(policy).unwrap()
}

/// The lines that this program finds.
fn by_us(known: &KnownHosts, scope: Scope) -> Found {
    let fingerprint = |key: &KeyData| Some(key.fingerprint(HashAlg::Sha256).to_string());
    let entries = known.entries.iter().filter(|entry| entry.scope == scope);
    entries
        .filter_map(|entry| {
            let found = match &entry.statement {
                Statement::Key(key) => ("", fingerprint(key)),
                Statement::Certificate => ("", None),
                Statement::CertAuthority(key) => ("CA", fingerprint(key)),
                Statement::Revoked(key) => ("REVOKED", fingerprint(key)),
                Statement::Damaged(_) => return None,
            };
            Some((entry.place.line, found))
        })
        .collect()
}

/// The lines that `ssh-keygen -l -F` finds. With `-l`, lines with damaged keys are skipped, as in `ssh`.
fn by_keygen(name: &str, file: &Path) -> Found {
    let mut command = Command::new("ssh-keygen");
    let output = command.args(["-l", "-F", name, "-f"]).arg(file).output();
    let output = output.expect("ssh-keygen (OpenSSH) is needed for this test");
    let text = String::from_utf8_lossy(&output.stdout);
    // Exit status 0 with findings, 1 without; any other status or text is a failure.
    assert_eq!(
        output.status.success(),
        !text.is_empty(),
        "{name}: {output:?}"
    );
    assert!(
        output.status.code().is_some_and(|code| code < 2),
        "{output:?}"
    );
    let header = format!("# Host {name} found: line ");
    let lines: Vec<&str> = text.lines().collect();
    let finding = |pair: &[&str]| {
        let mut place = pair[0].strip_prefix(&header).unwrap().split(' ');
        let number = place.next().unwrap().parse().unwrap();
        let marker = match place.next().unwrap_or_default() {
            "CA" => "CA",
            "REVOKED" => "REVOKED",
            "" => "",
            other => panic!("{other} in {text}"),
        };
        let fingerprint = pair[1].split(' ').find(|word| word.starts_with("SHA256:"));
        (number, (marker, Some(fingerprint.unwrap().to_owned())))
    };
    lines.chunks(2).map(finding).collect()
}

/// Fails at the first line on which both programs disagree. Returns the number of differences that S2 allows.
fn compare(seed: u64, name: &str, text: &[u8], ours: &Found, theirs: &Found) -> usize {
    let mut explained = 0;
    for (number, line) in (1..).zip(text.split(|&byte| byte == b'\n')) {
        let same = match (ours.get(&number), theirs.get(&number)) {
            (None, None) => true,
            (Some((our_marker, our_key)), Some((their_marker, their_key))) => {
                our_marker == their_marker && (our_key.is_none() || our_key == their_key)
            }
            (Some((marker, _)), None) if !marker.is_empty() && is_unusual_marker(line) => {
                explained += 1;
                true
            }
            _ => false,
        };
        assert!(
            same,
            "file {seed}, name {name}, line {number}: {}\nhere: {:?}\nssh-keygen: {:?}",
            line.escape_ascii(),
            ours.get(&number),
            theirs.get(&number)
        );
    }
    explained
}

/// Whether OpenSSH does not read the markers of this line: markers in capitals, before a tab, or several
/// markers.
fn is_unusual_marker(line: &[u8]) -> bool {
    let line = line.trim_ascii_start();
    let usual = [&b"@revoked "[..], b"@cert-authority "];
    let rest = usual.iter().find_map(|marker| line.strip_prefix(*marker));
    line.starts_with(b"@") && rest.is_none_or(|rest| rest.trim_ascii_start().starts_with(b"@"))
}

/// A random line, sometimes with a random mistake outside of its key.
fn line(rng: &mut StdRng) -> Vec<u8> {
    let markers = [
        "",
        "",
        "",
        "",
        "",
        "",
        "@revoked ",
        "@cert-authority ",
        "@revoked\t",
        "@REVOKED ",
        "@what ",
        "@cert-authority @revoked ",
        "@cert-authority @cert-authority ",
        " ",
        "\t ",
        "#",
        "# ",
    ];
    let blanks = [" ", " ", " ", "\t", " \t ", ""];
    let mut head = format!(
        "{}{}{}",
        pick(rng, &markers),
        names(rng),
        pick(rng, &blanks)
    )
    .into_bytes();
    let (kind, blob) = key_fields(rng);
    head.extend_from_slice(format!("{kind}{}", pick(rng, &blanks)).as_bytes());
    let mut tail = pick(rng, &["", "", " comment", "\r", " # x", "\tc c", "\0x"])
        .as_bytes()
        .to_vec();
    if rng.random_ratio(1, 6) {
        mutate(rng, &mut head);
    }
    if rng.random_ratio(1, 12) {
        mutate(rng, &mut tail);
    }
    [head, blob.into_bytes(), tail, b"\n".to_vec()].concat()
}

/// Changes, removes or inserts one byte.
fn mutate(rng: &mut StdRng, text: &mut Vec<u8>) {
    let byte = pick(rng, BYTES);
    let at = rng.random_range(0..=text.len());
    match rng.random_range(0..3) {
        0 if at < text.len() => text[at] = byte,
        1 if at < text.len() => drop(text.remove(at)),
        _ => text.insert(at, byte),
    }
}

/// A name field: a list of patterns or a hash, whole or damaged.
fn names(rng: &mut StdRng) -> String {
    if rng.random_ratio(1, 4) {
        let hash = pattern::hashed(&rng.random(), &name(rng));
        return match rng.random_range(0..8) {
            0 => hash.replace("|1|", "|2|"),
            1 => format!("{hash},{}", name(rng)),
            2 => hash.chars().take(rng.random_range(1..hash.len())).collect(),
            3 => format!("{},{hash}", name(rng)),
            4 => format!(
                "|1|c2hvcnQ=|{}",
                hash.rsplit('|').next().unwrap_or_default()
            ),
            _ => hash,
        };
    }
    let count = rng.random_range(1..=3);
    let patterns: Vec<String> = (0..count).map(|_| one_pattern(rng)).collect();
    patterns.join(",")
}

/// A random pattern of a list.
fn one_pattern(rng: &mut StdRng) -> String {
    let name = name(rng);
    let wild = |rng: &mut StdRng, sign: &str| {
        let at = rng.random_range(0..name.len());
        let to = rng.random_range(at..=name.len());
        format!("{}{sign}{}", &name[..at], &name[to..])
    };
    match rng.random_range(0..14) {
        0 => wild(rng, "*"),
        1 => wild(rng, "?"),
        2 => format!("*{}", wild(rng, "*")),
        3 => format!("!{name}"),
        4 => format!("!{}", wild(rng, "*")),
        5 => name.to_uppercase(),
        6 => pick(
            rng,
            &[
                "*",
                "?*",
                "!*",
                "",
                "!",
                "*.test",
                "[*]:*",
                "[*]:2222",
                "10.0.0.0/8",
            ],
        )
        .to_owned(),
        7 if rng.random_ratio(1, 4) => format!("*{}", "*".repeat(rng.random_range(1015..1030))),
        8 => format!("{name}."),
        _ => name,
    }
}

/// A name to look up or to write.
fn name(rng: &mut StdRng) -> String {
    match (pick(rng, &HOSTS), pick(rng, &PORTS)) {
        (host, 22) => host.to_owned(),
        (host, port) => format!("[{host}]:{port}"),
    }
}

/// Type and base64 of a key, whole or damaged.
fn key_fields(rng: &mut StdRng) -> (String, String) {
    let whole = match pick(
        rng,
        &["e1", "e1", "e2", "c1", "r1", "r1024", "ca", "e1-cert"],
    ) {
        "e1-cert" => certificate(),
        name => key_text(name),
    };
    let (kind, blob) = whole.split_once(' ').unwrap();
    let (kind, blob) = (kind.to_owned(), blob.to_owned());
    match rng.random_range(0..16) {
        0 => (
            kind,
            blob.chars().take(rng.random_range(0..blob.len())).collect(),
        ),
        1 => (
            kind,
            format!(
                "{blob}{}",
                pick(rng, &["=", "A", "AAAA", "!", "\r", "\x0b\r"])
            ),
        ),
        2 => (
            pick(
                rng,
                &["ssh-ed25519", "ssh-rsa", "rsa-sha2-512", "ssh-xxx", "1024"],
            )
            .to_owned(),
            blob,
        ),
        3 => (kind.to_uppercase(), blob),
        4 => ("#".to_owned() + &kind, blob),
        _ => (kind, blob),
    }
}

/// The text of the test certificate.
fn certificate() -> String {
    let certificate = key("e1-cert")
        .key_data()
        .certificate()
        .unwrap()
        .to_openssh();
    certificate.unwrap().trim_end().to_owned()
}

fn pick<T: Copy>(rng: &mut StdRng, from: &[T]) -> T {
    *from.choose(rng).unwrap()
}
