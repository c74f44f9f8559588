//! One line of a known_hosts file: marker, names, key.

use super::key_text::{split_field, trim_start};

/// What a line says about its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marker {
    /// No marker: the key is the host's.
    None,
    /// `@cert-authority`: the key certifies host keys.
    CertAuthority,
    /// `@revoked`: the key must not be accepted.
    Revoked,
    /// A word that is no marker, or markers that do not go together.
    Unknown,
}

/// A line that is neither empty nor a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// What it says about its key.
    pub(super) marker: Marker,
    /// The name field: patterns or a hash.
    pub(super) names: &'a [u8],
    /// Everything after the names: type, key, comment.
    pub(super) key: &'a [u8],
}

/// Splits a line, without its newline; nothing for a line that names no host.
pub(super) fn parse(line: &[u8]) -> Option<Line<'_>> {
    // For OpenSSH a line ends at a NUL.
    let end = line.iter().position(|&byte| byte == 0);
    let line = trim_start(line.get(..end.unwrap_or(line.len()))?);
    if line.is_empty() || line.starts_with(b"#") {
        return None;
    }
    let (marker, rest) = markers(line);
    let (names, key) = split_field(rest);
    (!names.is_empty()).then_some(Line { marker, names, key })
}

/// The markers of a line as one. S2: words in any case, ended by a blank or a tab, and a `@revoked` among
/// several counts, because a revocation that is overlooked is the worst way to misread a line.
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

/// One marker word.
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
