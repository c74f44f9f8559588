use super::*;
use crate::ssh::host_keys::StrictHostKeyChecking;
use crate::ssh::resolve::host::{AddressFamily, RekeyLimit};
use crate::ssh::target::Target;
use std::time::Duration;

const DEFAULTS: &str = "user al\nhostname localhost\nport 22\nhostkeyalgorithms a,b,c,d\nciphers x,y\n\
                        requiredrsasize 1024\nserveralivecountmax 3\nidentityfile ~/.ssh/id_a\n";

fn request() -> ResolveRequest {
    ResolveRequest::new(Target::parse("web").unwrap())
}

/// The resolved host `web` for an output of `ssh -G` with these lines.
fn try_host(lines: &str) -> Result<ResolvedHost, ResolveError> {
    let probe = "controlpath /home/al/.mcp-ssh-sessions-probe/c/1/l/L/al\n";
    let printed = format!("{probe}{lines}\nuser al\nhostname web\nport 22\n");
    resolved_host(
        &request(),
        Settings::parse(&printed),
        &Settings::parse(DEFAULTS),
    )
}

fn host(lines: &str) -> ResolvedHost {
    try_host(lines).unwrap()
}

#[test]
fn host_key_algorithms_are_explicit_unless_the_default_was_only_edited() {
    let cases = [
        ("a,b,c,d", false),
        ("a,c", false),
        ("a,b,c,d,z", false),
        ("b,d,z,y", false),
        ("z,a,b,c,d", true),
        ("b,a,c,d", true),
        ("d,a", true),
        ("a,z,b", true),
    ];
    for (list, explicit) in cases {
        let algorithms = host(&format!("hostkeyalgorithms {list}")).host_key_algorithms;
        assert_eq!(algorithms.explicit, explicit, "{list}");
        assert_eq!(algorithms.names.join(","), list);
    }
    assert!(!host("ciphers x,y").ciphers.explicit);
    assert!(host("ciphers y,x").ciphers.explicit);
}

#[test]
fn known_hosts_files_are_whole_paths_or_an_error() {
    let files = |value: &str| host(&format!("userknownhostsfile {value}")).user_known_hosts_files;
    assert_eq!(files("/a /b"), [PathBuf::from("/a"), PathBuf::from("/b")]);
    assert_eq!(files("~/k"), [PathBuf::from("/home/al/k")]);
    assert!(files("none").is_empty());
    assert_eq!(
        host("").user_known_hosts_files[0],
        PathBuf::from("/home/al/.ssh/known_hosts")
    );
    assert_eq!(host("").global_known_hosts_files.len(), 2);
    assert!(host("").revoked_host_keys.is_empty());
    for option in [
        "userknownhostsfile",
        "globalknownhostsfile",
        "revokedhostkeys",
    ] {
        for value in ["/Application Support/kh", "kh", "~bob/kh", "/a b"] {
            let error = try_host(&format!("{option} {value}")).unwrap_err();
            assert!(
                error.to_string().contains("without blanks"),
                "{value}: {error}"
            );
        }
    }
}

#[test]
fn agents_are_told_apart() {
    let agent = |lines: &str| host(lines).identity_agent;
    let path = |path: &str| IdentityAgent::Path(PathBuf::from(path));
    assert_eq!(agent(""), IdentityAgent::FromEnvironment);
    assert_eq!(
        agent("identityagent SSH_AUTH_SOCK"),
        IdentityAgent::FromEnvironment
    );
    assert_eq!(agent("identityagent none"), IdentityAgent::None);
    assert_eq!(agent("identityagent /run/a gent"), path("/run/a gent"));
    assert_eq!(agent("identityagent ~/agent"), path("/home/al/agent"));
    assert_eq!(
        agent("identityagent $NO_SUCH_VARIABLE_HERE"),
        IdentityAgent::None
    );
    let variable = std::env::var("PATH").unwrap();
    assert_eq!(agent("identityagent $PATH"), path(&variable));
}

#[test]
fn unconfigured_values_are_replaced_by_our_defaults() {
    let unset = host("serveraliveinterval 0\nserveralivecountmax 3\nrequiredrsasize 1024");
    assert_eq!(unset.server_alive_interval, None);
    assert_eq!(unset.server_alive_count_max as usize, KEEPALIVE_COUNT);
    assert_eq!(unset.required_rsa_size, RSA_MIN_BITS);
    let interval = host("serveraliveinterval 30\nserveralivecountmax 3");
    assert_eq!(
        interval.server_alive_interval,
        Some(Duration::from_secs(30))
    );
    assert_eq!(interval.server_alive_count_max, 3);
    let both = host("serveraliveinterval 0\nserveralivecountmax 7\nrequiredrsasize 3072");
    assert_eq!(
        (both.server_alive_count_max, both.required_rsa_size),
        (7, 3072)
    );
}

