use super::*;

fn target(host: &str, port: Option<u16>, username: Option<&str>) -> Target {
    Target {
        host: host.to_owned(),
        port,
        username: username.map(str::to_owned),
    }
}

#[test]
fn all_forms_of_a_host_are_split_into_parts() {
    let long = "a".repeat(TARGET_MAX_BYTES);
    let cases = [
        ("web", target("web", None, None)),
        (
            "web-1_a.example.com",
            target("web-1_a.example.com", None, None),
        ),
        ("WEB", target("WEB", None, None)),
        ("büro", target("büro", None, None)),
        ("work/web", target("work/web", None, None)),
        ("a=b+c~d^e", target("a=b+c~d^e", None, None)),
        ("web.", target("web.", None, None)),
        ("a..b", target("a..b", None, None)),
        ("192.0.2.7", target("192.0.2.7", None, None)),
        ("web:2200", target("web", Some(2200), None)),
        ("web:1", target("web", Some(1), None)),
        ("web:65535", target("web", Some(65535), None)),
        ("web:0022", target("web", Some(22), None)),
        ("192.0.2.7:22", target("192.0.2.7", Some(22), None)),
        ("al@web", target("web", None, Some("al"))),
        ("al@web:2200", target("web", Some(2200), Some("al"))),
        ("al@corp@web", target("web", None, Some("al@corp"))),
        ("CORP\\al@web", target("web", None, Some("CORP\\al"))),
        ("al:root@gate", target("gate", None, Some("al:root"))),
        ("al ice@web", target("web", None, Some("al ice"))),
        ("$al@web", target("web", None, Some("$al"))),
        ("::1", target("::1", None, None)),
        ("::1:22", target("::1:22", None, None)),
        ("fe80::1%eth0", target("fe80::1%eth0", None, None)),
        ("al@2001:db8::7", target("2001:db8::7", None, Some("al"))),
        ("[::1]", target("::1", None, None)),
        ("[::1]:2200", target("::1", Some(2200), None)),
        (
            "al@[fe80::1%en0.1]:22",
            target("fe80::1%en0.1", Some(22), Some("al")),
        ),
        ("[web]:2200", target("web", Some(2200), None)),
        ("ssh://web", target("web", None, None)),
        ("ssh://web/", target("web", None, None)),
        ("ssh://web:2200", target("web", Some(2200), None)),
        ("ssh://al@web:2200/", target("web", Some(2200), Some("al"))),
        ("ssh://al@[::1]:2200", target("::1", Some(2200), Some("al"))),
        ("ssh://a%40b%3ac@web", target("web", None, Some("a@b:c"))),
        ("ssh://CORP%5Cal@web", target("web", None, Some("CORP\\al"))),
        ("ssh://al+ice@web", target("web", None, Some("al ice"))),
        ("ssh://b%C3%BC@web", target("web", None, Some("bü"))),
        (long.as_str(), target(&long, None, None)),
    ];
    for (text, expected) in cases {
        assert_eq!(Target::parse(text), Ok(expected), "{text}");
    }
}

