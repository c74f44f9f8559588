//! The ways of logging in.

/// The method that the server accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMethod {
    /// A key of the agent.
    Agent,
    /// A key file.
    PublicKey,
    /// The password.
    Password,
    /// The password, as the answer to keyboard-interactive (RFC 4256).
    KeyboardInteractive,
    /// No credential: the server lets this user in without one.
    None,
}

impl AuthMethod {
    /// The word in a tool result.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::PublicKey => "publickey",
            Self::Password => "password",
            Self::KeyboardInteractive => "keyboard-interactive",
            Self::None => "none",
        }
    }
}
