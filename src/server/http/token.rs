//! The bearer token: read from a file, compared in constant time, never shown.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::limits;

/// Only the owner may read it.
const MODE: u32 = 0o600;

/// The token that every request has to carry.
pub struct Token {
    text: Zeroizing<String>,
    path: PathBuf,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("path", &self.path).finish()
    }
}

/// A token file that cannot be used.
#[derive(Debug, Error)]
pub enum TokenError {
    /// The file can be neither read nor created.
    #[error("the token file {path} cannot be {action}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// `read` or `created`.
        action: &'static str,
        /// The system's error.
        error: io::Error,
    },
    /// The content is no token.
    #[error(
        "the token file {path} must hold one token of {min} to {max} printable ASCII characters without blanks; delete the file to have a token created",
        min = limits::TOKEN_MIN_BYTES,
        max = limits::TOKEN_MAX_BYTES
    )]
    Content {
        /// The file.
        path: PathBuf,
    },
}

impl Token {
    /// Reads the token from a file; creates both if there is no file.
    pub fn read_or_create(path: &Path) -> Result<Self, TokenError> {
        match read(path) {
            Ok(text) => Self::new(&text, path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(path),
            Err(error) => Err(file_error(path, "read", error)),
        }
    }

    fn new(text: &str, path: &Path) -> Result<Self, TokenError> {
        let text = text.trim();
        let is_token = text.len() >= limits::TOKEN_MIN_BYTES
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_token {
            return Err(TokenError::Content {
                path: path.to_owned(),
            });
        }
        Ok(Self {
            text: Zeroizing::new(text.to_owned()),
            path: path.to_owned(),
        })
    }

    fn create(path: &Path) -> Result<Self, TokenError> {
        let text = Zeroizing::new(format!("{:064x}", Wide(rand::random())));
        let mut options = std::fs::OpenOptions::new();
        // Never replaces a file that another process created meanwhile.
        options.write(true).create_new(true).mode(MODE);
        let written = options
            .open(path)
            .and_then(|mut file| file.write_all(format!("{}\n", *text).as_bytes()));
        written.map_err(|error| file_error(path, "created", error))?;
        eprintln!("created a token in {}", path.display());
        Self::new(&text, path)
    }

    /// Path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether `given` is the token, in a time that does not depend on the number of matching bytes.
    pub(super) fn is(&self, given: &[u8]) -> bool {
        self.text.as_bytes().ct_eq(given).into()
    }
}

/// 256 random bits.
struct Wide([u128; 2]);

impl fmt::LowerHex for Wide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [high, low] = self.0;
        write!(f, "{high:032x}{low:032x}")
    }
}

fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    let file = std::fs::File::open(path)?;
    let mode = file.metadata()?.permissions().mode();
    if mode & 0o077 != 0 {
        eprintln!(
            "warning: other users may read the token file {}; run: chmod 600 {0}",
            path.display()
        );
    }
    let mut text = Zeroizing::new(String::new());
    file.take(limits::TOKEN_MAX_BYTES)
        .read_to_string(&mut text)?;
    Ok(text)
}

fn file_error(path: &Path, action: &'static str, error: io::Error) -> TokenError {
    TokenError::File {
        path: path.to_owned(),
        action,
        error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_made_for_its_owner_alone_and_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let made = Token::read_or_create(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.trim().len(), 64);
        assert!(made.is(text.trim().as_bytes()));
        assert!(
            Token::read_or_create(&path)
                .unwrap()
                .is(text.trim().as_bytes())
        );
        assert!(!format!("{made:?}").contains(text.trim()));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        for text in [
            "",
            "short",
            "two words that are long enough",
            "ünprintable-characters",
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Token::read_or_create(&path).unwrap_err().to_string();
            assert!(error.contains("must hold one token"), "{text:?}: {error}");
        }
    }

    #[test]
    fn only_the_whole_token_is_the_token() {
        let token = Token::new("0123456789abcdef", Path::new("x")).unwrap();
        for wrong in [
            "",
            "0123456789abcde",
            "0123456789abcdef0",
            "0123456789abcdeF",
        ] {
            assert!(!token.is(wrong.as_bytes()), "{wrong}");
        }
        assert!(token.is(b"0123456789abcdef"));
    }
}
