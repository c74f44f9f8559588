//! Parsing one line of a known_hosts file into marker, names and key.

use super::key_text::{KeyTextError, split_field, trim_start};

/// The reason why a line that concerns a host cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineDamage {
    /// A word with `@` that is not a marker, or markers that contradict each other.
    #[error("the marker is unknown")]
    UnknownMarker,
    /// The name field starts like a hashed name but has no valid salt and hash.
    #[error("the hashed name cannot be decoded and may stand for this host")]
    UndecodableName,
    /// The key field is damaged.
    #[error(transparent)]
    Key(#[from] KeyTextError),
}

/// The role of the key on a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marker {
    /// No marker: the key belongs to the host.
    None,
    /// `@cert-authority`: the key certifies host keys.
    CertAuthority,
    /// `@revoked`: the key must not be accepted.
    Revoked,
    /// A word with `@` that is not a marker, or markers that contradict each other.
    Unknown,
}

/// A line that is neither empty nor a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// The role of the key.
    pub(super) marker: Marker,
    /// The name field: patterns or a hash.
    pub(super) names: &'a [u8],
    /// Everything after the names: type, key, comment.
    pub(super) key: &'a [u8],
}

/// Splits a line without its newline into fields. `None` for a comment or a line that names no host.
pub(super) fn parse(line: &[u8]) -> Option<Line<'_>> {
    // OpenSSH stops reading a line at a NUL.
    let end = line.iter().position(|&byte| byte == 0);
    let line = trim_start(line.get(..end.unwrap_or(line.len()))?);
    if line.is_empty() || line.starts_with(b"#") {
        return None;
    }
    let (marker, rest) = markers(line);
    let (names, key) = split_field(rest);
    (!names.is_empty()).then_some(Line { marker, names, key })
}

/// Combines the markers of a line into a single marker and returns the rest of the line.
///
/// S2: markers are read in any case, end in a blank or a tab, and any `@revoked` among several counts,
/// because an overlooked revocation would let a stolen key pass.
fn markers(line: &[u8]) -> (Marker, &[u8]) {
    let (mut found, mut rest) = (Marker::None, line);
    while rest.starts_with(b"@") {
        let (word, after) = split_field(rest);
        found = match (found, marker(word)) {
            (Marker::Revoked, _) | (_, Marker::Revoked) => Marker::Revoked,
            (Marker::None, marker) => marker,
            _ => Marker::Unknown,
        };
        rest = after;
    }
    (found, rest)
}

fn marker(word: &[u8]) -> Marker {
    if word.eq_ignore_ascii_case(b"@revoked") {
        Marker::Revoked
    } else if word.eq_ignore_ascii_case(b"@cert-authority") {
        Marker::CertAuthority
    } else {
        Marker::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_read_more_generously_than_openssh_does() {
        let table = [
            ("h t k", Some((Marker::None, "h", "t k"))),
            (" \th\t t\tk c", Some((Marker::None, "h", "t\tk c"))),
            ("h", Some((Marker::None, "h", ""))),
            ("@revoked h t k", Some((Marker::Revoked, "h", "t k"))),
            ("@REVOKED\th t k", Some((Marker::Revoked, "h", "t k"))),
            (
                "@Cert-Authority\t h t k",
                Some((Marker::CertAuthority, "h", "t k")),
            ),
            (
                "@cert-authority @revoked h t k",
                Some((Marker::Revoked, "h", "t k")),
            ),
            ("@revoked @what h t k", Some((Marker::Revoked, "h", "t k"))),
            ("@what h t k", Some((Marker::Unknown, "h", "t k"))),
            (
                "@cert-authority @cert-authority h t k",
                Some((Marker::Unknown, "h", "t k")),
            ),
            ("@revoked,h t k", Some((Marker::Unknown, "t", "k"))),
            ("@revoked", None),
            ("  # h t k", None),
            ("\t", None),
        ];
        for (text, expected) in table {
            let found = parse(text.as_bytes()).map(|line| (line.marker, line.names, line.key));
            let expected =
                expected.map(|(marker, names, key)| (marker, names.as_bytes(), key.as_bytes()));
            assert_eq!(found, expected, "{text:?}");
        }
    }

    #[test]
    fn a_line_ends_at_a_nul() {
        let line = parse(b"h\0x t k").unwrap();
        assert_eq!((line.names, line.key), (&b"h"[..], &b""[..]));
    }
}
