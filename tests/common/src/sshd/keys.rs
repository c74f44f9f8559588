//! Keys of the host and of its user.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Sshd, public_key_path};
use crate::run;

/// Types of keys that ssh-keygen makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    /// `ssh-ed25519`
    Ed25519,
    /// `ecdsa-sha2-nistp256`
    Ecdsa,
    /// `ssh-rsa`, of 2048 bits because larger ones take seconds to find
    Rsa,
}

impl KeyType {
    /// The name of the type in ssh-keygen and in file names.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::Ecdsa => "ecdsa",
            Self::Rsa => "rsa",
        }
    }

    fn bits(self) -> &'static str {
        match self {
            Self::Ed25519 | Self::Ecdsa => "256",
            Self::Rsa => "2048",
        }
    }
}

/// Makes a key pair at `path`, in place of one that is there.
pub(super) fn generate(path: &Path, key_type: KeyType, passphrase: &str) {
    for old in [path.to_owned(), public_key_path(path)] {
        // There is none the first time.
        let _ = fs::remove_file(old);
    }
    let mut command = Command::new("ssh-keygen");
    command.args([
        "-q",
        "-t",
        key_type.as_str(),
        "-b",
        key_type.bits(),
        "-C",
        "fixture",
        "-N",
        passphrase,
    ]);
    run(command.arg("-f").arg(path).stdin(Stdio::null()));
}

impl Sshd {
    /// The private key that may log in.
    pub fn user_key_path(&self) -> PathBuf {
        self.home()
            .join(".ssh")
            .join(format!("id_{}", self.user_key.as_str()))
    }

    /// Makes another key that may log in; an empty passphrase leaves the key unencrypted.
    pub fn add_user_key(&self, name: &str, key_type: KeyType, passphrase: &str) -> PathBuf {
        let path = self.home().join(".ssh").join(name);
        generate(&path, key_type, passphrase);
        self.authorize(&path);
        path
    }

    /// Lets a key log in, as any user that the server lets in.
    pub fn authorize(&self, private: &Path) {
        let public =
            fs::read(public_key_path(private)).expect("a public key beside the private one");
        let path = self.server_path("authorized_keys");
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(path)
            .expect("own file");
        file.write_all(&public).expect("room for a key");
    }

    /// The public host key of this type, as in its file.
    pub fn host_public_key(&self, key_type: KeyType) -> String {
        let path = public_key_path(&self.host_key_path(key_type));
        fs::read_to_string(path)
            .expect("a key of this type")
            .trim_end()
            .to_owned()
    }

    /// The line of a known_hosts file for the first host key.
    pub fn known_hosts_line(&self) -> String {
        let key_type = self.host_keys.first().expect("at least one host key");
        format!(
            "[127.0.0.1]:{} {}",
            self.port,
            self.host_public_key(*key_type)
        )
    }

    /// Writes a known_hosts file with every host key.
    pub fn write_known_hosts(&self, path: &Path) {
        let line = |key_type: &KeyType| {
            format!(
                "[127.0.0.1]:{} {}\n",
                self.port,
                self.host_public_key(*key_type)
            )
        };
        let lines: String = self.host_keys.iter().map(line).collect();
        fs::write(path, lines).expect("a path to write to");
    }

    pub(super) fn make_host_keys(&self) {
        for key_type in &self.host_keys {
            generate(&self.host_key_path(*key_type), *key_type, "");
        }
    }

    pub(super) fn host_key_path(&self, key_type: KeyType) -> PathBuf {
        self.server_path(&format!("ssh_host_{}_key", key_type.as_str()))
    }
}
