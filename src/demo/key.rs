//! New keys for the servers and users of a demo.

use russh::keys::PrivateKey;
use russh::keys::ssh_key::private::Ed25519Keypair;

/// A new Ed25519 key, for a server or a user of a single run.
pub fn generate_key() -> PrivateKey {
    // From a seed, because the key crate uses another version of `rand`.
    PrivateKey::from(Ed25519Keypair::from_seed(&rand::random()))
}
