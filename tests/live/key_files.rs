//! Private key files: types, formats, passphrases, and files that are no key.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use mcp_ssh_sessions::error::ErrorCode;
use tokio::time::Instant;

use crate::world::{Client, TEST, assert_says, connections, logged, refused, request_with_key};
use testkit::sshd::{KeyType, Sshd};
use testkit::{run, set_mode};

/// `ssh-keygen`'s words for a key: name, type, bits.
const TYPES: [(&str, &str, &str); 6] = [
    ("ed25519", "ed25519", "256"),
    ("ecdsa-256", "ecdsa", "256"),
    ("ecdsa-384", "ecdsa", "384"),
    ("ecdsa-521", "ecdsa", "521"),
    ("rsa-2048", "rsa", "2048"),
    ("rsa-3072", "rsa", "3072"),
];

/// Makes a key that may log in, in a format of `ssh-keygen -m`.
fn make(
    sshd: &Sshd,
    name: &str,
    (kind, bits): (&str, &str),
    format: &str,
    passphrase: &str,
) -> PathBuf {
    let path = sshd.home().join(".ssh").join(name);
    let mut generate = Command::new("ssh-keygen");
    generate.args([
        "-q", "-t", kind, "-b", bits, "-N", passphrase, "-C", "", "-f",
    ]);
    run(generate.arg(&path).stdin(Stdio::null()));
    sshd.authorize(&path);
    if format != "RFC4716" {
        // `-m` counts when a private key is written anew.
        let mut convert = Command::new("ssh-keygen");
        convert.args([
            "-q", "-p", "-m", format, "-P", passphrase, "-N", passphrase, "-f",
        ]);
        run(convert.arg(&path).stdin(Stdio::null()));
    }
    path
}

