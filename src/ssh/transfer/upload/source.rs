//! A local file that is sent to the host: opened once, and watched for changes.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use rustix::fs::FileType;

use crate::ssh::transfer::error::{Side, TransferError};
use crate::ssh::transfer::local::{self, Dir, Identity, Meta};
use crate::{limits, policy};

/// A local file that is being read.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) file: Arc<File>,
    directory: Dir,
    pub(super) name: OsString,
    /// For messages.
    pub(super) shown: String,
    identity: Identity,
    pub(super) meta: Meta,
}

/// What a source path names.
pub(super) enum Found {
    File(Source),
    Directory(PathBuf),
}

/// Why a source is not read.
pub(super) enum Refused {
    /// It is a private key.
    Key,
    /// It is no file any more, or cannot be opened.
    Error(TransferError),
}

impl Source {
    /// Opens a file in a directory and looks at its beginning.
    pub(super) fn open(directory: Dir, name: OsString, shown: String) -> Result<Self, Refused> {
        let failed = |error: io::Error| Refused::Error(TransferError::io(&shown, &error));
        let file = directory.open_file(&name, false).map_err(failed)?;
        let stat = rustix::fs::fstat(&file).map_err(|error| failed(error.into()))?;
        if local::file_type(&stat) != FileType::RegularFile {
            let reason = "it is a special file (a device, a pipe or a socket)";
            return Err(Refused::Error(TransferError::local(&shown, reason)));
        }
        let mut head = [0; policy::KEY_HEAD_BYTES];
        let read = file.read_at(&mut head, 0).map_err(failed)?;
        if policy::is_private_key(&head[..read]) {
            return Err(Refused::Key);
        }
        Ok(Self {
            file: Arc::new(file),
            directory,
            name,
            identity: Identity::of(&stat),
            meta: local::meta(&stat),
            shown,
        })
    }

    pub(super) fn size(&self) -> u64 {
        self.identity.size
    }

    pub(super) fn changed(&self, what: String) -> TransferError {
        TransferError::Changed {
            side: Side::Local,
            path: self.shown.clone(),
            what,
        }
    }

    /// Whether it is still the file that was opened, as it was then.
    pub(super) fn check_unchanged(&self) -> Result<(), TransferError> {
        let failed = |error: &io::Error| TransferError::io(&self.shown, error);
        let now = local::identity(&self.file).map_err(|error| failed(&error))?;
        if let Some(what) = self.identity.difference(&now) {
            return Err(self.changed(what));
        }
        match self.directory.stat(&self.name) {
            Ok(stat) => match self.identity.difference(&Identity::of(&stat)) {
                Some(what) => Err(self.changed(what)),
                None => Ok(()),
            },
            Err(_) => Err(self.changed("it was removed".to_owned())),
        }
    }

    /// All of a small file; of one that claims to be empty (/proc) whatever there is.
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

/// Opens the source; links in its path are followed, as `cp` does.
pub(super) fn find(
    path: &Path,
    given: &str,
    rules: &policy::LocalPolicy,
) -> Result<Found, TransferError> {
    let real = path
        .canonicalize()
        .map_err(|error| TransferError::io(given, &error))?;
    rules.rules().check_source(&real)?;
    let shown = policy::shown(&real);
    if real.is_dir() {
        return Ok(Found::Directory(real));
    }
    let (Some(parent), Some(name)) = (real.parent(), real.file_name()) else {
        return Err(TransferError::local(&shown, "this is no file"));
    };
    let directory = Dir::open(parent).map_err(|error| TransferError::io(&shown, &error))?;
    match Source::open(directory, name.to_owned(), shown.clone()) {
        Ok(source) => Ok(Found::File(source)),
        Err(Refused::Key) => Err(TransferError::local(
            &shown,
            "it is a private key, and those are not uploaded; the user can copy it",
        )),
        Err(Refused::Error(error)) => Err(error),
    }
}
