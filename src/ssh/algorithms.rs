//! Conversion of algorithm names from `ssh -G` into russh's preferences.
//!
//! Only configured algorithms are used. Algorithms that russh lacks are left out; if none remains, connecting
//! fails, so that a hardened configuration is never weakened silently. The configured order is kept with one
//! exception: if the user has not configured ciphers, AES-GCM goes first. AES-GCM is faster on CPUs with AES
//! instructions and not vulnerable to prefix truncation (CVE-2023-48795) by servers without strict key
//! exchange.

use std::borrow::Cow;

use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::{Preferred, cipher, kex};

use super::error::SshError;
use super::resolve::{AlgorithmList, RekeyLimit, ResolvedHost};

/// The supported host-key algorithms. `ssh-rsa` with SHA-1 and DSA are absent on purpose: OpenSSH dropped them
/// in 8.8 and 10.0.
const HOST_KEY_ALGORITHMS: &[(&str, Algorithm)] = &[
    ("ssh-ed25519", Algorithm::Ed25519),
    (
        "ecdsa-sha2-nistp256",
        Algorithm::Ecdsa {
            curve: EcdsaCurve::NistP256,
        },
    ),
    (
        "ecdsa-sha2-nistp384",
        Algorithm::Ecdsa {
            curve: EcdsaCurve::NistP384,
        },
    ),
    (
        "ecdsa-sha2-nistp521",
        Algorithm::Ecdsa {
            curve: EcdsaCurve::NistP521,
        },
    ),
    (
        "rsa-sha2-512",
        Algorithm::Rsa {
            hash: Some(HashAlg::Sha512),
        },
    ),
    (
        "rsa-sha2-256",
        Algorithm::Rsa {
            hash: Some(HashAlg::Sha256),
        },
    ),
];

/// OpenSSH's default ciphers, for machines without `ssh`.
const CIPHERS: &[cipher::Name] = &[
    cipher::CHACHA20_POLY1305,
    cipher::AES_128_GCM,
    cipher::AES_256_GCM,
    cipher::AES_128_CTR,
    cipher::AES_192_CTR,
    cipher::AES_256_CTR,
];

/// Protocol extensions that russh announces in the list of key-exchange algorithms: strict key exchange and
/// EXT_INFO (RFC 8308).
const KEX_EXTENSIONS: [kex::Name; 2] = [
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
];

/// The configured host-key algorithms that this program supports, in the configured order.
pub(crate) fn host_key_algorithms(configured: &AlgorithmList) -> Result<Vec<Algorithm>, SshError> {
    if configured.names.is_empty() {
        return Ok(HOST_KEY_ALGORITHMS
            .iter()
            .map(|(_, algorithm)| algorithm.clone())
            .collect());
    }
    let known = configured
        .names
        .iter()
        .filter_map(|name| HOST_KEY_ALGORITHMS.iter().find(|(known, _)| known == name))
        .map(|(_, algorithm)| algorithm.clone());
    not_empty("HostKeyAlgorithms", configured, known.collect())
}

/// The preferences for all negotiated algorithms. `keys` are the host-key algorithms in their final order.
pub(crate) fn preferred(host: &ResolvedHost, keys: Vec<Algorithm>) -> Result<Preferred, SshError> {
    let default = Preferred::DEFAULT;
    let mut kex = usable("KexAlgorithms", &host.kex_algorithms, &default.kex)?;
    kex.retain(|name| !KEX_EXTENSIONS.contains(name));
    kex.extend(KEX_EXTENSIONS);
    let mut ciphers = usable("Ciphers", &host.ciphers, CIPHERS)?;
    if !host.ciphers.explicit {
        ciphers = gcm_first(ciphers);
    }
    Ok(Preferred {
        kex: Cow::Owned(kex),
        key: Cow::Owned(keys),
        host_key_certificates: Cow::Borrowed(&[]),
        cipher: Cow::Owned(ciphers),
        mac: Cow::Owned(usable("MACs", &host.macs, &default.mac)?),
        compression: Cow::Borrowed(&[russh::compression::NONE]),
    })
}

/// The configured algorithms that russh supports; `own` on a machine without `ssh`.
fn usable<T>(option: &str, configured: &AlgorithmList, own: &[T]) -> Result<Vec<T>, SshError>
where
    T: Clone + for<'a> TryFrom<&'a str>,
{
    if configured.names.is_empty() {
        return Ok(own.to_vec());
    }
    let known = configured
        .names
        .iter()
        .filter_map(|name| T::try_from(name.as_str()).ok());
    not_empty(option, configured, known.collect())
}

fn not_empty<T>(
    option: &str,
    configured: &AlgorithmList,
    usable: Vec<T>,
) -> Result<Vec<T>, SshError> {
    if usable.is_empty() {
        return Err(SshError::Config(format!(
            "{option} in the ssh configuration allows only {}, none of which this program supports; allow another algorithm for this host",
            configured.names.join(",")
        )));
    }
    Ok(usable)
}

fn gcm_first(ciphers: Vec<cipher::Name>) -> Vec<cipher::Name> {
    let is_gcm = |name: &cipher::Name| matches!(*name, cipher::AES_128_GCM | cipher::AES_256_GCM);
    let (gcm, rest): (Vec<_>, Vec<_>) = ciphers.into_iter().partition(is_gcm);
    gcm.into_iter().chain(rest).collect()
}

/// The configured RekeyLimit, or russh's default (RFC 4253 section 9: 1 GiB, an hour).
pub(crate) fn rekey_limits(limit: RekeyLimit) -> russh::Limits {
    let mut limits = russh::Limits::default();
    if let Some(bytes) = limit.bytes.filter(|bytes| *bytes > 0) {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX).min(1 << 30);
        limits.rekey_read_limit = bytes;
        limits.rekey_write_limit = bytes;
    }
    if let Some(time) = limit.time.filter(|time| !time.is_zero()) {
        limits.rekey_time_limit = time;
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> AlgorithmList {
        AlgorithmList {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            explicit: true,
        }
    }

    #[test]
    fn sha1_rsa_is_never_proposed() {
        let usable = host_key_algorithms(&list(&["ssh-rsa", "rsa-sha2-256", "ssh-dss"])).unwrap();
        assert_eq!(
            usable,
            [Algorithm::Rsa {
                hash: Some(HashAlg::Sha256)
            }]
        );
    }

    #[test]
    fn a_list_without_anything_usable_is_an_error_that_names_it() {
        let error = host_key_algorithms(&list(&["ssh-dss"])).unwrap_err();
        assert!(
            error.to_string().contains("HostKeyAlgorithms")
                && error.to_string().contains("ssh-dss")
        );
    }

    #[test]
    fn without_ssh_our_own_lists_are_used_and_gcm_goes_first() {
        let own = usable("Ciphers", &AlgorithmList::default(), CIPHERS).unwrap();
        assert_eq!(
            gcm_first(own)[..3],
            [
                cipher::AES_128_GCM,
                cipher::AES_256_GCM,
                cipher::CHACHA20_POLY1305
            ]
        );
    }
}
