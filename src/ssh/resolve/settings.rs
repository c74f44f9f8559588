//! The output of `ssh -G` split into keywords and values, which are not interpreted yet.

use crate::ssh::peer_text::in_quotes;
use crate::ssh::resolve::error::ResolveError;
use std::fmt::Write as _;
use std::str::FromStr;

/// Old option names, which older versions of OpenSSH and some distributions print, with the current names.
const RENAMED: [(&str, &str); 5] = [
    ("pubkeyacceptedkeytypes", "pubkeyacceptedalgorithms"),
    ("hostbasedkeytypes", "hostbasedacceptedalgorithms"),
    (
        "challengeresponseauthentication",
        "kbdinteractiveauthentication",
    ),
    ("smartcarddevice", "pkcs11provider"),
    ("rsaminsize", "requiredrsasize"),
];

/// The default key files of OpenSSH, for machines without `ssh`.
const DEFAULT_IDENTITIES: [&str; 5] = [
    "id_rsa",
    "id_ecdsa",
    "id_ecdsa_sk",
    "id_ed25519",
    "id_ed25519_sk",
];

/// Keywords in lower case and their values, in the order of the output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Settings {
    lines: Vec<(String, String)>,
}

impl Settings {
    /// Splits each line at the first blank.
    pub(super) fn parse(output: &str) -> Self {
        let lines = output.lines().map(|line| {
            let (keyword, value) = line.split_once(' ').unwrap_or((line, ""));
            let keyword = keyword.to_ascii_lowercase();
            let renamed = RENAMED.iter().find(|(old, _)| *old == keyword);
            let keyword = renamed.map_or(keyword, |(_, new)| (*new).to_owned());
            (keyword, value.to_owned())
        });
        Self {
            lines: lines.filter(|(keyword, _)| !keyword.is_empty()).collect(),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.lines
            .iter()
            .map(|(keyword, value)| (keyword.as_str(), value.as_str()))
    }

    /// All values of an option that may be set several times.
    pub(super) fn all(&self, option: &str) -> impl Iterator<Item = &str> {
        self.iter()
            .filter(move |(keyword, _)| keyword.eq_ignore_ascii_case(option))
            .map(|(_, value)| value)
    }

    /// The first value of an option.
    pub(super) fn first(&self, option: &str) -> Option<&str> {
        self.all(option).next()
    }

    /// The first value of an option, unless the value is `none`.
    pub(super) fn set(&self, option: &str) -> Option<&str> {
        self.first(option)
            .filter(|value| !value.eq_ignore_ascii_case("none"))
    }

    /// Replaces all values of an option by `value`.
    pub(super) fn replace(&mut self, option: &str, value: Option<&str>) {
        self.lines
            .retain(|(keyword, _)| !keyword.eq_ignore_ascii_case(option));
        if let Some(value) = value {
            self.lines
                .push((option.to_ascii_lowercase(), value.to_owned()));
        }
    }

    /// The value of an option as a number; `None` for `none` or an absent option.
    pub(super) fn number<T: FromStr>(
        &self,
        option: &'static str,
    ) -> Result<Option<T>, ResolveError> {
        let parse = |value: &str| {
            value
                .parse()
                .map_err(|_| bad_value(option, value, "not a number in range"))
        };
        self.set(option).map(parse).transpose()
    }

    /// The value of a yes/no option; `default` for an absent option.
    pub(super) fn flag(&self, option: &'static str, default: bool) -> Result<bool, ResolveError> {
        match self.first(option) {
            None => Ok(default),
            Some("yes" | "true") => Ok(true),
            Some("no" | "false") => Ok(false),
            Some(other) => Err(bad_value(option, other, "neither yes nor no")),
        }
    }
}

/// The error for a value that cannot be used.
pub(super) fn bad_value(option: &'static str, value: &str, why: impl Into<String>) -> ResolveError {
    ResolveError::Value {
        option,
        value: in_quotes(value),
        why: why.into(),
    }
}

/// The lines that `ssh -G` would print without any configuration, except lines whose default the parser knows.
pub(super) fn without_ssh(host: &str, username: &str, port: Option<u16>) -> Settings {
    let mut output = format!("user {username}\nhostname {}\n", host.to_lowercase());
    let mut line = |keyword: &str, value: &str| {
        let written = writeln!(output, "{keyword} {value}");
        debug_assert!(written.is_ok(), "a String takes every write");
    };
    line("port", &port.unwrap_or(22).to_string());
    for name in DEFAULT_IDENTITIES {
        line("identityfile", &format!("~/.ssh/{name}"));
    }
    Settings::parse(&output)
}
