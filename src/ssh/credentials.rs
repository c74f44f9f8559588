//! Secrets of one session: in memory only, wiped when dropped, never printed.

use std::fmt;

use zeroize::Zeroizing;

/// A password or a passphrase.
///
/// Has no `Display` and no `Serialize`, and its `Debug` shows nothing, so that it cannot reach a log, an
/// error, the store or a tool result by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes ownership of the text, which is wiped when the last clone is dropped.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The secret itself, for the one call that sends it or derives a key from it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What `ssh_connect` was given besides the target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Answer to password and keyboard-interactive authentication.
    pub password: Option<Secret>,
    /// Decrypts encrypted key files.
    pub passphrase: Option<Secret>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_shows_no_secret() {
        let credentials = Credentials {
            password: Some(Secret::new("hunter2".into())),
            passphrase: Some(Secret::new("correct horse".into())),
        };
        let shown = format!("{credentials:?}");
        assert!(
            !shown.contains("hunter2") && !shown.contains("horse"),
            "{shown}"
        );
    }
}