#[test]
fn words_and_numbers_become_types() {
    let strict =
        |value: &str| host(&format!("stricthostkeychecking {value}")).strict_host_key_checking;
    assert_eq!(strict("true"), StrictHostKeyChecking::Yes);
    assert_eq!(strict("ask"), StrictHostKeyChecking::Ask);
    assert_eq!(strict("accept-new"), StrictHostKeyChecking::AcceptNew);
    assert_eq!(strict("false"), StrictHostKeyChecking::No);
    assert_eq!(
        host("").strict_host_key_checking,
        StrictHostKeyChecking::Ask
    );
    assert_eq!(
        host("addressfamily inet6").address_family,
        AddressFamily::Inet6
    );
    assert_eq!(host("connecttimeout none").connect_timeout, None);
    assert_eq!(
        host("connecttimeout 7").connect_timeout,
        Some(Duration::from_secs(7))
    );
    assert!(host("compression yes").compression && !host("").compression);
    let (bytes, time) = (Some(1024), Some(Duration::from_secs(60)));
    assert_eq!(
        host("rekeylimit 1024 60").rekey_limit,
        RekeyLimit { bytes, time }
    );
    assert_eq!(host("rekeylimit 0 0").rekey_limit, RekeyLimit::default());
    let environment = host("setenv A=b c=d\nsetenv E=\nsendenv LANG\nsendenv -X*");
    assert_eq!(
        environment.set_env,
        [("A".into(), "b c=d".into()), ("E".into(), String::new())]
    );
    assert_eq!(environment.send_env, ["LANG", "-X*"]);
}

#[test]
fn a_value_of_the_wrong_kind_names_its_option() {
    for (lines, option) in [
        ("stricthostkeychecking maybe", "StrictHostKeyChecking"),
        ("addressfamily inet7", "AddressFamily"),
        ("compression 9", "Compression"),
        ("connecttimeout -1", "ConnectTimeout"),
        ("rekeylimit 1", "RekeyLimit"),
        ("setenv A", "SetEnv"),
        ("identityfile /k/%Z", "IdentityFile"),
    ] {
        let error = try_host(lines).unwrap_err().to_string();
        assert!(error.starts_with(option), "{lines}: {error}");
    }
    let nothing = resolved_host(&request(), Settings::default(), &Settings::default());
    assert!(nothing.unwrap_err().to_string().starts_with("HostName"));
}

#[test]
fn methods_are_those_preferred_and_not_switched_off() {
    let cases = [
        ("", "publickey keyboard-interactive password"),
        ("pubkeyauthentication no", "keyboard-interactive password"),
        (
            "pubkeyauthentication unbound",
            "publickey keyboard-interactive password",
        ),
        (
            "passwordauthentication no\nchallengeresponseauthentication no",
            "publickey",
        ),
        (
            "preferredauthentications gssapi-with-mic,password,publickey",
            "password publickey",
        ),
        (
            "preferredauthentications password\npasswordauthentication no",
            "",
        ),
    ];
    for (lines, expected) in cases {
        let host = host(lines);
        assert_eq!(
            host.preferred_authentications.join(" "),
            expected,
            "{lines}"
        );
        assert_eq!(host.unsupported().is_some(), expected.is_empty(), "{lines}");
    }
}

#[test]
fn names_that_could_be_read_as_something_else_rule_out_a_connection() {
    for lines in [
        "hostname a b",
        "hostname *",
        "hostkeyalias a,b",
        "hostkeyalias a b",
        "hostkeyalias @revoked",
    ] {
        let host = host(lines);
        assert!(host.require_supported().is_err(), "{lines}");
    }
    for lines in [
        "hostname ::1",
        "hostname fe80::1%eth0",
        "hostkeyalias [gate]:2222",
        "hostkeyalias a",
    ] {
        assert!(host(lines).require_supported().is_ok(), "{lines}");
    }
}

#[test]
fn parameters_of_the_call_replace_keys_and_jumps() {
    let mut request = request();
    request.private_key_path = Some(PathBuf::from("~/k"));
    request.proxy_jump = Some("none".to_owned());
    let printed = "user al\nhostname web\nport 22\nproxycommand nc %h %p\nidentityfile /other\n";
    let host = resolved_host(&request, Settings::parse(printed), &Settings::default()).unwrap();
    assert_eq!(
        host.identity_files,
        [std::env::home_dir().unwrap().join("k")]
    );
    assert!(host.identity_files_explicit);
    assert_eq!((&host.proxy_jump, &host.proxy_command), (&None, &None));
    assert!(host.require_supported().is_ok());
    request.proxy_jump = Some("al@gate:2222".to_owned());
    let host = resolved_host(&request, Settings::parse(printed), &Settings::default()).unwrap();
    assert_eq!(host.proxy_jump.as_deref(), Some("al@gate:2222"));
    assert_eq!(host.unsupported().unwrap().option, "ProxyJump");
}
