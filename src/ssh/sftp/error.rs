//! Errors of SFTP requests, and the status codes that servers answer with.

use thiserror::Error;

use crate::limits;
use crate::ssh::channel::ChannelError;
use crate::ssh::disconnect::Disconnect;
use crate::ssh::peer_text::one_line;

/// Status codes (section 7) that decide what happens next.
pub(crate) mod status {
    /// The request was served.
    pub(crate) const OK: u32 = 0;
    /// The file or the listing is at its end.
    pub(crate) const EOF: u32 = 1;
    /// ENOENT, ENOTDIR, ELOOP.
    pub(crate) const NO_SUCH_FILE: u32 = 2;
    /// EPERM, EACCES.
    pub(crate) const PERMISSION_DENIED: u32 = 3;
    /// Every error without a code of its own: a full disk, a quota, a read-only file system.
    pub(crate) const FAILURE: u32 = 4;
    /// ENAMETOOLONG, EINVAL.
    pub(crate) const BAD_MESSAGE: u32 = 5;
    /// The server does not know the request.
    pub(crate) const UNSUPPORTED: u32 = 8;
}

/// A status answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) code: u32,
    /// The server's explanation: untrusted text.
    pub(crate) message: String,
}

/// Why a request was not served.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum SftpError {
    /// The server refused the request.
    #[error("the server answered {}{}", status_name(.0.code), explanation(.0))]
    Status(Status),
    /// The account has no SFTP.
    #[error("the server offers no sftp subsystem ({0})")]
    NoSubsystem(String),
    /// The server violates the protocol.
    #[error("the server breaks the SFTP protocol: {0}")]
    Protocol(String),
    /// The channel or its connection ended.
    #[error("{0}")]
    Lost(Disconnect),
    /// Requests are outstanding and no answer arrives.
    #[error("the server has not answered for {} s", limits::SFTP_SILENCE.as_secs())]
    Silent,
    /// No channel was available.
    #[error("{0}")]
    Channel(#[from] ChannelError),
}

impl SftpError {
    /// The code of a status answer; `None` for all other errors.
    pub(crate) fn code(&self) -> Option<u32> {
        match self {
            Self::Status(status) => Some(status.code),
            _ => None,
        }
    }
}

fn status_name(code: u32) -> &'static str {
    match code {
        status::EOF => "that there is no more",
        status::NO_SUCH_FILE => "\"no such file\"",
        status::PERMISSION_DENIED => "\"permission denied\"",
        status::FAILURE => "\"failure\"",
        status::BAD_MESSAGE => "\"bad message\"",
        status::UNSUPPORTED => "\"operation unsupported\"",
        _ => "an error",
    }
}

/// The server's explanation in parentheses, or nothing where the message only repeats the code.
fn explanation(status: &Status) -> String {
    let message = one_line(&status.message);
    let repeats_code = [
        "",
        "Failure",
        "No such file",
        "Permission denied",
        "Bad message",
    ];
    if repeats_code.contains(&message.as_str()) {
        String::new()
    } else {
        format!(" ({message})")
    }
}
