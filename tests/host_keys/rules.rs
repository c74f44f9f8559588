//! The rules that make this program stricter than OpenSSH, beyond the golden cases, and the words of the
//! refusals.

use crate::support::{STRICT, judge, key, key_file, key_text, known_hosts, name, policy, verdict};
use StrictHostKeyChecking::{AcceptNew, No, Yes};
use mcp_ssh_sessions::error::ErrorCode;
use mcp_ssh_sessions::ssh::host_keys::{
    HostKeyPolicy, HostKeyRefusal, KnownHosts, Source, StrictHostKeyChecking, Verdict,
};

/// The verdict on `e1` from a host on port 2222.
fn on_port(lines: &str, strict: StrictHostKeyChecking) -> &'static str {
    let (_directory, file) = known_hosts(lines);
    let policy = HostKeyPolicy {
        port: 2222,
        ..policy("ed.test", &file, strict)
    };
    name(&judge(&policy, &key("e1")))
}

#[test]
fn a_changed_or_revoked_key_is_refused_under_every_setting() {
    for strict in STRICT {
        let changed = verdict("ed.test", "ed.test ssh-ed25519 ${e2}\n", strict, "e1");
        let other_type = verdict("ed.test", "ed.test ssh-rsa ${r1}\n", strict, "e1");
        let revoked = verdict(
            "ed.test",
            "ed.test ssh-ed25519 ${e1}\n@revoked * ssh-ed25519 ${e1}\n",
            strict,
            "e1",
        );
        let found = (changed, other_type, revoked);
        assert_eq!(
            found,
            ("REJECT-CHANGED", "REJECT-CHANGED", "REJECT-REVOKED"),
            "{strict:?}"
        );
    }
}

#[test]
fn a_revocation_is_seen_however_it_is_written() {
    let certificate = key_text("e1-cert");
    let lines = [
        "@revoked\ted.test ssh-ed25519 ${e1}",
        "@Revoked\t \ted.test\tssh-ed25519\t${e1}\r",
        " @REVOKED * ssh-ed25519 ${e1} comment",
        "@cert-authority @revoked ed.test ssh-ed25519 ${e1}",
        "@revoked @cert-authority ed.test ssh-ed25519 ${e1}",
        "@what @revoked ed.test ssh-ed25519 ${e1}",
        // A revoked certificate revokes its key.
        &format!("@revoked ed.test {certificate}"),
    ];
    for line in lines {
        let text = format!("ed.test ssh-ed25519 ${{e1}}\n{line}\n");
        assert_eq!(
            verdict("ed.test", &text, Yes, "e1"),
            "REJECT-REVOKED",
            "{line}"
        );
        assert_eq!(
            verdict("ed.test", line, No, "e1"),
            "REJECT-REVOKED",
            "{line}"
        );
    }
}

#[test]
fn a_revocation_of_the_bare_name_binds_on_every_port() {
    let text = "[ed.test]:2222 ssh-ed25519 ${e1}\n@revoked ed.test ssh-ed25519 ${e1}\n";
    assert_eq!(on_port(text, Yes), "REJECT-REVOKED");
    assert_eq!(
        on_port("@revoked ed.test ssh-ed25519 ${e1}\n", No),
        "REJECT-REVOKED"
    );
    assert_eq!(
        on_port("@revoked [ed.test]:22 ssh-ed25519 ${e1}\n", No),
        "ACCEPT"
    );
}

#[test]
fn beside_an_authority_no_bare_key_is_learned() {
    for pattern in ["*.test", "ed.test", "[*]:2222", "*"] {
        let text = format!("@cert-authority {pattern} ssh-ed25519 ${{ca}}\n");
        assert_eq!(on_port(&text, AcceptNew), "REJECT-UNKNOWN", "{pattern}");
        // StrictHostKeyChecking=no accepts risks from which accept-new protects.
        assert_eq!(on_port(&text, No), "ACCEPT", "{pattern}");
    }
    let other = "@cert-authority *.example ssh-ed25519 ${ca}\n";
    assert_eq!(on_port(other, AcceptNew), "ACCEPT");
    let known = "@cert-authority * ssh-ed25519 ${ca}\ned.test ssh-ed25519 ${e1}\n";
    assert_eq!(on_port(known, AcceptNew), "ACCEPT");
}

