//! Which host keys to ask for, most wanted first: one half of what makes "changed" trustworthy.

use russh::keys::Algorithm;

/// The host-key algorithms to propose. With this list, a server that still has a recorded key shows it,
/// and a key of another type means a change.
///
/// As OpenSSH does: the configured order stays when the user chose it (`explicit`: HostKeyAlgorithms that
/// neither adds to nor removes from the default) or when its first choice is recorded anyway, so that the
/// list tells a listener less about what is recorded; else the recorded types go first. `ssh-rsa`, the
/// signature with SHA-1, is never proposed; a recorded RSA key counts for both rsa-sha2 algorithms.
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
        // A stable sort: within both groups the configured order stays.
        proposed.sort_by_key(|algorithm| !is_recorded(algorithm));
    }
    proposed
}

/// Can a host prove itself with it today?
fn is_usable(algorithm: &Algorithm) -> bool {
    !matches!(algorithm, Algorithm::Rsa { hash: None } | Algorithm::Dsa)
}

/// Does a key of this type make signatures of this algorithm?
fn makes(key: &Algorithm, algorithm: &Algorithm) -> bool {
    match (key, algorithm) {
        (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }) => true,
        (key, algorithm) => key == algorithm,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Algorithms by their names.
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
            // The first choice is recorded: the order tells nothing about the rest.
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
