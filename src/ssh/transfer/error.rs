//! Why a transfer failed: which path, on which side, and what to do.

use std::fmt;
use std::io;

use rustix::io::Errno;
use thiserror::Error;

use crate::error::ErrorCode;
use crate::limits;
use crate::policy::PathRefusal;
use crate::ssh::channel::ChannelError;
use crate::ssh::disconnect::Disconnect;
use crate::ssh::sftp::SftpError;

/// Where a path lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// This machine.
    Local,
    /// The host.
    Remote,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "local",
            Self::Remote => "remote",
        })
    }
}

/// A transfer that did not happen. The target is as it was before.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TransferError {
    /// A path cannot be used.
    #[error("{side} {path:?}: {reason}")]
    Path {
        /// Where it is.
        side: Side,
        /// The path.
        path: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// There is no room.
    #[error("{side} {path:?}: {reason}; the target is untouched")]
    DiskFull {
        /// Where.
        side: Side,
        /// What was to be written.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// The source is not what it was when the transfer began.
    #[error(
        "{side} {path:?}: the source changed while it was read ({what}); the target is untouched, call again"
    )]
    Changed {
        /// Where it is.
        side: Side,
        /// The path.
        path: String,
        /// What is different.
        what: String,
    },
    /// What arrived is not what was sent.
    #[error("{path:?}: {what}; the target is untouched")]
    Verify {
        /// The target.
        path: String,
        /// What differs.
        what: String,
    },
    /// The server cannot do this.
    #[error("{0}")]
    Unsupported(String),
    /// A limit of this program.
    #[error("{0}")]
    Limit(String),
    /// The server does not answer.
    #[error("{0}")]
    TimedOut(String),
    /// The connection was lost.
    #[error("the connection was lost during the transfer ({0}); the target is untouched")]
    Lost(Disconnect),
    /// No channel could be had.
    #[error("{0}")]
    Channel(ChannelError),
    /// The caller gave up, or the job was told to end.
    #[error("the transfer was stopped; the target is untouched")]
    Cancelled,
    /// A defect.
    #[error("the transfer failed inside this program: {0}")]
    Internal(String),
}

impl From<PathRefusal> for TransferError {
    fn from(refusal: PathRefusal) -> Self {
        Self::local(&refusal.path, refusal.reason)
    }
}

impl TransferError {
    pub(super) fn local(path: &str, reason: impl Into<String>) -> Self {
        Self::Path {
            side: Side::Local,
            path: path.to_owned(),
            reason: reason.into(),
        }
    }

    pub(super) fn remote(path: &str, reason: impl Into<String>) -> Self {
        Self::Path {
            side: Side::Remote,
            path: path.to_owned(),
            reason: reason.into(),
        }
    }

    /// What a local system call failed with.
    pub(super) fn io(path: &str, error: &io::Error) -> Self {
        let reason = local_reason(error);
        match Errno::from_io_error(error) {
            Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => Self::DiskFull {
                side: Side::Local,
                path: path.to_owned(),
                reason,
            },
            _ => Self::local(path, reason),
        }
    }

    /// An error of the channel; a status without a better explanation is about the path.
    pub(super) fn sftp(path: &str, error: SftpError) -> Self {
        match error {
            SftpError::Status(_) => Self::remote(path, error.to_string()),
            SftpError::NoSubsystem(why) => Self::Unsupported(format!(
                "the host offers no sftp subsystem ({why}); enable \"Subsystem sftp\" in its sshd_config, or move text with ssh_exec"
            )),
            SftpError::Protocol(what) => {
                Self::remote(path, format!("the server breaks the SFTP protocol: {what}"))
            }
            SftpError::Lost(reason) => Self::Lost(reason),
            SftpError::Silent => Self::TimedOut(format!(
                "the sftp server has not answered for {} s; the target is untouched",
                limits::SFTP_SILENCE.as_secs()
            )),
            SftpError::Channel(ChannelError::Closed(reason)) => Self::Lost(reason),
            SftpError::Channel(error) => Self::Channel(error),
        }
    }

    /// The stable code.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Path { side, .. } | Self::Changed { side, .. } => match side {
                Side::Local => ErrorCode::LocalPathError,
                Side::Remote => ErrorCode::RemotePathError,
            },
            Self::DiskFull { .. } => ErrorCode::DiskFull,
            Self::Verify { .. } => ErrorCode::VerifyFailed,
            Self::Unsupported(_) => ErrorCode::Unsupported,
            Self::Limit(_) => ErrorCode::LimitExceeded,
            Self::TimedOut(_) => ErrorCode::TimedOut,
            Self::Lost(_) => ErrorCode::ConnectionLost,
            Self::Channel(error) => match error {
                ChannelError::Closed(_) => ErrorCode::ConnectionLost,
                ChannelError::Refused(_) => ErrorCode::Unsupported,
                ChannelError::NoneFree { .. } => ErrorCode::LimitExceeded,
                ChannelError::Silent => ErrorCode::TimedOut,
            },
            Self::Cancelled => ErrorCode::Cancelled,
            Self::Internal(_) => ErrorCode::Internal,
        }
    }

    /// Whether the same call may work later without anybody changing anything.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Changed { .. } | Self::TimedOut(_) | Self::Lost(_) | Self::Channel(_)
        )
    }
}

/// A system error with what to do about it.
fn local_reason(error: &io::Error) -> String {
    let words = match Errno::from_io_error(error) {
        Some(Errno::NOENT) => "no such file or directory",
        Some(Errno::ACCESS | Errno::PERM) => "permission denied",
        Some(Errno::NOTDIR) => "a part of the path is not a directory",
        Some(Errno::ISDIR) => "a directory is in the way",
        Some(Errno::LOOP) => "a symbolic link is in the way",
        Some(Errno::NAMETOOLONG) => "the name is too long",
        Some(Errno::ROFS) => "the file system is read-only",
        Some(Errno::NOSPC) => "no space is left on the disk",
        Some(Errno::DQUOT) => "the disk quota is used up",
        Some(Errno::FBIG) => "the file is larger than this process may write",
        Some(Errno::EXIST) => "it exists already; overwrite: true replaces it",
        _ => return error.to_string(),
    };
    words.to_owned()
}

/// A failure, and what is left of the transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferFailure {
    /// Why.
    pub error: TransferError,
    /// A partial file that a call with `resume` goes on from.
    pub kept: Option<String>,
    /// A temporary file that could not be removed.
    pub left: Option<String>,
    /// The link was gone before anything was asked of it.
    pub unstarted: bool,
}

impl From<TransferError> for TransferFailure {
    fn from(error: TransferError) -> Self {
        Self {
            error,
            kept: None,
            left: None,
            unstarted: false,
        }
    }
}

impl fmt::Display for TransferFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)?;
        if let Some(kept) = &self.kept {
            write!(
                f,
                "; the part that arrived is kept as {kept:?}: the same call with resume: true goes on from it"
            )?;
        }
        if let Some(left) = &self.left {
            write!(
                f,
                "; the temporary file {left:?} is removed when the host can be reached again"
            )?;
        }
        Ok(())
    }
}
