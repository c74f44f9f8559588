//! The order in which the client proposes host-key algorithms.
//!
//! A server presents the key of the first proposed algorithm that it supports. Because recorded types come
//! first, a server that presents a key of another type no longer has the recorded key.

use russh::keys::Algorithm;

/// The host-key algorithms to propose, in order.
///
/// As in OpenSSH, the recorded types go first, with two exceptions in which the configured order stays:
///
/// - `explicit`: the user set HostKeyAlgorithms to a complete list, not to changes of the default.
/// - The first configured algorithm is recorded. Keeping the order then tells an eavesdropper less about
///   the recorded types.
///
/// `ssh-rsa`, the signature algorithm with SHA-1, is never proposed. A recorded RSA key counts as recorded
/// for both rsa-sha2 algorithms.
pub fn order_host_key_algorithms(
    recorded: &[Algorithm],
    configured: &[Algorithm],
    explicit: bool,
) -> Vec<Algorithm> {
    let mut proposed = Vec::new();
    for algorithm in configured.iter().filter(|algorithm| is_usable(algorithm)) {
        if !proposed.contains(algorithm) {
            proposed.push(algorithm.clone());
        }
    }
    let is_recorded = |algorithm: &Algorithm| recorded.iter().any(|key| makes(key, algorithm));
    if !explicit && !proposed.first().is_some_and(is_recorded) {
        // The sort is stable: both groups keep the configured order.
        proposed.sort_by_key(|algorithm| !is_recorded(algorithm));
    }
    proposed
}

/// Whether a host may prove its identity with this algorithm. SHA-1 signatures and DSA are broken.
fn is_usable(algorithm: &Algorithm) -> bool {
    !matches!(algorithm, Algorithm::Rsa { hash: None } | Algorithm::Dsa)
}

/// Whether a key of this type makes signatures of this algorithm.
fn makes(key: &Algorithm, algorithm: &Algorithm) -> bool {
    match (key, algorithm) {
        (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }) => true,
        (key, algorithm) => key == algorithm,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn algorithms(names: &str) -> Vec<Algorithm> {
        names
            .split_whitespace()
            .map(|name| Algorithm::new(name).unwrap())
            .collect()
    }

    #[test]
    fn recorded_types_go_first_unless_the_order_is_explicit() {
        let default =
            "ssh-ed25519 ecdsa-sha2-nistp256 ecdsa-sha2-nistp384 rsa-sha2-512 rsa-sha2-256";
        let rsa_first =
            "rsa-sha2-512 rsa-sha2-256 ssh-ed25519 ecdsa-sha2-nistp256 ecdsa-sha2-nistp384";
        let p384_first =
            "ecdsa-sha2-nistp384 ssh-ed25519 ecdsa-sha2-nistp256 rsa-sha2-512 rsa-sha2-256";
        let table = [
            ("", default, false, default),
            ("ssh-rsa", default, false, rsa_first),
            ("ssh-rsa", default, true, default),
            ("ecdsa-sha2-nistp384", default, false, p384_first),
            // The first configured algorithm is recorded: the order stays.
            ("ssh-rsa ssh-ed25519", default, false, default),
            ("ecdsa-sha2-nistp521", default, false, default),
            ("ssh-rsa", "ssh-rsa", false, ""),
            (
                "ssh-rsa",
                "ssh-rsa ssh-ed25519 ssh-dss",
                true,
                "ssh-ed25519",
            ),
            (
                "ssh-rsa",
                "ssh-rsa rsa-sha2-256 rsa-sha2-256",
                false,
                "rsa-sha2-256",
            ),
            ("ssh-rsa", "", false, ""),
        ];
        for (recorded, configured, explicit, expected) in table {
            let proposed =
                order_host_key_algorithms(&algorithms(recorded), &algorithms(configured), explicit);
            assert_eq!(
                proposed,
                algorithms(expected),
                "{recorded} | {configured} | {explicit}"
            );
        }
    }
}