#[test]
fn empty_parts_long_names_and_bad_ports_are_errors() {
    use TargetPart::{Host, Username};
    let port = |value: &str| TargetError::Port(value.to_owned());
    let cases = [
        ("", TargetError::Empty(Host)),
        ("al@", TargetError::Empty(Host)),
        (":22", TargetError::Empty(Host)),
        ("[]:22", TargetError::Empty(Host)),
        ("ssh://", TargetError::Empty(Host)),
        ("ssh://al@:22", TargetError::Empty(Host)),
        ("@web", TargetError::Empty(Username)),
        ("ssh://@web", TargetError::Empty(Username)),
        ("web:", port(r#""""#)),
        ("web:0", port(r#""0""#)),
        ("web:65536", port(r#""65536""#)),
        ("web:+22", port(r#""+22""#)),
        ("web:-22", port(r#""-22""#)),
        ("web:ssh", port(r#""ssh""#)),
        ("web:22 ", port(r#""22 ""#)),
        ("web:\u{662}\u{662}", port("\"\u{662}\u{662}\"")),
        ("[::1]:99999999999", port(r#""99999999999""#)),
        (
            "ssh://web:22:33",
            TargetError::Address(r#""web:22:33""#.to_owned()),
        ),
        ("1:2:3", TargetError::Address(r#""1:2:3""#.to_owned())),
        ("[::1", TargetError::Address(r#""[::1""#.to_owned())),
        ("[::1]22", TargetError::Address(r#""[::1]22""#.to_owned())),
        ("fe80::1%", TargetError::Address(r#""fe80::1%""#.to_owned())),
        (
            "fe80::1%a/b",
            TargetError::Address(r#""fe80::1%a/b""#.to_owned()),
        ),
        ("::1%$(x)", TargetError::Address(r#""::1%$(x)""#.to_owned())),
        ("..", TargetError::Path(r#""..""#.to_owned())),
        (
            "../../etc/passwd",
            TargetError::Path(r#""../../etc/passwd""#.to_owned()),
        ),
        ("a/../b", TargetError::Path(r#""a/../b""#.to_owned())),
        (
            "/etc/passwd",
            TargetError::Path(r#""/etc/passwd""#.to_owned()),
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(Target::parse(text), Err(expected), "{text}");
    }
    let long = "a".repeat(TARGET_MAX_BYTES + 1);
    let (part, bytes) = (Host, long.len());
    assert_eq!(
        Target::parse(&long),
        Err(TargetError::TooLong { part, bytes })
    );
}

#[test]
fn characters_that_open_ssh_refuses_are_refused_wherever_they_stand() {
    for character in HOST_REFUSED
        .chars()
        .filter(|&c| c != '@')
        .chain(" \t\n\r\0\x1b\x7f".chars())
    {
        for host in [
            format!("{character}web"),
            format!("w{character}eb"),
            format!("web{character}"),
        ] {
            let error = Target::parse(&host).unwrap_err();
            let told = matches!(
                error,
                TargetError::Character {
                    part: TargetPart::Host,
                    ..
                }
            );
            assert!(
                told || (character == '[' && host.starts_with('[')),
                "{host:?}: {error}"
            );
        }
    }
    for character in USER_REFUSED.chars().chain("\t\n\r\0\x1b\x7f".chars()) {
        for user in [
            format!("{character}al"),
            format!("a{character}l"),
            format!("al{character}"),
        ] {
            let error = check_username(&user).unwrap_err();
            assert!(
                matches!(error, TargetError::Character { .. }),
                "{user:?}: {error}"
            );
            assert!(Target::parse(&format!("{user}@web")).is_err(), "{user:?}");
        }
    }
}

#[test]
fn invisible_characters_are_refused_in_both_parts() {
    for character in "\u{85}\u{9b}\u{ad}\u{200b}\u{202e}\u{2066}\u{feff}\u{e0041}".chars() {
        assert!(
            Target::parse(&format!("w{character}eb")).is_err(),
            "{character:?}"
        );
        assert!(
            Target::parse(&format!("a{character}l@web")).is_err(),
            "{character:?}"
        );
    }
    // OpenSSH accepts the bytes of blanks of other scripts, but no host name has such blanks.
    for character in "\u{a0}\u{3000}".chars() {
        assert!(
            Target::parse(&format!("w{character}eb")).is_err(),
            "{character:?}"
        );
    }
}

#[test]
fn user_names_follow_the_rule_of_open_ssh() {
    for user in [
        "al", "CORP\\al", "al@corp", "a,b", "a$b", "a%h", "a b", "a-b", "$HOME", "~", "a*",
    ] {
        assert_eq!(check_username(user), Ok(()), "{user}");
    }
    let refused = [
        "",
        "-al",
        "-oProxyCommand=x",
        "al -o x",
        "al  -x",
        "al\\",
        " al",
        "al ",
        "$(id)",
        "`id`",
    ];
    for user in refused {
        assert!(check_username(user).is_err(), "{user}");
    }
}

#[test]
fn urls_with_more_than_a_host_are_refused_without_telling_a_password() {
    let cases = [
        ("ssh://al:hunter2@web", "`password`"),
        ("ssh://al:hunter2@web:99999/x", "`password`"),
        ("ssh://al;fingerprint=x@web", "connection parameters"),
        ("ssh://web/path", "a path"),
        ("ssh://web:22/path", "a path"),
        ("ssh://a%4@web", "hexadecimal"),
        ("ssh://a%zz@web", "hexadecimal"),
        ("ssh://a%00@web", "hexadecimal"),
        ("ssh://a%ff@web", "hexadecimal"),
        ("SSH://web", "only ssh://"),
        ("https://web", "only ssh://"),
    ];
    for (text, expected) in cases {
        let message = Target::parse(text).unwrap_err().to_string();
        assert!(message.contains(expected), "{text}: {message}");
        assert!(!message.contains("hunter2"), "{text}: {message}");
    }
    for decoded_to_refused in [
        "ssh://%2doProxyCommand=x@web",
        "ssh://a%0ab@web",
        "ssh://a%60id%60@web",
    ] {
        assert!(
            Target::parse(decoded_to_refused).is_err(),
            "{decoded_to_refused}"
        );
    }
}

#[test]
fn parts_that_were_not_parsed_are_checked_too() {
    assert!(target("-oProxyCommand=x", None, None).check().is_err());
    assert!(target("web", Some(0), None).check().is_err());
    assert!(target("web", None, Some("-l")).check().is_err());
    assert_eq!(target("web", Some(22), Some("al")).check(), Ok(()));
}

#[test]
fn errors_quote_safely_and_shortly() {
    let message = Target::parse("web\x1b[31m\nnext").unwrap_err().to_string();
    assert_eq!(
        message,
        r#"the host "web\x1b[31m\nnext" contains "\x1b", which is not allowed in a host"#
    );
    let message = Target::parse(&format!("-{}", "x".repeat(900)))
        .unwrap_err()
        .to_string();
    assert!(message.len() < 200, "{message}");
}
