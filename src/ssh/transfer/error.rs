//! Errors of transfers. Each names the path, its side, and the next step.

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

/// The side of a path.
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

/// Why a transfer failed. The target is unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TransferError {
    /// A path is not usable.
    #[error("{side} {path:?}: {reason}")]
    Path {
        /// The side of the path.
        side: Side,
        /// The path.
        path: String,
        /// The problem, and the next step.
        reason: String,
    },
    /// A disk or a quota is full.
    #[error("{side} {path:?}: {reason}; the target is untouched")]
    DiskFull {
        /// The side of the disk.
        side: Side,
        /// The file to write.
        path: String,
        /// The error of the system.
        reason: String,
    },
    /// The source changed during the transfer.
    #[error(
        "{side} {path:?}: the source changed while it was read ({difference}); the target is untouched, call again"
    )]
    Changed {
        /// The side of the source.
        side: Side,
        /// The path.
        path: String,
        /// The difference.
        difference: String,
    },
    /// The copy differs from the source.
    #[error("{path:?}: {difference}; the target is untouched")]
    Verify {
        /// The target.
        path: String,
        /// The difference.
        difference: String,
    },
    /// The server lacks a capability.
    #[error("{0}")]
    Unsupported(String),
    /// The transfer exceeds a limit of this program.
    #[error("{0}")]
    Limit(String),
    /// The server does not answer.
    #[error("{0}")]
    TimedOut(String),
    /// The connection was lost.
    #[error("the connection was lost during the transfer ({0}); the target is untouched")]
    Lost(Disconnect),
    /// No channel was available.
    #[error("{0}")]
    Channel(ChannelError),
    /// The caller or a signal cancelled the transfer.
    #[error("the transfer was stopped; the target is untouched")]
    Cancelled,
    /// A defect of this program.
    #[error("the transfer failed inside this program: {0}")]
    Internal(String),
}

impl From<PathRefusal> for TransferError {
    fn from(refusal: PathRefusal) -> Self {
        Self::local(&refusal.path, refusal.reason)
    }
}

impl TransferError {
    /// A problem with a local path.
    pub(super) fn local(path: &str, reason: impl Into<String>) -> Self {
        Self::Path {
            side: Side::Local,
            path: path.to_owned(),
            reason: reason.into(),
        }
    }

    /// A problem with a path on the host.
    pub(super) fn remote(path: &str, reason: impl Into<String>) -> Self {
        Self::Path {
            side: Side::Remote,
            path: path.to_owned(),
            reason: reason.into(),
        }
    }

    /// The error of a local system call about `path`.
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

    /// An SFTP error of a request about `path`, without further explanation.
    pub(super) fn sftp(path: &str, error: SftpError) -> Self {
        match error {
            SftpError::Status(_) => Self::remote(path, error.to_string()),
            SftpError::NoSubsystem(why) => Self::Unsupported(format!(
                "the host offers no sftp subsystem ({why}); enable \"Subsystem sftp\" in its sshd_config, or move text with ssh_exec"
            )),
            SftpError::Protocol(violation) => Self::remote(
                path,
                format!("the server breaks the SFTP protocol: {violation}"),
            ),
            SftpError::Lost(reason) => Self::Lost(reason),
            SftpError::Silent => Self::TimedOut(format!(
                "the sftp server has not answered for {} s; the target is untouched",
                limits::SFTP_SILENCE.as_secs()
            )),
            SftpError::Channel(ChannelError::Closed(reason)) => Self::Lost(reason),
            SftpError::Channel(error) => Self::Channel(error),
        }
    }

    /// The stable error code.
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

    /// Whether the same call may succeed later without a change.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Changed { .. } | Self::TimedOut(_) | Self::Lost(_) | Self::Channel(_)
        )
    }
}

/// The text for a local system error.
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

/// An error, and the files that a failed transfer leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferFailure {
    /// The error.
    pub error: TransferError,
    /// The partial file from which a call with `resume` continues.
    pub kept: Option<String>,
    /// A temporary file that is removed later.
    pub left: Option<String>,
    /// The connection was lost before the first request.
    pub unstarted: bool,
    /// The call that stopped the transfer, if its own caller did not.
    pub ended_by: Option<&'static str>,
}

impl From<TransferError> for TransferFailure {
    fn from(error: TransferError) -> Self {
        Self {
            error,
            kept: None,
            left: None,
            unstarted: false,
            ended_by: None,
        }
    }
}

impl fmt::Display for TransferFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)?;
        if let Some(call) = self.ended_by {
            write!(f, "; it was ended by {call}")?;
        }
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
