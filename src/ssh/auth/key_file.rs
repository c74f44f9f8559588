//! Private key files: OpenSSH, PKCS#1, PKCS#8 and PuTTY formats, encrypted or not.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::keys::{self, PrivateKey, PublicKey};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::error::ErrorCode;
use crate::limits;
use crate::ssh::credentials::Secret;
use crate::ssh::peer_text::one_line;

/// A key file that was read; without the private part only the public key is known.
pub(crate) struct LoadedKey {
    pub(crate) path: PathBuf,
    pub(crate) public: PublicKey,
    pub(crate) private: Option<Arc<PrivateKey>>,
}

/// Why a key file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyFileError {
    /// There is no such file.
    #[error("private key file {} does not exist; check privateKeyPath or IdentityFile", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("private key file {} cannot be read: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's words, or the kind of file.
        reason: String,
    },
    /// Others may read the file; OpenSSH refuses such keys too.
    #[error("private key file {} can be read by others (mode {mode:04o}) and is not used, as in OpenSSH; run: chmod 600 {}", path.display(), path.display())]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is encrypted and no passphrase was given.
    #[error("private key file {} is encrypted; load it into ssh-agent (ssh-add), or call ssh_connect with passphrase", path.display())]
    Encrypted {
        /// The file.
        path: PathBuf,
        /// Its public key where the format shows it.
        public: Option<Box<PublicKey>>,
    },
    /// The passphrase does not decrypt the file.
    #[error("the passphrase does not decrypt private key file {}; check it", path.display())]
    WrongPassphrase {
        /// The file.
        path: PathBuf,
    },
    /// The content is no private key.
    #[error("{} is not a private key that can be used: {reason}", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
        /// Description of the content.
        reason: String,
    },
}

impl KeyFileError {
    /// The stable code of a tool error that carries this failure.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Encrypted { .. } | Self::WrongPassphrase { .. } => ErrorCode::AuthFailed,
            _ => ErrorCode::LocalPathError,
        }
    }

    /// The public key of an encrypted file, which the agent may hold.
    pub(crate) fn public_key(&self) -> Option<PublicKey> {
        match self {
            Self::Encrypted { public, .. } => public.as_deref().cloned(),
            _ => None,
        }
    }

    /// A few words for the list of tried credentials.
    pub(crate) fn brief(&self) -> String {
        match self {
            Self::Missing { path } => format!("{} (missing)", path.display()),
            Self::Unreadable { path, reason } => format!("{} ({reason})", path.display()),
            Self::TooOpen { path, mode } => format!(
                "{} (skipped: readable by others, mode {mode:04o})",
                path.display()
            ),
            Self::Encrypted { path, .. } => {
                format!("{} (skipped: encrypted, no passphrase)", path.display())
            }
            Self::WrongPassphrase { path } => {
                format!("{} (skipped: encrypted, wrong passphrase)", path.display())
            }
            Self::NotAKey { path, .. } => {
                format!("{} (skipped: not a private key)", path.display())
            }
        }
    }
}

/// Reads and decrypts a key file. Decryption takes a second of CPU by design and therefore runs on its own thread.
pub(crate) async fn load(
    path: PathBuf,
    passphrase: Option<Secret>,
) -> Result<LoadedKey, KeyFileError> {
    let shown = path.clone();
    let loaded =
        tokio::task::spawn_blocking(move || load_blocking(path, passphrase.as_ref())).await;
    loaded.unwrap_or_else(|error| {
        Err(KeyFileError::NotAKey {
            path: shown,
            reason: error.to_string(),
        })
    })
}

/// The public key in a `.pub` file, also without the private key: the agent or a security key may hold that.
pub(crate) async fn public_half(path: PathBuf) -> Option<PublicKey> {
    let found = tokio::task::spawn_blocking(move || {
        let beside = PathBuf::from(format!("{}.pub", path.display()));
        [path, beside].iter().find_map(|path| public_key(path))
    });
    found.await.ok().flatten()
}

fn public_key(path: &Path) -> Option<PublicKey> {
    let (file, metadata) = open(path).ok()?;
    let small = metadata.is_file() && metadata.len() <= limits::KEY_FILE_MAX_BYTES;
    let text = small.then(|| read_text(file).ok()).flatten()?;
    PublicKey::from_openssh(text.trim()).ok()
}

fn load_blocking(path: PathBuf, passphrase: Option<&Secret>) -> Result<LoadedKey, KeyFileError> {
    let text = read(&path)?;
    let private = decode(&path, &text, passphrase)?;
    let public = private.public_key().clone();
    Ok(LoadedKey {
        path,
        public,
        private: Some(Arc::new(private)),
    })
}

/// Opens without blocking on a FIFO.
fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(nonblock)
        .open(path)?;
    let metadata = file.metadata()?;
    Ok((file, metadata))
}

