//! The local file of an upload. The file is opened once and checked for changes at the end.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use rustix::fs::FileType;

use crate::ssh::transfer::error::{Side, TransferError};
use crate::ssh::transfer::local::{self, Dir, Identity, Metadata};
use crate::{limits, policy};

/// An open local file.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) file: Arc<File>,
    directory: Dir,
    pub(super) name: OsString,
    /// Path for messages.
    pub(super) shown: String,
    identity: Identity,
    pub(super) metadata: Metadata,
}

/// The file or directory at a path.
pub(super) enum SourcePath {
    File(Source),
    Directory(PathBuf),
}

/// Why a file is not uploaded.
pub(super) enum Refusal {
    /// The file is a private key.
    PrivateKey,
    /// The file is special, or cannot be opened.
    Error(TransferError),
}

impl Source {
    /// Opens a regular file in a directory; refuses private keys.
    pub(super) fn open(directory: Dir, name: OsString, shown: String) -> Result<Self, Refusal> {
        let failed = |error: io::Error| Refusal::Error(TransferError::io(&shown, &error));
        let file = directory.open_file(&name, false).map_err(failed)?;
        let stat = rustix::fs::fstat(&file).map_err(|error| failed(error.into()))?;
        if local::file_type(&stat) != FileType::RegularFile {
            let reason = "it is a special file (a device, a pipe or a socket)";
            return Err(Refusal::Error(TransferError::local(&shown, reason)));
        }
        let mut head = [0; policy::KEY_HEAD_BYTES];
        let read = file.read_at(&mut head, 0).map_err(failed)?;
        if policy::is_private_key(&head[..read]) {
            return Err(Refusal::PrivateKey);
        }
        Ok(Self {
            file: Arc::new(file),
            directory,
            name,
            identity: Identity::from_stat(&stat),
            metadata: Metadata::from_stat(&stat),
            shown,
        })
    }

    /// Size at the time of opening, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.identity.size
    }

    /// The error for a changed source.
    pub(super) fn changed(&self, difference: String) -> TransferError {
        TransferError::Changed {
            side: Side::Local,
            path: self.shown.clone(),
            difference,
        }
    }

    /// Fails if the content, or the file at the path, changed since the file was opened.
    pub(super) fn check_unchanged(&self) -> Result<(), TransferError> {
        let failed = |error: &io::Error| TransferError::io(&self.shown, error);
        let now = local::identity(&self.file).map_err(|error| failed(&error))?;
        if let Some(difference) = self.identity.difference(&now) {
            return Err(self.changed(difference));
        }
        match self.directory.stat(&self.name) {
            Ok(stat) => match self.identity.difference(&Identity::from_stat(&stat)) {
                Some(difference) => Err(self.changed(difference)),
                None => Ok(()),
            },
            Err(_) => Err(self.changed("it was removed".to_owned())),
        }
    }

    /// Reads a small file completely. Files that claim to be empty (/proc) are read to their end, up to
    /// [`limits::UNSIZED_FILE_MAX_BYTES`].
    pub(super) fn read_small(&self) -> Result<Bytes, TransferError> {
        let size = self.size();
        let most = if size == 0 {
            limits::UNSIZED_FILE_MAX_BYTES
        } else {
            size
        };
        let mut content = Vec::with_capacity(size as usize + 1);
        let mut file = &*self.file;
        file.seek(SeekFrom::Start(0))
            .and_then(|_| file.take(most + 1).read_to_end(&mut content))
            .map_err(|error| TransferError::io(&self.shown, &error))?;
        let read = content.len() as u64;
        if size > 0 && read != size {
            return Err(self.changed(format!("it had {size} bytes and {read} were read")));
        }
        if read > most {
            let reason = format!("it claims to be empty and holds more than {most} bytes");
            return Err(TransferError::local(&self.shown, reason));
        }
        Ok(content.into())
    }
}

/// Opens the source of an upload. Links in the path are followed, as by `cp`.
pub(super) fn open_path(
    path: &Path,
    given: &str,
    rules: &policy::LocalPolicy,
) -> Result<SourcePath, TransferError> {
    let real = path
        .canonicalize()
        .map_err(|error| TransferError::io(given, &error))?;
    rules.rules().check_source(&real)?;
    let shown = policy::shown(&real);
    if real.is_dir() {
        return Ok(SourcePath::Directory(real));
    }
    let (Some(parent), Some(name)) = (real.parent(), real.file_name()) else {
        return Err(TransferError::local(&shown, "this is no file"));
    };
    let directory = Dir::open(parent).map_err(|error| TransferError::io(&shown, &error))?;
    match Source::open(directory, name.to_owned(), shown.clone()) {
        Ok(source) => Ok(SourcePath::File(source)),
        Err(Refusal::PrivateKey) => Err(TransferError::local(
            &shown,
            "it is a private key, and those are not uploaded; the user can copy it",
        )),
        Err(Refusal::Error(error)) => Err(error),
    }
}