/// The first line of a file.
fn header(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn keys_of_every_type_and_format_log_in() {
    let sshd = Sshd::start_default().await;
    let config = sshd.ssh_config_with("IdentityFile none");
    // OpenSSH's own format, the older ones of OpenSSL (PKCS#1 for RSA, SEC 1 for ECDSA), PKCS#8.
    for (name, kind, bits) in TYPES {
        for format in ["RFC4716", "PEM", "PKCS8"] {
            let path = make(&sshd, &format!("{name}-{format}"), (kind, bits), format, "");
            let client = Client::new(config.clone()).await;
            let report = client.dial(request_with_key(&path, None)).await;
            let report = report
                .unwrap_or_else(|error| panic!("{name} {format} ({}): {error}", header(&path)));
            assert_eq!(report.auth, "publickey", "{name} {format}");
        }
    }
    // With SHA-2 for RSA, never SHA-1.
    assert_says(&sshd.log(), &["rsa-sha2-512"]);
    assert_eq!(logged(&sshd, "Accepted publickey"), TYPES.len() * 3);
    assert_eq!(logged(&sshd, "Failed publickey"), 0);
}

#[tokio::test]
async fn encrypted_keys_need_their_passphrase() {
    let cases = [
        ("openssh", ("ed25519", "256"), "RFC4716"),
        ("pem", ("rsa", "2048"), "PEM"),
        ("pkcs8", ("ecdsa", "256"), "PKCS8"),
    ];
    for (name, key, format) in cases {
        // A server of its own: the log counts the attempts of this case alone.
        let sshd = Sshd::start_default().await;
        let config = sshd.ssh_config_with("IdentityFile none");
        let path = make(&sshd, name, key, format, "right horse");
        for (passphrase, words) in [
            (None, ["is encrypted", "ssh-add", "passphrase"]),
            (
                Some("wrong horse"),
                ["passphrase does not decrypt", "check it", name],
            ),
        ] {
            let client = Client::new(config.clone()).await;
            let result = client.dial(request_with_key(&path, passphrase)).await;
            let text = refused(result, ErrorCode::AuthFailed);
            assert_says(&text, &words);
            assert_says(&text, &[&path.display().to_string()]);
            assert!(!text.contains("horse"), "{text}");
        }
        assert_eq!(connections(&sshd), 0, "{name}: told before any traffic");
        let client = Client::new(config.clone()).await;
        let result = client
            .dial(request_with_key(&path, Some("right horse")))
            .await;
        let report = result.unwrap_or_else(|error| panic!("{name}, {}: {error}", header(&path)));
        assert_eq!(report.auth, "publickey");
        // The passphrase lives on with the session, for its reconnects, and nowhere else.
        sshd.kill_sessions().await;
        crate::world::succeeded(&client.run("true").await);
        let store = fs::read_to_string(client.directory.path().join("store.json")).unwrap();
        assert!(store.contains(name) && !store.contains("horse"), "{store}");
    }
}

#[tokio::test]
async fn what_cannot_be_a_key_file_is_named_with_its_reason() {
    let sshd = Sshd::start_default().await;
    let directory = sshd.home().join("keys");
    fs::create_dir(&directory).unwrap();
    let file = |name: &str, content: &[u8], mode: u32| {
        let path = directory.join(name);
        fs::write(&path, content).unwrap();
        set_mode(&path, mode);
        path
    };
    let key = fs::read(sshd.user_key_path()).unwrap();
    let public = fs::read(sshd.user_key_path().with_extension("pub")).unwrap();
    let fifo = directory.join("fifo");
    run(Command::new("mkfifo").arg(&fifo));
    let cases = [
        (directory.join("missing"), "does not exist"),
        (directory.clone(), "not a regular file"),
        (fifo, "not a regular file"),
        (PathBuf::from("/dev/zero"), "not a regular file"),
        (file("text", b"hello\n", 0o600), "not a private key"),
        (file("empty", b"", 0o600), "not a private key"),
        (file("binary", &[0xff; 100], 0o600), "not text"),
        (file("public", &public, 0o600), "public key"),
        (
            file("torn", &key[..key.len() / 2], 0o600),
            "not a private key",
        ),
        (file("large", &vec![b'x'; 2 << 20], 0o600), "2097152 bytes"),
        (file("open", &key, 0o644), "chmod 600"),
        (file("group", &key, 0o640), "mode 0640"),
    ];
    let config = sshd.ssh_config();
    for (path, words) in cases {
        let client = Client::new(config.clone()).await;
        let started = Instant::now();
        let result = client.dial(request_with_key(&path, None)).await;
        assert!(
            started.elapsed() < Duration::from_secs(3),
            "{path:?}: {:?}",
            started.elapsed()
        );
        let text = refused(result, ErrorCode::LocalPathError);
        assert_says(&text, &[words, &path.display().to_string()]);
    }
    assert_eq!(connections(&sshd), 0, "another key was tried instead");
}

#[tokio::test]
async fn configured_files_that_cannot_be_used_are_passed_over() {
    let sshd = Sshd::start_default().await;
    let locked = sshd.add_user_key("locked", KeyType::Ed25519, "a passphrase");
    let open = sshd.add_user_key("open", KeyType::Ed25519, "");
    set_mode(&open, 0o644);
    let missing = sshd.home().join(".ssh/missing");
    let lines = [&locked, &open, &missing].map(|path| format!("IdentityFile {}\n", path.display()));
    // The fixture's own key comes after them.
    let client = Client::new(sshd.ssh_config_with(&lines.concat())).await;
    assert_eq!(client.must_connect(TEST).await.auth, "publickey");
    assert_eq!(logged(&sshd, "Accepted publickey"), 1);
    assert_eq!(logged(&sshd, "Failed publickey"), 0);
    // Where nothing is left to offer, each is named.
    let only = lines.concat() + "PreferredAuthentications publickey";
    let config = sshd.ssh_config_with(&only);
    let text = fs::read_to_string(&config).unwrap();
    let own = format!("IdentityFile {}\n", sshd.user_key_path().display());
    fs::write(&config, text.replace(&own, "")).unwrap();
    let client = Client::new(config).await;
    let text = refused(client.connect(TEST).await, ErrorCode::AuthFailed);
    assert_says(
        &text,
        &[
            "locked (skipped: encrypted",
            "open (skipped: readable by others",
            "ssh-add",
        ],
    );
}