/// Reads at most the size that a key can have.
fn read(path: &Path) -> Result<Zeroizing<String>, KeyFileError> {
    let unreadable = |reason: String| KeyFileError::Unreadable {
        path: path.to_owned(),
        reason,
    };
    let (file, metadata) = open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => KeyFileError::Missing {
            path: path.to_owned(),
        },
        _ => unreadable(error.to_string()),
    })?;
    if !metadata.is_file() {
        return Err(unreadable("it is not a regular file".to_owned()));
    }
    if metadata.len() > limits::KEY_FILE_MAX_BYTES {
        return Err(unreadable(format!(
            "it has {} bytes, which no key has",
            metadata.len()
        )));
    }
    check_mode(path, &metadata)?;
    read_text(file).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => KeyFileError::NotAKey {
            path: path.to_owned(),
            reason: "it is not text".to_owned(),
        },
        _ => unreadable(error.to_string()),
    })
}

/// As OpenSSH's `sshkey_perm_ok`: only for files of our own.
fn check_mode(path: &Path, metadata: &Metadata) -> Result<(), KeyFileError> {
    let mode = metadata.mode() & 0o777;
    if metadata.uid() == rustix::process::getuid().as_raw() && mode & 0o077 != 0 {
        return Err(KeyFileError::TooOpen {
            path: path.to_owned(),
            mode,
        });
    }
    Ok(())
}

fn read_text(file: File) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    file.take(limits::KEY_FILE_MAX_BYTES)
        .read_to_string(&mut text)?;
    Ok(text)
}

fn decode(
    path: &Path,
    text: &str,
    passphrase: Option<&Secret>,
) -> Result<PrivateKey, KeyFileError> {
    let path = path.to_owned();
    if text.contains("PRIVATE KEY-----") || text.starts_with("PuTTY-User-Key-File-") {
        let encrypted = is_encrypted(text);
        return match keys::decode_secret_key(text, passphrase.map(Secret::expose)) {
            Ok(key) if key.is_encrypted() => Err(encrypted_error(path, text)),
            Ok(key) => Ok(key),
            Err(_) if encrypted && passphrase.is_none() => Err(encrypted_error(path, text)),
            Err(_) if encrypted => Err(KeyFileError::WrongPassphrase { path }),
            Err(error) => Err(KeyFileError::NotAKey {
                path,
                reason: one_line(&error.to_string()),
            }),
        };
    }
    let reason =
        if text.starts_with("ssh-") || text.starts_with("ecdsa-") || text.starts_with("sk-") {
            "it is a public key; name the file without .pub"
        } else {
            "it has no PRIVATE KEY header"
        };
    Err(KeyFileError::NotAKey {
        path,
        reason: reason.to_owned(),
    })
}

fn encrypted_error(path: PathBuf, text: &str) -> KeyFileError {
    let public = PrivateKey::from_openssh(text)
        .ok()
        .map(|key| Box::new(key.public_key().clone()));
    KeyFileError::Encrypted { path, public }
}

fn is_encrypted(text: &str) -> bool {
    text.contains("BEGIN ENCRYPTED PRIVATE KEY")
        || text.contains("Proc-Type: 4,ENCRYPTED")
        || (text.starts_with("PuTTY-User-Key-File-") && !text.contains("Encryption: none"))
        || PrivateKey::from_openssh(text).is_ok_and(|key| key.is_encrypted())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn file(directory: &tempfile::TempDir, name: &str, content: &str, mode: u32) -> PathBuf {
        let path = directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn error(path: &Path) -> KeyFileError {
        load_blocking(path.to_owned(), None)
            .err()
            .expect("must be refused")
    }

    #[test]
    fn what_is_no_usable_key_file_is_refused_with_its_reason() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("missing");
        assert!(matches!(error(&missing), KeyFileError::Missing { .. }));
        assert!(
            error(directory.path())
                .to_string()
                .contains("not a regular file")
        );
        assert!(matches!(
            error(&file(&directory, "open", "x", 0o644)),
            KeyFileError::TooOpen { mode: 0o644, .. }
        ));
        let public = file(&directory, "k.pub", "ssh-ed25519 AAAA x", 0o600);
        assert!(
            error(&public).to_string().contains("public key"),
            "{}",
            error(&public)
        );
        assert!(
            error(&file(&directory, "text", "hello", 0o600))
                .to_string()
                .contains("no PRIVATE KEY header")
        );
        let torn = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n";
        assert!(matches!(
            error(&file(&directory, "torn", torn, 0o600)),
            KeyFileError::NotAKey { .. }
        ));
    }

    #[test]
    fn a_fifo_does_not_block() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fifo");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            0o600.into(),
            0,
        )
        .unwrap();
        assert!(matches!(error(&path), KeyFileError::Unreadable { .. }));
    }
}
