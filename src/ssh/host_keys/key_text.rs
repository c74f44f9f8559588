//! A key as text: type and base64, as in known_hosts lines and in lists of revoked keys.

use crate::limits::{HOST_KEY_TEXT_MAX_BYTES, RSA_RECORDED_MAX_BITS, RSA_RECORDED_MIN_BITS};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, PublicKey};

/// What stands in a line as key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeyText {
    /// A bare key.
    Key(KeyData),
    /// A certificate, reduced to the key that it certifies. In a plain line it equals no key, and yet it
    /// counts as recorded; a revoked one revokes its key.
    Certificate(KeyData),
}

impl KeyText {
    /// The key, bare or certified.
    pub(super) fn into_key(self) -> KeyData {
        match self {
            Self::Key(key) | Self::Certificate(key) => key,
        }
    }
}

/// Reads `type base64 [comment]`; the error says in a few words what is wrong with it.
pub(super) fn parse(text: &[u8]) -> Result<KeyText, &'static str> {
    let (name, rest) = split_field(text);
    let (encoded, _comment) = split_field(rest);
    let name = std::str::from_utf8(name).map_err(|_| "its key type is not text")?;
    if encoded.is_empty() {
        return Err("it has no key");
    }
    let blob = decode_base64(encoded)?;
    let key = PublicKey::from_bytes(&blob).map_err(|_| "its key cannot be decoded")?;
    let (key, algorithm) = match key.key_data() {
        KeyData::Certificate(certificate) => {
            let key = certificate.public_key().clone();
            (KeyText::Certificate(key), Algorithm::new_certificate(name))
        }
        key => (KeyText::Key(key.clone()), Algorithm::new(name)),
    };
    let named = algorithm.map_err(|_| "its key type is unknown")?;
    check(key, &named)
}

/// The modulus' size in bits, to the bit: a key of 2041 bits is not one of 2048.
pub(super) fn rsa_bits(key: &KeyData) -> Option<u32> {
    let modulus = key.rsa()?.n().as_positive_bytes()?;
    let start = modulus.iter().position(|&byte| byte != 0)?;
    let significant = modulus.get(start..)?;
    let whole = u32::try_from(significant.len()).ok()?.checked_mul(8)?;
    Some(whole - significant.first()?.leading_zeros())
}

/// The first field and what follows the blanks after it.
pub(super) fn split_field(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(is_blank).unwrap_or(text.len());
    let (field, rest) = text.split_at(end);
    (field, trim_start(rest))
}

/// The text without the blanks that it begins with.
pub(super) fn trim_start(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|byte| is_blank(byte)).count();
    text.get(blanks..).unwrap_or_default()
}

/// What separates fields: a blank or a tab, and no other white space.
fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Strict base64, but for the white space inside a field that OpenSSH skips: the carriage return at the
/// end of a file from elsewhere.
fn decode_base64(text: &[u8]) -> Result<Vec<u8>, &'static str> {
    if text.len() > HOST_KEY_TEXT_MAX_BYTES {
        return Err("its key is too long");
    }
    let skipped = |byte: &u8| matches!(byte, b'\r' | 0x0b | 0x0c);
    let text: Vec<u8> = text.iter().copied().filter(|byte| !skipped(byte)).collect();
    BASE64.decode(text).map_err(|_| "its key is not base64")
}

/// The type that the line names has to be that of the key, and one that this program can compare.
fn check(text: KeyText, named: &Algorithm) -> Result<KeyText, &'static str> {
    let (KeyText::Key(key) | KeyText::Certificate(key)) = &text;
    let same = match (named, key.algorithm()) {
        // The rsa-sha2 names are names of signatures: the key is the same.
        (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }) => true,
        (named, found) => *named == found,
    };
    match key {
        _ if !same => Err("its key is not of the type that it names"),
        KeyData::Dsa(_) | KeyData::Certificate(_) | KeyData::Other(_) => {
            Err("its key type is not supported")
        }
        KeyData::Rsa(_) => match rsa_bits(key) {
            Some(RSA_RECORDED_MIN_BITS..=RSA_RECORDED_MAX_BITS) => Ok(text),
            _ => Err("its rsa key has a size that is not accepted"),
        },
        _ => Ok(text),
    }
}
