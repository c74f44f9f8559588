//! The temporary file on this machine.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;

use super::target::Target;
use crate::ssh::transfer::local::Dir;
use crate::ssh::transfer::names;

/// The name of a temporary file. The file is removed on drop, unless the file was moved to its target or is kept.
#[derive(Debug)]
pub(super) struct TempFile {
    directory: Dir,
    name: OsString,
    removes: bool,
}

impl TempFile {
    /// Takes charge of an entry that exists, or that the caller is about to make.
    pub(super) fn new(directory: Dir, name: OsString) -> Self {
        Self {
            directory,
            name,
            removes: true,
        }
    }

    /// Creates a file with a unique name in the directory of the target.
    pub(super) fn create(target: &Target) -> io::Result<(File, Self)> {
        let name = OsString::from(names::temporary(&target.name.to_string_lossy()));
        let file = target.directory.create_file(&name)?;
        Ok((file, Self::new(target.directory.clone(), name)))
    }

    pub(super) fn name(&self) -> &OsStr {
        &self.name
    }

    /// Keeps the file on drop, for a later call with `resume`.
    pub(super) fn keep(&mut self) {
        self.removes = false;
    }

    /// Moves the file to its target.
    pub(super) fn commit(mut self, to: &OsStr, overwrite: bool) -> io::Result<()> {
        self.directory.rename(&self.name, to, overwrite)?;
        self.removes = false;
        Ok(())
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if self.removes {
            // An error means that the file is gone, or that nothing more can be done.
            let _ = self.directory.remove(&self.name);
        }
    }
}
