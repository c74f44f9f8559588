//! Changes of a source on the host during a download.

use crate::ssh::sftp::wire::Attributes;
use crate::ssh::transfer::error::{Side, TransferError};

/// Size and time of a source when the file was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    /// Size in bytes.
    pub(super) size: u64,
    /// Time of the last modification, in seconds since 1970.
    pub(super) modified: Option<u32>,
}

impl Version {
    pub(super) fn from_attributes(attributes: &Attributes) -> Self {
        Self {
            size: attributes.size.unwrap_or_default(),
            modified: attributes.mtime,
        }
    }

    /// Fails if the attributes at the end of the transfer differ.
    pub(super) fn check_unchanged(self, now: &Attributes, path: &str) -> Result<(), TransferError> {
        let now = Self::from_attributes(now);
        let difference = if self.size != now.size {
            format!("it had {} bytes and has {}", self.size, now.size)
        } else if self.modified != now.modified {
            "it was written to".to_owned()
        } else {
            return Ok(());
        };
        Err(source_changed(path, difference))
    }
}

/// The error for a changed source.
pub(super) fn source_changed(path: &str, difference: String) -> TransferError {
    TransferError::Changed {
        side: Side::Remote,
        path: path.to_owned(),
        difference,
    }
}
