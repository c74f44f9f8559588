//! The name of a session: 1-64 of `A-Z a-z 0-9 . _ -`.
//!
//! Names stand in job names, metric labels, log lines and the store file; the rule keeps all of them free of
//! quoting. A name is never used as a path, so `.` and `..` are names like any other.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use crate::limits::{QUOTED_TEXT_MAX_CHARS, SESSION_NAME_MAX_CHARS};

/// Name given to a session when its host has no character that a name may have.
const FALLBACK: &str = "session";

/// A valid session name; cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct SessionName(Arc<str>);

/// A text that is no session name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{quoted} is not a session name: use 1 to {SESSION_NAME_MAX_CHARS} of the characters A-Z a-z 0-9 . _ -"
)]
pub struct SessionNameError {
    /// The refused text, escaped and cut.
    quoted: String,
}

impl SessionName {
    /// Accepts a valid name unchanged.
    pub fn parse(text: &str) -> Result<Self, SessionNameError> {
        let fits = (1..=SESSION_NAME_MAX_CHARS).contains(&text.len());
        if fits && text.chars().all(is_name_char) {
            Ok(Self(Arc::from(text)))
        } else {
            Err(SessionNameError {
                quoted: quoted(text),
            })
        }
    }

    /// The name of a session whose caller gave none: the host as given, made valid.
    ///
    /// A host that is a valid name stays unchanged. In any other host, `-` replaces each character that a name
    /// cannot have, and is trimmed from both ends: `user@host:22` is `user-host-22`, `[::1]:22` is `1--22`.
    pub fn from_host(host: &str) -> Self {
        if let Ok(name) = Self::parse(host) {
            return name;
        }
        let replaced: String = host
            .chars()
            .map(|c| if is_name_char(c) { c } else { '-' })
            .collect();
        let trimmed = replaced.trim_matches('-');
        let cut = trimmed
            .get(..SESSION_NAME_MAX_CHARS)
            .unwrap_or(trimmed)
            .trim_end_matches('-');
        Self(Arc::from(if cut.is_empty() { FALLBACK } else { cut }))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a name may have this character.
const fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

/// Foreign text for a message: in quotes, on a single line, invisible characters escaped, cut.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED_TEXT_MAX_CHARS) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}... ({} bytes)", &text[..end], text.len()),
    }
}

impl fmt::Display for SessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for SessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl AsRef<str> for SessionName {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for SessionName {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl FromStr for SessionName {
    type Err = SessionNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for SessionName {
    type Error = SessionNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl Serialize for SessionName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_follow_the_rule() {
        let longest = "a".repeat(64);
        for good in [
            "a",
            "web-1",
            "A.b_c",
            "-x",
            ".",
            "..",
            "0",
            longest.as_str(),
        ] {
            assert_eq!(SessionName::parse(good).unwrap().as_str(), good);
        }
        let too_long = "a".repeat(65);
        for bad in [
            "",
            " ",
            "a b",
            "a/b",
            "a:22",
            "ü",
            "a\n",
            "a\0",
            "\u{202e}",
            "①",
            too_long.as_str(),
        ] {
            assert!(SessionName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn refusal_quotes_the_value_escaped_and_bounded() {
        let text = SessionName::parse("a\u{1b}[31m\n\u{202e}b")
            .unwrap_err()
            .to_string();
        assert!(
            text.starts_with(r#""a\u{1b}[31m\n\u{202e}b" is not a session name: "#),
            "{text}"
        );
        assert!(
            text.contains("1 to 64") && text.contains("A-Z a-z 0-9 . _ -"),
            "{text}"
        );
        let text = SessionName::parse(&"ä".repeat(100_000))
            .unwrap_err()
            .to_string();
        assert!(text.chars().count() < 400, "{}", text.len());
        assert!(text.contains("(200000 bytes)"), "{text}");
    }

    #[test]
    fn host_becomes_a_name() {
        let long = format!("{}.example.org:22", "h".repeat(70));
        let cases = [
            ("web", "web"),
            ("-web-", "-web-"),
            ("user@host:22", "user-host-22"),
            ("[2001:db8::1]:22", "2001-db8--1--22"),
            ("ssh://user@host:2222", "ssh---user-host-2222"),
            ("ü", "session"),
            ("", "session"),
            ("@@@", "session"),
            (long.as_str(), &"h".repeat(64)),
        ];
        for (host, name) in cases {
            assert_eq!(SessionName::from_host(host).as_str(), name, "{host}");
        }
    }

    #[test]
    fn json_is_validated() {
        let name: SessionName = serde_json::from_str(r#""web""#).unwrap();
        assert_eq!(serde_json::to_string(&name).unwrap(), r#""web""#);
        let error = serde_json::from_str::<SessionName>(r#""a b""#)
            .unwrap_err()
            .to_string();
        assert!(error.contains("is not a session name"), "{error}");
        assert!(serde_json::from_str::<SessionName>("7").is_err());
    }

    proptest! {
        #[test]
        fn every_host_gives_a_valid_name_that_stays(host in any::<String>()) {
            let name = SessionName::from_host(&host);
            prop_assert_eq!(SessionName::parse(name.as_str()).unwrap(), name.clone());
            prop_assert_eq!(SessionName::from_host(name.as_str()), name);
        }
    }
}
