//! Why a connection, or a single channel of a connection, ended.

use std::fmt;

use super::peer_text::one_line;

/// Why a connection ended. [`fmt::Display`] gives the reason as a clause for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disconnect {
    /// The server sent SSH_MSG_DISCONNECT (RFC 4253 section 11.1).
    ByServer(ServerMessage),
    /// The server closed the stream without a message.
    ServerClosed,
    /// The server no longer answered keepalives.
    KeepaliveTimeout,
    /// The peer does not speak SSH 2.
    NotSsh,
    /// This side closed the connection.
    ClosedHere,
    /// A key exchange showed a host key that is refused, for this reason.
    HostKeyRefused(String),
    /// The transport failed, in the words of the system or of the SSH library.
    Transport(String),
    /// Only one channel ended, without the end that its protocol asks for; the connection may live on.
    Channel(&'static str),
    /// A defect of this program.
    Defect(&'static str),
}

/// The content of an SSH_MSG_DISCONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerMessage {
    /// The reason code, as the server sent it.
    pub code: u32,
    /// The server's text on one visible line; may be empty.
    pub text: String,
}

impl ServerMessage {
    /// The message as it arrived, made fit for one line.
    pub(crate) fn new(code: u32, text: &str) -> Self {
        Self {
            code,
            text: one_line(text),
        }
    }
}

impl Disconnect {
    /// The server's message, if the server sent one.
    pub fn server_message(&self) -> Option<&ServerMessage> {
        match self {
            Self::ByServer(message) => Some(message),
            _ => None,
        }
    }

    /// The reason as a clause for messages, without text of the server.
    pub fn own_words(&self) -> &str {
        match self {
            Self::ByServer(_) => "the server disconnected",
            Self::ServerClosed => "the server closed the connection",
            Self::KeepaliveTimeout => "the server stopped answering keepalives",
            Self::NotSsh => "the server does not speak SSH 2 (its banner is not an SSH one)",
            Self::ClosedHere => "the connection was closed",
            Self::HostKeyRefused(words) | Self::Transport(words) => words,
            Self::Channel(words) | Self::Defect(words) => words,
        }
    }
}

impl fmt::Display for Disconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.own_words())?;
        match self.server_message() {
            Some(message) => write!(f, ": {}", message.text),
            None => Ok(()),
        }
    }
}

/// russh's errors, in words that need no knowledge of russh.
impl From<&russh::Error> for Disconnect {
    fn from(error: &russh::Error) -> Self {
        match error {
            russh::Error::HUP | russh::Error::Disconnect => Self::ServerClosed,
            russh::Error::KeepaliveTimeout => Self::KeepaliveTimeout,
            russh::Error::Version => Self::NotSsh,
            // The connection's task is gone.
            russh::Error::SendError | russh::Error::RecvError => Self::ClosedHere,
            russh::Error::IO(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Self::ServerClosed
            }
            other => Self::Transport(one_line(&other.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_text_is_visible_and_apart_from_our_words() {
        let reason = Disconnect::ByServer(ServerMessage::new(2, "bye\x1b[2J\nnow"));
        assert_eq!(
            reason.to_string(),
            r"the server disconnected: bye\x1b[2J\nnow"
        );
        assert_eq!(reason.own_words(), "the server disconnected");
        assert_eq!(
            reason.server_message().map(|message| message.text.as_str()),
            Some(r"bye\x1b[2J\nnow")
        );
    }

    #[test]
    fn errors_of_the_library_become_reasons() {
        let eof = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        let table = [
            (russh::Error::HUP, Disconnect::ServerClosed),
            (russh::Error::IO(eof), Disconnect::ServerClosed),
            (russh::Error::KeepaliveTimeout, Disconnect::KeepaliveTimeout),
            (russh::Error::Version, Disconnect::NotSsh),
            (russh::Error::SendError, Disconnect::ClosedHere),
        ];
        for (error, reason) in table {
            assert_eq!(Disconnect::from(&error), reason, "{error}");
        }
        let other = Disconnect::from(&russh::Error::Kex);
        assert!(matches!(other, Disconnect::Transport(_)), "{other:?}");
    }
}
