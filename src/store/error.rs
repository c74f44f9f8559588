//! Errors of the store file. Sessions work without a store.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::content::VERSION;
use crate::limits::STORE_MAX_BYTES;

/// The reason why the store could not be read or written. In each case the file is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused something: no space, read-only, no such directory.
    #[error(
        "cannot {action} {path}: {source}; sessions work but are not saved until that is put right or another \
         file is chosen with --store"
    )]
    Io {
        /// The failed action, as a verb.
        action: &'static str,
        /// The file or directory of the action.
        path: PathBuf,
        /// The answer of the operating system.
        source: io::Error,
    },
    /// Another process held the lock for the whole time.
    #[error(
        "another process has held the lock {path} for {waited:?}; nothing was saved: try again, or end the \
         process that holds it"
    )]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// The time spent waiting.
        waited: Duration,
    },
    /// The path leads to something that is not safe to use as a store.
    #[error(
        "{path} is not used as the store: {reason}, or choose another file with --store; until then sessions \
         work but are not saved"
    )]
    Refused {
        /// The file, link or directory in question.
        path: PathBuf,
        /// The fault and its remedy.
        reason: String,
    },
    /// The file is, or would become, larger than the limit for reading.
    #[error(
        "{path} has {bytes} bytes, more than the {STORE_MAX_BYTES} of a store; it was left as it is: forget \
         sessions or move it away; until then sessions work but are not saved"
    )]
    TooLarge {
        /// The store file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// The file is no store.
    #[error(
        "{path} cannot be read as a store: {reason}; it was left as it is: correct it or move it away; until \
         then sessions work but are not saved"
    )]
    Broken {
        /// The store file.
        path: PathBuf,
        /// The line of a syntax fault.
        line: Option<usize>,
        /// The fault in words, with its place.
        reason: String,
    },
    /// The file was written by a later version of this program.
    #[error(
        "{path} has version {version}, and this program knows versions up to {VERSION}; it was left as it is: \
         upgrade this program, or choose another file with --store; until then sessions work but are not saved"
    )]
    Newer {
        /// The store file.
        path: PathBuf,
        /// The version in the file.
        version: u64,
    },
}

impl StoreError {
    /// For `map_err`: adds action and path to an error of the operating system.
    pub(super) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    /// A refusal of a path.
    pub(super) fn refused(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Refused {
            path: path.into(),
            reason: reason.into(),
        }
    }
}
