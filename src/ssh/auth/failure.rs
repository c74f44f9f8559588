//! A login that was refused or interrupted by a broken link, with the remedy.

use std::fmt;

use thiserror::Error;

use crate::ssh::disconnect::Disconnect;

/// The server refused every credential, or the link broke during the login.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct AuthFailure {
    /// User name that was tried.
    pub username: String,
    /// Host that refused.
    pub host: String,
    /// Credentials that were offered, or could not be offered, each in a few words.
    pub tried: Vec<String>,
    /// Methods that the server still accepts, if the server listed methods.
    pub server_allows: Vec<&'static str>,
    /// The connection ended during the login: the server counts attempts, or the link broke.
    pub hung_up: Option<Disconnect>,
}

impl AuthFailure {
    /// A link that broke in the middle may work the next time; a refusal will not change by itself.
    pub fn is_permanent(&self) -> bool {
        self.hung_up.as_ref().is_none_or(is_refusal)
    }

    fn next_step(&self) -> &'static str {
        if !self.is_permanent() {
            return "nothing was refused for good; try again";
        }
        if self.tried.iter().any(|tried| tried.contains("encrypted")) {
            return "load the encrypted key into ssh-agent (ssh-add), or call ssh_connect with passphrase";
        }
        if self.hung_up.as_ref().is_some_and(is_refusal) {
            return "the server counts every offered key as a try: set IdentitiesOnly yes and one IdentityFile for this host in ~/.ssh/config, or pass privateKeyPath";
        }
        "check the user name and that the key is in the server's authorized_keys; or call ssh_connect with privateKeyPath or password"
    }
}

/// sshd disconnects with a message after MaxAuthTries.
fn is_refusal(reason: &Disconnect) -> bool {
    reason.server_message().is_some()
}

impl fmt::Display for AuthFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, username) = (&self.host, &self.username);
        if self.is_permanent() {
            write!(f, "{host} did not accept the login as {username}")?;
        } else {
            write!(
                f,
                "the connection to {host} was lost during the login as {username}"
            )?;
        }
        if self.tried.is_empty() && self.hung_up.is_none() {
            f.write_str(": there was nothing to offer (no agent key, no key file, no password)")?;
        } else if !self.tried.is_empty() {
            write!(f, "; tried: {}", self.tried.join(", "))?;
        }
        if !self.server_allows.is_empty() {
            write!(f, "; the server allows: {}", self.server_allows.join(", "))?;
        }
        if let Some(reason) = &self.hung_up {
            write!(f, "; {reason}")?;
        }
        write!(f, "; {}", self.next_step())
    }
}
