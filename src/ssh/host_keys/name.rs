//! The names under which a host's keys are recorded.

use super::policy::HostKeyPolicy;
use super::refusal::HostKeyRefusal;
use crate::limits::HOST_KEY_NAME_MAX_BYTES;
use std::net::Ipv6Addr;

/// The port whose number is left out of a recorded name.
const DEFAULT_PORT: u16 = 22;

/// Characters that a name must not contain: those with a meaning in known_hosts (lists, patterns, hashes,
/// markers, comments) and those that OpenSSH refuses in host names because shells interpret them.
const FORBIDDEN: &[u8] = b"@?*#[]|!,'\"\\`$;&<>(){}";

/// The names to look up, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LookupNames {
    /// The name under which keys are recorded: the alias, `host`, or `[host]:port`.
    pub(super) exact: String,
    /// For `[host]:port`: the host alone, which is looked up if the exact name has no entry.
    pub(super) bare: Option<String>,
}

impl LookupNames {
    /// The lookup names of the policy's host, or a refusal if the name is unsafe to write into a file.
    pub(super) fn of(policy: &HostKeyPolicy) -> Result<Self, HostKeyRefusal> {
        let host = checked(&policy.host, is_plain_name)?;
        match &policy.alias {
            Some(alias) => Ok(Self {
                exact: checked(alias, is_alias)?.to_ascii_lowercase(),
                bare: None,
            }),
            None => Ok(Self::of_host(canonical(host), policy.port)),
        }
    }

    /// The names of a host without HostKeyAlias.
    fn of_host(host: String, port: u16) -> Self {
        match port {
            // In OpenSSH, port 0 means that no port is given.
            0 | DEFAULT_PORT => Self {
                exact: host,
                bare: None,
            },
            _ => Self {
                exact: format!("[{host}]:{port}"),
                bare: Some(host),
            },
        }
    }
}

/// The name if the rule allows the name, else a refusal that quotes the name.
fn checked(name: &str, rule: fn(&str) -> bool) -> Result<&str, HostKeyRefusal> {
    if rule(name) && name.len() <= HOST_KEY_NAME_MAX_BYTES {
        Ok(name)
    } else {
        Err(HostKeyRefusal::invalid_name(name))
    }
}

/// Whether a host name or address has only visible characters, none of which could change the meaning of
/// a known_hosts line.
fn is_plain_name(name: &str) -> bool {
    let visible = |c: char| c.is_ascii_graphic() || (!c.is_ascii() && char::is_alphanumeric(c));
    !name.is_empty()
        && !name.starts_with('-')
        && name.chars().all(visible)
        && !name.bytes().any(|byte| FORBIDDEN.contains(&byte))
}

/// Whether a text is valid as HostKeyAlias: a plain name, or `[name]:port` as in known_hosts files.
fn is_alias(alias: &str) -> bool {
    let bracketed = alias
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("]:"));
    match bracketed {
        Some((name, port)) => is_plain_name(name) && port.parse::<u16>().is_ok(),
        None => is_plain_name(alias),
    }
}

/// The host in lower case, and an IPv6 address in canonical form. An IPv6 address with a dotted part is
/// not rewritten, because the C library and the Rust library write such addresses differently.
fn canonical(host: &str) -> String {
    match host.parse::<Ipv6Addr>() {
        Ok(address) if !host.contains('.') => address.to_string(),
        _ => host.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssh::host_keys::tests::policy;

    fn names(host: &str, port: u16, alias: Option<&str>) -> Option<(String, Option<String>)> {
        let policy = HostKeyPolicy {
            port,
            alias: alias.map(str::to_owned),
            ..policy(host)
        };
        LookupNames::of(&policy)
            .ok()
            .map(|names| (names.exact, names.bare))
    }

    #[test]
    fn a_name_has_its_port_only_where_openssh_writes_one() {
        let table = [
            ("Web.Test", 22, None, "web.test", None),
            ("web.test", 0, None, "web.test", None),
            ("Web.Test", 2222, None, "[web.test]:2222", Some("web.test")),
            ("::1", 22, None, "::1", None),
            ("0:0::0001", 2222, None, "[::1]:2222", Some("::1")),
            ("::FFFF:1.2.3.4", 22, None, "::ffff:1.2.3.4", None),
            ("FE80::1%lo", 22, None, "fe80::1%lo", None),
            ("web.test", 2222, Some("Ali-As_1"), "ali-as_1", None),
            ("web.test", 22, Some("[Other]:2222"), "[other]:2222", None),
        ];
        for (host, port, alias, exact, bare) in table {
            let expected = Some((exact.to_owned(), bare.map(str::to_owned)));
            assert_eq!(
                names(host, port, alias),
                expected,
                "{host} {port} {alias:?}"
            );
        }
    }

    #[test]
    fn a_name_that_could_change_a_line_is_refused_as_host_and_as_alias() {
        let long = "a".repeat(256);
        let bad = [
            "",
            "-x",
            "a b",
            "a\tb",
            "a\nb",
            "a\rb",
            "a\0b",
            "a,b",
            "*",
            "a?",
            "!a",
            "|1|a",
            "#a",
            "[a",
            "a]",
            "@revoked",
            "a'b",
            "a\"b",
            "a\\b",
            "a$b",
            "a\u{7f}b",
            "a\u{202e}b",
            "a\u{a0}b",
            "[a,b]:22",
            "[a]:x",
            "[]:22",
            &long,
        ];
        for name in bad {
            assert_eq!(names(name, 22, None), None, "host {name:?}");
            assert_eq!(names("web.test", 22, Some(name)), None, "alias {name:?}");
        }
        assert_eq!(
            names("[a]:22", 22, None),
            None,
            "only an alias has this form"
        );
        assert!(names("möbel.test", 22, None).is_some());
    }
}
