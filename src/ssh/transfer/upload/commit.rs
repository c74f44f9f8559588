//! Moves finished temporary files on the host to their targets.

use super::target::{exists_already, in_the_way};
use crate::ssh::sftp::wire::{FileKind, file_kind};
use crate::ssh::sftp::{Pending, Sftp, SftpError};
use crate::ssh::transfer::context::Context;
use crate::ssh::transfer::error::TransferError;
use crate::ssh::transfer::leftovers::TempFiles;
use crate::ssh::transfer::names;
use crate::ssh::transfer::remote::explain;
use crate::ssh::transfer::report::Report;

/// Moves temporary files to their targets.
pub(super) struct Committer<'a> {
    sftp: &'a Sftp,
    temp_files: &'a TempFiles,
    report: &'a Report,
    overwrite: bool,
}

impl<'a> Committer<'a> {
    pub(super) fn new(context: &'a Context) -> Self {
        Self {
            sftp: &context.host.sftp,
            temp_files: &context.temp_files,
            report: &context.report,
            overwrite: context.spec.overwrite,
        }
    }

    /// Whether a move takes a single request.
    pub(super) fn is_atomic(&self) -> bool {
        !self.overwrite || self.sftp.can_replace()
    }

    /// Moves a finished file to its target, in one step where the server can.
    pub(super) async fn commit(&self, temporary: &str, target: &str) -> Result<(), TransferError> {
        if !self.is_atomic() {
            return self.commit_in_steps(temporary, target).await;
        }
        let sent = self.send_move(temporary, target).await;
        let sent = sent.map_err(|error| TransferError::sftp(target, error))?;
        self.finish_move(temporary, target, sent).await
    }

    /// Requests the move; only for an atomic move.
    pub(super) async fn send_move(
        &self,
        temporary: &str,
        target: &str,
    ) -> Result<Pending, SftpError> {
        if self.overwrite {
            self.sftp.posix_rename(temporary, target).await
        } else {
            // OpenSSH links and unlinks here, which replaces nothing.
            self.sftp.rename(temporary, target).await
        }
    }

    /// Waits for a requested move, and explains a failure.
    pub(super) async fn finish_move(
        &self,
        temporary: &str,
        target: &str,
        sent: Pending,
    ) -> Result<(), TransferError> {
        match sent.done().await {
            Ok(()) => {
                self.temp_files.unregister(temporary);
                Ok(())
            }
            Err(error @ SftpError::Status(_)) => {
                let existing = self.sftp.link_stat(target).await.ok();
                match existing.as_ref().map(file_kind) {
                    Some(FileKind::Directory) => Err(in_the_way(target, "a directory")),
                    Some(_) if !self.overwrite => Err(exists_already(target)),
                    _ => Err(explain(self.sftp, target, error, 0).await),
                }
            }
            Err(error) => Err(TransferError::sftp(target, error)),
        }
    }

    /// Replaces the target on servers without `posix-rename`: moves the old file aside, and back if the new file
    /// cannot take the place.
    async fn commit_in_steps(&self, temporary: &str, target: &str) -> Result<(), TransferError> {
        if self.rename(temporary, target).await.is_ok() {
            self.temp_files.unregister(temporary);
            return Ok(());
        }
        let (directory, name) = names::split(target);
        let aside = names::join(directory, &names::temporary(name.unwrap_or("old")));
        if let Err(error) = self.rename(target, &aside).await {
            return Err(explain(self.sftp, target, error, 0).await);
        }
        if let Err(error) = self.rename(temporary, target).await {
            return Err(match self.rename(&aside, target).await {
                Ok(()) => explain(self.sftp, target, error, 0).await,
                Err(_) => TransferError::remote(
                    target,
                    format!(
                        "the server could not finish the rename; the old file is {aside:?} now"
                    ),
                ),
            });
        }
        self.temp_files.unregister(temporary);
        self.temp_files.register(&aside);
        if let Ok(pending) = self.sftp.remove(&aside).await
            && pending.done().await.is_ok()
        {
            self.temp_files.unregister(&aside);
        }
        self.report.add_note(
            "the server has no posix-rename: for a moment there was no file at the target",
        );
        Ok(())
    }

    async fn rename(&self, from: &str, to: &str) -> Result<(), SftpError> {
        self.sftp.rename(from, to).await?.done().await
    }
}
