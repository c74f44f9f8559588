//! The secrets of a session. They exist in memory only, are wiped when dropped and never printed.

use std::fmt;

use zeroize::Zeroizing;

/// A password or a passphrase.
///
/// The type has no `Display` and no `Serialize`, and `Debug` hides the text, so that a secret cannot get into
/// a log, an error, the store or a tool result by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a text. Each clone wipes its own copy when dropped.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text of the secret, for sending the text or deriving a key.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The secrets of an `ssh_connect` call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The answer to password and keyboard-interactive authentication.
    pub password: Option<Secret>,
    /// The passphrase of encrypted key files.
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
