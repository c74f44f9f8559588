//! Parsing the text form of a key, `type base64`, in known_hosts lines and in lists of revoked keys.

use crate::limits::{HOST_KEY_TEXT_MAX_BYTES, RSA_RECORDED_MAX_BITS, RSA_RECORDED_MIN_BITS};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, PublicKey};

/// A parsed key field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeyText {
    /// A bare key.
    Key(KeyData),
    /// A certificate, reduced to the certified key. On a plain line, a certificate counts as a recorded key
    /// that equals no bare key. On a `@revoked` line, the certified key is revoked.
    Certificate(KeyData),
}

/// The reason why a text is not a usable key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyTextError {
    /// The key type is not UTF-8.
    #[error("the key type is not text")]
    TypeNotText,
    /// The text ends after the key type.
    #[error("the key is missing")]
    Missing,
    /// The key exceeds [`HOST_KEY_TEXT_MAX_BYTES`].
    #[error("the key is too long")]
    TooLong,
    /// The key is not valid base64.
    #[error("the key is not base64")]
    NotBase64,
    /// The decoded bytes are not a public key.
    #[error("the key cannot be decoded")]
    Undecodable,
    /// The text names a key type that does not exist.
    #[error("the key type is unknown")]
    UnknownType,
    /// The text names another type than the type of the key.
    #[error("the key is not of the type that the line names")]
    OtherType,
    /// Keys of this type cannot be compared: DSA, and types that russh does not know.
    #[error("the key type is not supported")]
    UnsupportedType,
    /// The RSA key is shorter than [`RSA_RECORDED_MIN_BITS`] or longer than [`RSA_RECORDED_MAX_BITS`].
    #[error(
        "the RSA key has fewer than {RSA_RECORDED_MIN_BITS} or more than {RSA_RECORDED_MAX_BITS} bits"
    )]
    RsaSize,
}

impl KeyText {
    /// The key, bare or certified.
    pub(super) fn into_key(self) -> KeyData {
        match self {
            Self::Key(key) | Self::Certificate(key) => key,
        }
    }
}

/// Parses `type base64 [comment]`.
pub(super) fn parse(text: &[u8]) -> Result<KeyText, KeyTextError> {
    let (name, rest) = split_field(text);
    let (encoded, _comment) = split_field(rest);
    let name = std::str::from_utf8(name).map_err(|_| KeyTextError::TypeNotText)?;
    if encoded.is_empty() {
        return Err(KeyTextError::Missing);
    }
    let blob = decode_base64(encoded)?;
    let key = PublicKey::from_bytes(&blob).map_err(|_| KeyTextError::Undecodable)?;
    let (key, algorithm) = match key.key_data() {
        KeyData::Certificate(certificate) => {
            let key = certificate.public_key().clone();
            (KeyText::Certificate(key), Algorithm::new_certificate(name))
        }
        key => (KeyText::Key(key.clone()), Algorithm::new(name)),
    };
    let named = algorithm.map_err(|_| KeyTextError::UnknownType)?;
    check_type_and_size(key, &named)
}

/// The exact size of the modulus in bits. The size in bytes would count a key of 2041 bits as 2048 bits.
pub(super) fn rsa_bits(key: &KeyData) -> Option<u32> {
    let modulus = key.rsa()?.n().as_positive_bytes()?;
    let start = modulus.iter().position(|&byte| byte != 0)?;
    let significant = modulus.get(start..)?;
    let whole = u32::try_from(significant.len()).ok()?.checked_mul(8)?;
    Some(whole - significant.first()?.leading_zeros())
}

/// Splits off the first field; the rest starts with the next field.
pub(super) fn split_field(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(is_blank).unwrap_or(text.len());
    let (field, rest) = text.split_at(end);
    (field, trim_start(rest))
}

/// The text without leading blanks and tabs.
pub(super) fn trim_start(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|byte| is_blank(byte)).count();
    text.get(blanks..).unwrap_or_default()
}

/// Whether a byte separates fields. As in OpenSSH, no other white space does.
fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Decodes base64 strictly, except that white space inside the field is skipped as OpenSSH does: a file
/// with CRLF line endings has a carriage return after the key.
fn decode_base64(text: &[u8]) -> Result<Vec<u8>, KeyTextError> {
    if text.len() > HOST_KEY_TEXT_MAX_BYTES {
        return Err(KeyTextError::TooLong);
    }
    let skipped = |byte: &u8| matches!(byte, b'\r' | 0x0b | 0x0c);
    let text: Vec<u8> = text.iter().copied().filter(|byte| !skipped(byte)).collect();
    BASE64.decode(text).map_err(|_| KeyTextError::NotBase64)
}

/// Passes on a key that has the type that the text names, a supported type, and an accepted RSA size.
fn check_type_and_size(text: KeyText, named: &Algorithm) -> Result<KeyText, KeyTextError> {
    let (KeyText::Key(key) | KeyText::Certificate(key)) = &text;
    let same = match (named, key.algorithm()) {
        // The rsa-sha2 names denote signature algorithms; all of them use the same key.
        (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }) => true,
        (named, found) => *named == found,
    };
    match key {
        _ if !same => Err(KeyTextError::OtherType),
        KeyData::Dsa(_) | KeyData::Certificate(_) | KeyData::Other(_) => {
            Err(KeyTextError::UnsupportedType)
        }
        KeyData::Rsa(_) => match rsa_bits(key) {
            Some(RSA_RECORDED_MIN_BITS..=RSA_RECORDED_MAX_BITS) => Ok(text),
            _ => Err(KeyTextError::RsaSize),
        },
        _ => Ok(text),
    }
}