#[test]
fn a_damaged_line_blocks_learning_and_nothing_else() {
    let damaged = [
        "ed.test",
        "ed.test ssh-ed25519",
        "ed.test ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA",
        "ed.test ssh-ed25519 ${e2}AAAA",
        "ed.test ssh-rsa ${e2}",
        "ed.test # ssh-ed25519 ${e2}",
        "ed.test 1024 35 1234567890123",
        "ed.test\0 ssh-ed25519 ${e2}",
        "@what ed.test ssh-ed25519 ${e2}",
        "@revoked ed.test ssh-ed25519 AAAA",
        "@cert-authority * ssh-ed25519 AAAA",
        "*.test ssh-xxx ${e2}",
        // A hashed name that cannot be decoded may be this host's.
        "|1|zzz ssh-ed25519 ${e2}",
        "|1|c2hvcnQ=|2any/YQVHYaaguWxTTIJEzPR5Rw= ssh-ed25519 ${e2}",
        "|2|aaaa|bbbb ssh-ed25519 ${e2}",
    ];
    for line in damaged {
        assert_eq!(
            verdict("ed.test", line, AcceptNew, "e1"),
            "REJECT-UNKNOWN",
            "{line}"
        );
        let recorded = format!("{line}\ned.test ssh-ed25519 ${{e1}}\n");
        assert_eq!(
            verdict("ed.test", &recorded, AcceptNew, "e1"),
            "ACCEPT",
            "{line}"
        );
        let (_directory, file) = known_hosts(line);
        let source = judge(&policy("ed.test", &file, No), &key("e1")).unwrap();
        assert!(
            matches!(source, Source::NotRecorded(_)),
            "{line}: {source:?}"
        );
    }
    let elsewhere = "foo.test ssh-ed25519 AAAA\n@what foo.test ssh-ed25519 ${e2}\nfoo\n";
    assert_eq!(verdict("ed.test", elsewhere, AcceptNew, "e1"), "ACCEPT");
}

#[test]
fn a_certificate_in_a_plain_line_is_another_key() {
    let line = format!("ed.test {}\n", key_text("e1-cert"));
    for strict in STRICT {
        assert_eq!(verdict("ed.test", &line, strict, "e1"), "REJECT-CHANGED");
    }
}

#[test]
fn an_rsa_name_with_a_newer_hash_is_the_same_key() {
    let line = "ed.test rsa-sha2-512 ${r1}\n";
    assert_eq!(verdict("ed.test", line, Yes, "r1"), "ACCEPT");
}

#[test]
fn a_short_rsa_key_is_refused_even_where_it_is_recorded() {
    for name_of_key in ["r1024", "r2044"] {
        let line = format!("ed.test {}\n", key_text(name_of_key));
        for strict in STRICT {
            let found = verdict("ed.test", &line, strict, name_of_key);
            assert_eq!(found, "unsuitable", "{name_of_key} {strict:?}");
        }
        let (_directory, file) = known_hosts(&line);
        let lenient = HostKeyPolicy {
            required_rsa_bits: 1024,
            ..policy("ed.test", &file, Yes)
        };
        assert_eq!(name(&judge(&lenient, &key(name_of_key))), "ACCEPT");
    }
}

