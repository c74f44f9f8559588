//! Lines that learning a key writes.

use crate::support::{judge, key, key_text, known_hosts, name, policy};
use StrictHostKeyChecking::{AcceptNew, No, Yes};
use mcp_ssh_sessions::ssh::host_keys::{HostKeyPolicy, KnownHosts, Source, StrictHostKeyChecking};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

/// The permissions of a path.
fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_line_is_written_as_openssh_writes_it() {
    let e1 = key_text("e1");
    let table = [
        ("All.Test", 22, None, "", format!("all.test {e1}\n")),
        (
            "All.Test",
            2222,
            None,
            "",
            format!("[all.test]:2222 {e1}\n"),
        ),
        ("::1", 22, None, "", format!("::1 {e1}\n")),
        ("0::1", 2222, None, "", format!("[::1]:2222 {e1}\n")),
        (
            "all.test",
            2222,
            Some("MyAlias"),
            "",
            format!("myalias {e1}\n"),
        ),
        (
            "all.test",
            22,
            None,
            "# old",
            format!("# old\nall.test {e1}\n"),
        ),
        (
            "all.test",
            22,
            None,
            "# old\n",
            format!("# old\nall.test {e1}\n"),
        ),
        (
            "all.test",
            22,
            None,
            "# old\r\n",
            format!("# old\r\nall.test {e1}\n"),
        ),
    ];
    for (host, port, alias, before, after) in table {
        for strict in [AcceptNew, No] {
            let (_directory, file) = known_hosts(before);
            let policy = HostKeyPolicy {
                port,
                alias: alias.map(str::to_owned),
                ..policy(host, &file, strict)
            };
            let source = judge(&policy, &key("e1")).unwrap();
            assert_eq!(source, Source::Added(file.as_path().into()));
            assert_eq!(std::fs::read_to_string(&file).unwrap(), after);
            let again = HostKeyPolicy {
                strict: Yes,
                ..policy
            };
            assert_eq!(name(&judge(&again, &key("e1"))), "ACCEPT", "{after}");
            assert_eq!(
                name(&judge(&again, &key("e2"))),
                "REJECT-CHANGED",
                "{after}"
            );
        }
    }
}

#[test]
fn a_hashed_line_hides_the_name_and_is_found_by_ssh_keygen() {
    for (port, looked_up) in [(22, "all.test"), (2222, "[all.test]:2222")] {
        let (_directory, file) = known_hosts("");
        let policy = HostKeyPolicy {
            port,
            hash_known_hosts: true,
            ..policy("ALL.test", &file, AcceptNew)
        };
        judge(&policy, &key("e1")).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(
            text.starts_with("|1|") && !text.contains("all.test"),
            "{text}"
        );
        assert!(text.ends_with(&format!(" {}\n", key_text("e1"))), "{text}");
        let mut keygen = Command::new("ssh-keygen");
        let found = keygen.args(["-F", looked_up, "-f"]).arg(&file).output();
        let found = found.expect("ssh-keygen is needed for this test");
        assert!(found.status.success(), "{found:?}");
        assert_eq!(name(&judge(&policy, &key("e1"))), "ACCEPT");
        assert_eq!(
            std::fs::read_to_string(&file).unwrap(),
            text,
            "nothing is added twice"
        );
    }
}

#[test]
fn two_hashed_lines_of_one_name_have_different_salts() {
    let line = || {
        let (_directory, file) = known_hosts("");
        let policy = HostKeyPolicy {
            hash_known_hosts: true,
            ..policy("all.test", &file, AcceptNew)
        };
        judge(&policy, &key("e1")).unwrap();
        std::fs::read_to_string(&file).unwrap()
    };
    assert_ne!(line(), line());
}

#[test]
fn a_missing_directory_is_made_for_its_owner_alone_but_not_the_one_above_it() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join(".ssh/known_hosts");
    judge(&policy("all.test", &file, AcceptNew), &key("e1")).unwrap();
    assert_eq!(
        (mode(&home.path().join(".ssh")), mode(&file)),
        (0o700, 0o600)
    );

    let deep = home.path().join("no/such/known_hosts");
    assert_eq!(
        name(&judge(&policy("all.test", &deep, AcceptNew), &key("e1"))),
        "REJECT-IO"
    );
    let source = judge(&policy("all.test", &deep, No), &key("e1")).unwrap();
    assert!(matches!(source, Source::NotRecorded(_)), "{source:?}");
    assert!(!home.path().join("no").exists());
}

#[test]
fn permissions_and_symbolic_links_stay_as_they_are() {
    let (directory, file) = known_hosts("");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    let link = directory.path().join("link");
    symlink(&file, &link).unwrap();
    judge(&policy("all.test", &link, AcceptNew), &key("e1")).unwrap();
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(mode(&file), 0o644);
    assert_eq!(
        name(&judge(&policy("all.test", &file, Yes), &key("e1"))),
        "ACCEPT"
    );
}

#[test]
fn what_was_recorded_meanwhile_decides() {
    let meanwhile = [
        ("all.test ssh-ed25519 ${e2}\n", "REJECT-CHANGED"),
        ("@revoked * ssh-ed25519 ${e1}\n", "REJECT-REVOKED"),
        ("@cert-authority * ssh-ed25519 ${ca}\n", "REJECT-UNKNOWN"),
        ("all.test ssh-ed25519 AAAA\n", "REJECT-UNKNOWN"),
        ("all.test ssh-ed25519 ${e1}\n", "ACCEPT"),
    ];
    for (line, expected) in meanwhile {
        let (_directory, file) = known_hosts("");
        let known = KnownHosts::load(policy("all.test", &file, AcceptNew)).unwrap();
        let content = crate::support::fill_in(line.as_bytes());
        std::fs::write(&file, &content).unwrap();
        assert_eq!(name(&known.learn(&key("e1"))), expected, "{line}");
        assert_eq!(std::fs::read(&file).unwrap(), content, "{line}");
    }
}

#[test]
fn a_key_that_is_not_to_be_learned_is_not_learned() {
    let (_directory, file) = known_hosts("");
    let known = KnownHosts::load(policy("all.test", &file, Yes)).unwrap();
    assert_eq!(name(&known.learn(&key("e1"))), "REJECT-UNKNOWN");
    assert_eq!(std::fs::read(&file).unwrap(), b"");
}
