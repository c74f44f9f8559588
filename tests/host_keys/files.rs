//! Whatever a configured path may lead to: refused within a bounded time, never "unknown, so learn".

use crate::support::{STRICT, fill_in, judge, key, known_hosts, name, policy, within_ten_seconds};
use StrictHostKeyChecking::{AcceptNew, No, Yes};
use mcp_ssh_sessions::limits::KNOWN_HOSTS_MAX_BYTES;
use mcp_ssh_sessions::ssh::host_keys::{
    HostKeyPolicy, KnownHosts, RefusalKind, Source, StrictHostKeyChecking, Verdict,
};
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Paths that lead to something other than a readable regular file.
fn hostile_paths(directory: &Path) -> Vec<PathBuf> {
    let at = |name: &str| directory.join(name);
    let made = Command::new("mkfifo").arg(at("fifo")).status().unwrap();
    assert!(made.success());
    symlink(at("fifo"), at("fifo-link")).unwrap();
    std::fs::create_dir(at("directory")).unwrap();
    symlink(at("loop-b"), at("loop-a")).unwrap();
    symlink(at("loop-a"), at("loop-b")).unwrap();
    let sparse = File::create(at("sparse")).unwrap();
    sparse.set_len(10 * 1024 * 1024 * 1024).unwrap();
    File::create(at("file")).unwrap();
    drop(UnixListener::bind(at("socket")).unwrap());
    vec![
        at("fifo"),
        at("fifo-link"),
        at("directory"),
        at("loop-a"),
        at("sparse"),
        at("file").join("known_hosts"),
        at("socket"),
        "/dev/zero".into(),
        "/dev/tty".into(),
    ]
}

#[test]
fn a_path_that_cannot_be_read_refuses_in_every_role_and_setting() {
    let directory = tempfile::tempdir().unwrap();
    let good = directory.path().join("good");
    std::fs::write(&good, fill_in(b"ed.test ssh-ed25519 ${e1}\n")).unwrap();
    let missing = directory.path().join("missing");
    for path in hostile_paths(directory.path()) {
        for strict in STRICT {
            let base = policy("ed.test", &good, strict);
            let roles = [
                HostKeyPolicy {
                    user_files: vec![path.clone()],
                    ..base.clone()
                },
                HostKeyPolicy {
                    user_files: vec![good.clone(), path.clone()],
                    ..base.clone()
                },
                HostKeyPolicy {
                    user_files: vec![missing.clone(), path.clone()],
                    ..base.clone()
                },
                HostKeyPolicy {
                    global_files: vec![path.clone()],
                    ..base.clone()
                },
                HostKeyPolicy {
                    revoked_files: vec![path.clone()],
                    ..base
                },
            ];
            for policy in roles {
                let what = format!("{policy:?}");
                let revoked = !policy.revoked_files.is_empty();
                let kind = within_ten_seconds(&what, move || {
                    KnownHosts::load(policy).map(|_| ()).unwrap_err().kind()
                });
                let expected = if revoked {
                    RefusalKind::Config
                } else {
                    RefusalKind::Io
                };
                assert_eq!(kind, expected, "{what}");
            }
        }
    }
    assert!(!missing.exists());
}

#[test]
fn a_file_just_over_the_limit_is_refused_and_one_at_the_limit_is_read() {
    let (_directory, path) = known_hosts("ed.test ssh-ed25519 ${e1}\n");
    let file = File::options().write(true).open(&path).unwrap();
    let load = || KnownHosts::load(policy("ed.test", &path, Yes));
    file.set_len(KNOWN_HOSTS_MAX_BYTES + 1).unwrap();
    assert_eq!(load().unwrap_err().kind(), RefusalKind::Io);
    file.set_len(KNOWN_HOSTS_MAX_BYTES).unwrap();
    let verdict = load().unwrap().verify(&key("e1"));
    assert!(matches!(verdict, Verdict::Accept { .. }), "{verdict:?}");
}

