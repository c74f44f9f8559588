//! The name field of a known_hosts line: a list of patterns, or a single salted hash.

use crate::limits::HOST_PATTERN_MAX_BYTES;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac as _};
use sha1::Sha1;

/// Length of a SHA-1 digest, and of the salt in a hashed name.
const HASH_BYTES: usize = 20;
/// The start of every hashed name.
const HASH_PREFIX: &[u8] = b"|1|";

/// Whether a name field stands for a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameMatch {
    /// The field stands for the name.
    Yes,
    /// The field stands for other names.
    No,
    /// The field starts like a hash but cannot be decoded, so it may stand for any name.
    Unclear,
}

/// Whether the field stands for the name. The name must be in lower case.
pub(super) fn matches(field: &[u8], name: &str) -> NameMatch {
    if field.starts_with(b"|") {
        return match parse_hash(field) {
            None => NameMatch::Unclear,
            Some((salt, hash)) if name_hash(&salt, name) == hash => NameMatch::Yes,
            Some(_) => NameMatch::No,
        };
    }
    if list_matches(field, name.as_bytes()) {
        NameMatch::Yes
    } else {
        NameMatch::No
    }
}

/// Whether the field, which matches the name, stands for no other name.
pub(super) fn is_only(field: &[u8], name: &str) -> bool {
    field.starts_with(b"|") || field.eq_ignore_ascii_case(name.as_bytes())
}

/// The name as `|1|salt|hash`.
pub(super) fn hashed(salt: &[u8; HASH_BYTES], name: &str) -> String {
    let hash = name_hash(salt, name);
    format!("|1|{}|{}", BASE64.encode(salt), BASE64.encode(hash))
}

/// Salt and hash of a field. A list of hashed names is invalid: OpenSSH allows a single hash per line.
fn parse_hash(field: &[u8]) -> Option<([u8; HASH_BYTES], [u8; HASH_BYTES])> {
    let rest = field.strip_prefix(HASH_PREFIX)?;
    let bar = rest.iter().position(|&byte| byte == b'|')?;
    let (salt, hash) = (rest.get(..bar)?, rest.get(bar + 1..)?);
    Some((decode_hash(salt)?, decode_hash(hash)?))
}

/// Decodes the base64 of a digest or salt.
fn decode_hash(text: &[u8]) -> Option<[u8; HASH_BYTES]> {
    BASE64.decode(text).ok()?.try_into().ok()
}

/// HMAC-SHA1 of the name, keyed with the salt.
fn name_hash(salt: &[u8; HASH_BYTES], name: &str) -> [u8; HASH_BYTES] {
    // HMAC pads a key to the block size of the hash, 64 bytes, with zeros (RFC 2104).
    let mut block = [0; 64];
    block[..HASH_BYTES].copy_from_slice(salt);
    let mut mac = <Hmac<Sha1> as KeyInit>::new(&block.into());
    mac.update(name.as_bytes());
    mac.finalize().into_bytes().into()
}

/// Whether a comma-separated list matches: at least one pattern matches and no negated pattern does.
fn list_matches(list: &[u8], name: &[u8]) -> bool {
    let mut found = false;
    for item in list.split(|&byte| byte == b',') {
        let (negated, pattern) = match item.strip_prefix(b"!") {
            Some(pattern) => (true, pattern),
            None => (false, item),
        };
        if pattern.len() > HOST_PATTERN_MAX_BYTES {
            return false;
        }
        if glob(pattern, name) {
            if negated {
                return false;
            }
            found = true;
        }
    }
    found
}

/// Whether a pattern with `*` and `?` matches. As in OpenSSH, there are no character ranges and no CIDR.
///
/// On a mismatch only the last star is retried, so the time is at most pattern length times name length.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut position) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    while let Some(&byte) = name.get(position) {
        match pattern.get(at) {
            Some(b'*') => {
                last_star = Some((at + 1, position));
                at += 1;
            }
            Some(&wanted) if wanted == b'?' || wanted.to_ascii_lowercase() == byte => {
                at += 1;
                position += 1;
            }
            _ => {
                // Let the last star match a byte more and retry the rest of the pattern.
                let Some((after, taken)) = last_star else {
                    return false;
                };
                last_star = Some((after, taken + 1));
                (at, position) = (after, taken + 1);
            }
        }
    }
    pattern.iter().skip(at).all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_patterns_match_as_in_openssh() {
        use NameMatch::{No, Yes};
        let table = [
            ("all.test", "all.test", Yes),
            ("ALL.Test", "all.test", Yes),
            ("foo,all.test,bar", "all.test", Yes),
            ("*.test", "all.test", Yes),
            ("a??.test", "all.test", Yes),
            ("a?.test", "all.test", No),
            ("*", "all.test", Yes),
            ("**l*t", "all.test", Yes),
            ("*l*x", "all.test", No),
            ("!all.test,*.test", "all.test", No),
            ("*.test,!all.test", "all.test", No),
            ("!ed.test", "all.test", No),
            ("!!all.test,*", "all.test", Yes),
            ("a[lx]l.test", "all.test", No),
            ("127.0.0.0/24", "127.0.0.1", No),
            ("[all.test]:22", "all.test", No),
            ("[*]:*", "[all.test]:2222", Yes),
            ("all.test.", "all.test", No),
            (",,", "all.test", No),
            ("", "all.test", No),
        ];
        for (field, name, expected) in table {
            assert_eq!(matches(field.as_bytes(), name), expected, "{field} {name}");
        }
    }

    #[test]
    fn a_list_with_an_overlong_pattern_matches_nothing() {
        let fits = format!("*,{}", "a".repeat(1022));
        let overlong = format!("*,{}", "a".repeat(1023));
        assert_eq!(matches(fits.as_bytes(), "x"), NameMatch::Yes);
        assert_eq!(matches(overlong.as_bytes(), "x"), NameMatch::No);
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let pattern = format!("{}b", "*a".repeat(300));
        assert!(!glob(pattern.as_bytes(), "a".repeat(255).as_bytes()));
    }

    #[test]
    fn known_hashes_match_their_names_only() {
        let foo = b"|1|BMsIC6cUIP2zBuXR3t2LRcJYjzM=|hpkJMysjTk/+zzUUzxQEa2ieq6c=";
        let example = b"|1|O33ESRMWPVkMYIwJ1Uw+n877jTo=|nuuC5vEqXlEZ/8BXQR7m619W6Ak=";
        assert_eq!(matches(foo, "foo.example.com"), NameMatch::Yes);
        assert_eq!(matches(example, "example.com"), NameMatch::Yes);
        assert_eq!(matches(foo, "example.com"), NameMatch::No);
        let again = hashed(b"12345678901234567890", "[a.test]:2222");
        assert_eq!(matches(again.as_bytes(), "[a.test]:2222"), NameMatch::Yes);
    }

    #[test]
    fn a_hash_that_cannot_be_read_stands_for_no_name_and_excludes_none() {
        let good = "|1|BMsIC6cUIP2zBuXR3t2LRcJYjzM=|hpkJMysjTk/+zzUUzxQEa2ieq6c=";
        let bad = [
            "|1|zzz".to_owned(),
            "|2|aaaa|bbbb".to_owned(),
            "|1|c2hvcnQ=|2any/YQVHYaaguWxTTIJEzPR5Rw=".to_owned(),
            format!("{good},foo.example.com"),
            format!("{good},{good}"),
            good[..good.len() - 1].to_owned(),
        ];
        for field in bad {
            let found = matches(field.as_bytes(), "foo.example.com");
            assert_eq!(found, NameMatch::Unclear, "{field}");
        }
    }
}