#[test]
fn a_list_of_revoked_keys_has_to_be_readable_in_full() {
    let (directory, file) = known_hosts("ed.test ssh-ed25519 ${e1}\n");
    let list = directory.path().join("revoked");
    let table: [(&[u8], &str); 6] = [
        (b"", "ACCEPT"),
        (b"# nothing\n\n \r\n", "ACCEPT"),
        (b"ssh-ed25519 AAAA\n", "config"),
        (b"1024 35 1234567890123\n", "config"),
        (b"SSHKRL\n\0\0\0\0\x01", "config"),
        (b"\xff\xfe\n", "config"),
    ];
    let with = |list: &std::path::Path| HostKeyPolicy {
        revoked_files: vec![key_file("e2"), list.to_owned()],
        ..policy("ed.test", &file, Yes)
    };
    for (content, expected) in table {
        std::fs::write(&list, content).unwrap();
        assert_eq!(
            name(&judge(&with(&list), &key("e1"))),
            expected,
            "{content:?}"
        );
    }
    assert_eq!(
        name(&judge(&with(&directory.path().join("missing")), &key("e1"))),
        "config"
    );
    for revoking in ["e1", "e1-cert"] {
        let found = judge(&with(&key_file(revoking)), &key("e1"));
        assert_eq!(name(&found), "REJECT-REVOKED", "{revoking}");
    }
}

#[test]
fn refusals_say_host_key_line_and_the_next_step() {
    let (_directory, file) = known_hosts(
        "# first\n[ed.test]:2222 ssh-ed25519 ${e2}\nold.test,older.test ssh-ed25519 ${e2}\n\
         @revoked bad.test ssh-ed25519 ${e1}\n",
    );
    let shown = key("e1");
    let fingerprint = shown.fingerprint(russh::keys::HashAlg::Sha256).to_string();
    let path = file.display().to_string();
    let table = [
        (
            "new.test",
            22,
            ErrorCode::HostKeyUnknown,
            "ssh -o StrictHostKeyChecking=ask".to_owned(),
        ),
        (
            "ed.test",
            2222,
            ErrorCode::HostKeyChanged,
            format!("{path}:2 records ssh-ed25519 SHA256:"),
        ),
        (
            "ed.test",
            2222,
            ErrorCode::HostKeyChanged,
            format!("ssh-keygen -R '[ed.test]:2222' -f {path}"),
        ),
        (
            "old.test",
            22,
            ErrorCode::HostKeyChanged,
            format!("take this host out of line 3 of {path}"),
        ),
        (
            "bad.test",
            22,
            ErrorCode::HostKeyRevoked,
            format!("{path}:4 revokes"),
        ),
    ];
    for (host, port, code, words) in table {
        let policy = HostKeyPolicy {
            port,
            ..policy(host, &file, Yes)
        };
        let refusal = judge(&policy, &shown).unwrap_err();
        let text = refusal.to_string();
        assert_eq!(refusal.kind().code(), code, "{text}");
        for part in [host, "ssh-ed25519", &fingerprint, &words] {
            assert!(text.contains(part), "{text} lacks {part}");
        }
    }
}

#[test]
fn no_hop_is_verified_under_the_name_of_another() {
    let (_directory, file) =
        known_hosts("jump.test ssh-ed25519 ${e1}\nend.test ssh-ed25519 ${e2}\n");
    let table = [
        ("jump.test", "e1", "ACCEPT"),
        ("end.test", "e2", "ACCEPT"),
        ("jump.test", "e2", "REJECT-CHANGED"),
        ("end.test", "e1", "REJECT-CHANGED"),
    ];
    for (host, shown, expected) in table {
        assert_eq!(
            name(&judge(&policy(host, &file, Yes), &key(shown))),
            expected,
            "{host} {shown}"
        );
    }
}

#[test]
fn a_certificate_is_not_judged_as_a_key() {
    let (_directory, file) = known_hosts("");
    let blob = russh::keys::Certificate::from_openssh(&key_text("e1-cert")).unwrap();
    let shown = russh::keys::PublicKey::from_bytes(&blob.to_bytes().unwrap()).unwrap();
    for strict in STRICT {
        let known = KnownHosts::load(policy("ed.test", &file, strict)).unwrap();
        let verdict = known.verify(&shown);
        let refused = matches!(
            verdict,
            Verdict::Refuse(HostKeyRefusal::UnsupportedKey { .. })
        );
        assert!(refused, "{verdict:?}");
    }
}