#[test]
fn a_name_that_is_no_host_name_is_refused_before_anything_is_read_or_written() {
    let directory = tempfile::tempdir().unwrap();
    // Reading this path is a refusal of another kind, and writing creates the file.
    let unreadable = directory.path().to_owned();
    let missing = directory.path().join("known_hosts");
    let names = [
        "a\nb", "a b", "a,b", "*", "a*", "!a", "|1|a", "#a", "[a", "[a]:22", "@revoked", "", "-a",
    ];
    for host in names {
        for path in [&unreadable, &missing] {
            let refusal = KnownHosts::load(policy(host, path, No)).unwrap_err();
            assert_eq!(refusal.kind(), RefusalKind::InvalidName, "{host:?}");
            assert!(!refusal.to_string().contains('\n'), "{refusal}");
        }
    }
    assert!(!missing.exists());
}

#[test]
fn nothing_is_learned_without_a_file_and_only_no_accepts() {
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("null-link");
    symlink("/dev/null", &link).unwrap();
    let empty: Vec<PathBuf> = Vec::new();
    let files = [
        vec!["/dev/null".into()],
        vec![link],
        vec!["none".into()],
        vec!["NONE".into()],
        empty,
    ];
    for user_files in files {
        for strict in STRICT {
            let policy = HostKeyPolicy {
                user_files: user_files.clone(),
                global_files: vec!["/dev/null".into(), "none".into()],
                revoked_files: vec!["none".into()],
                ..policy("ed.test", Path::new(""), strict)
            };
            let result = judge(&policy, &key("e1"));
            let expected = if strict == No {
                "ACCEPT"
            } else {
                "REJECT-UNKNOWN"
            };
            assert_eq!(name(&result), expected, "{policy:?}");
            let recorded = matches!(result, Ok(Source::Recorded(_) | Source::Added(_)));
            assert!(!recorded, "{policy:?}");
        }
    }
}

#[test]
fn a_file_that_fails_between_verdict_and_learning_refuses() {
    for strict in [AcceptNew, No] {
        let (_directory, path) = known_hosts("");
        let known = KnownHosts::load(policy("ed.test", &path, strict)).unwrap();
        assert_eq!(known.verify(&key("e1")), Verdict::Learn);
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert_eq!(
            known.learn(&key("e1")).unwrap_err().kind(),
            RefusalKind::Io,
            "{strict:?}"
        );
    }
}

#[test]
fn a_second_file_that_fails_between_verdict_and_learning_leaves_the_first_alone() {
    let (directory, path) = known_hosts("");
    let second = directory.path().join("second");
    let policy = HostKeyPolicy {
        user_files: vec![path.clone(), second.clone()],
        ..policy("ed.test", &path, AcceptNew)
    };
    let known = KnownHosts::load(policy).unwrap();
    std::fs::create_dir(&second).unwrap();
    assert_eq!(known.learn(&key("e1")).unwrap_err().kind(), RefusalKind::Io);
    assert_eq!(std::fs::read(&path).unwrap(), b"");
}

#[test]
fn a_lock_that_is_held_refuses_accept_new_and_leaves_no_unrecorded() {
    let (_directory, path) = known_hosts("");
    let holder = File::options().write(true).open(&path).unwrap();
    holder.lock().unwrap();
    let learn = |strict| {
        let policy = policy("ed.test", &path, strict);
        std::thread::spawn(move || judge(&policy, &key("e1")))
    };
    let (refused, unrecorded) = (learn(AcceptNew), learn(No));
    assert_eq!(name(&refused.join().unwrap()), "REJECT-IO");
    let source = unrecorded.join().unwrap().unwrap();
    assert!(matches!(source, Source::NotRecorded(_)), "{source:?}");
    assert_eq!(std::fs::read(&path).unwrap(), b"");
    drop(holder);
    assert_eq!(
        name(&judge(&policy("ed.test", &path, AcceptNew), &key("e1"))),
        "ACCEPT"
    );
}

#[test]
fn a_file_that_would_grow_over_the_limit_is_not_added_to() {
    let (_directory, path) = known_hosts("");
    let mut file = File::options().append(true).open(&path).unwrap();
    file.set_len(KNOWN_HOSTS_MAX_BYTES - 1).unwrap();
    file.write_all(b"\n").unwrap();
    assert_eq!(
        name(&judge(&policy("ed.test", &path, AcceptNew), &key("e1"))),
        "REJECT-IO"
    );
    assert_eq!(file.metadata().unwrap().len(), KNOWN_HOSTS_MAX_BYTES);
}
