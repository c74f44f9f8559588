//! The SFTP subsystem of the embedded server, over russh-sftp: the requests that a file each way needs.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use russh_sftp::protocol::{
    Attrs, Data, FileAttributes, Handle, OpenFlags, Status, StatusCode, Version,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::command::{CommandIo, Exit};

/// Bytes in flight between the channel and the subsystem.
const PIPE_BYTES: usize = 256 * 1024;
/// Bytes handed to the channel at once.
const CHUNK_BYTES: usize = 32 * 1024;
/// Files open at once.
const HANDLES_MAX: usize = 64;
/// Bytes of one read.
const READ_MAX_BYTES: u32 = 64 * 1024;

/// Serves SFTP on a channel until the client ends the channel. Relative paths start in `directory`.
pub(super) async fn serve(directory: PathBuf, io: CommandIo) -> Exit {
    let (near, far) = tokio::io::duplex(PIPE_BYTES);
    russh_sftp::server::run(far, Files::new(directory)).await;
    let closed = io.closed.clone();
    tokio::select! {
        () = carry(near, io) => {}
        () = closed.cancelled() => {}
    }
    Exit::Status(0)
}

/// Carries bytes both ways between a channel and a stream.
async fn carry(stream: DuplexStream, mut io: CommandIo) {
    let (mut read, mut write) = tokio::io::split(stream);
    let inward = async {
        while let Some(chunk) = io.stdin.recv().await {
            if write.write_all(&chunk).await.is_err() {
                break;
            }
        }
        // Fails only when the other side is gone and needs no end.
        let _ = write.shutdown().await;
    };
    let stdout = io.stdout;
    let outward = async {
        let mut buffer = vec![0; CHUNK_BYTES];
        while let Ok(length @ 1..) = read.read(&mut buffer).await {
            if stdout.send(buffer[..length].to_vec()).await.is_err() {
                break;
            }
        }
    };
    tokio::join!(inward, outward);
}

/// The open files of a channel.
struct Files {
    directory: PathBuf,
    open: HashMap<String, File>,
    last: u64,
}

impl Files {
    fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            open: HashMap::new(),
            last: 0,
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.join(path)
    }

    fn file(&self, handle: &str) -> Result<&File, StatusCode> {
        self.open.get(handle).ok_or(StatusCode::Failure)
    }
}

/// The status that OpenSSH gives for an error.
fn status(error: &io::Error) -> StatusCode {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => StatusCode::NoSuchFile,
        io::ErrorKind::PermissionDenied => StatusCode::PermissionDenied,
        _ => StatusCode::Failure,
    }
}

fn done(id: u32, result: io::Result<()>) -> Result<Status, StatusCode> {
    result.map_err(|error| status(&error))?;
    Ok(Status {
        id,
        status_code: StatusCode::Ok,
        error_message: String::new(),
        language_tag: String::new(),
    })
}

fn attributes(id: u32, result: io::Result<fs::Metadata>) -> Result<Attrs, StatusCode> {
    let metadata = result.map_err(|error| status(&error))?;
    let attrs = FileAttributes::from(&metadata);
    Ok(Attrs { id, attrs })
}

fn set(file: &File, attributes: &FileAttributes) -> io::Result<()> {
    if let Some(size) = attributes.size {
        file.set_len(size)?;
    }
    if let Some(mode) = attributes.permissions {
        file.set_permissions(fs::Permissions::from_mode(mode & 0o777))?;
    }
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(u64::from(seconds));
    if let (Some(accessed), Some(modified)) = (attributes.atime, attributes.mtime) {
        let times = fs::FileTimes::new()
            .set_accessed(at(accessed))
            .set_modified(at(modified));
        file.set_times(times)?;
    }
    Ok(())
}

impl russh_sftp::server::Handler for Files {
    type Error = StatusCode;

    fn unimplemented(&self) -> StatusCode {
        StatusCode::OpUnsupported
    }

    async fn init(
        &mut self,
        _version: u32,
        _extensions: HashMap<String, String>,
    ) -> Result<Version, StatusCode> {
        Ok(Version::new())
    }

    async fn open(
        &mut self,
        id: u32,
        filename: String,
        flags: OpenFlags,
        _attributes: FileAttributes,
    ) -> Result<Handle, StatusCode> {
        if self.open.len() >= HANDLES_MAX {
            return Err(StatusCode::Failure);
        }
        let opened = OpenOptions::from(flags).open(self.path(&filename));
        let file = opened.map_err(|error| status(&error))?;
        self.last += 1;
        let handle = self.last.to_string();
        self.open.insert(handle.clone(), file);
        Ok(Handle { id, handle })
    }

    async fn close(&mut self, id: u32, handle: String) -> Result<Status, StatusCode> {
        self.open.remove(&handle).ok_or(StatusCode::Failure)?;
        done(id, Ok(()))
    }

    async fn read(
        &mut self,
        id: u32,
        handle: String,
        offset: u64,
        length: u32,
    ) -> Result<Data, StatusCode> {
        let mut data = vec![0; length.min(READ_MAX_BYTES) as usize];
        let read = self.file(&handle)?.read_at(&mut data, offset);
        match read.map_err(|error| status(&error))? {
            0 => Err(StatusCode::Eof),
            read => {
                data.truncate(read);
                Ok(Data { id, data })
            }
        }
    }

    async fn write(
        &mut self,
        id: u32,
        handle: String,
        offset: u64,
        data: Vec<u8>,
    ) -> Result<Status, StatusCode> {
        done(id, self.file(&handle)?.write_all_at(&data, offset))
    }

    async fn stat(&mut self, id: u32, path: String) -> Result<Attrs, StatusCode> {
        attributes(id, fs::metadata(self.path(&path)))
    }

    async fn lstat(&mut self, id: u32, path: String) -> Result<Attrs, StatusCode> {
        attributes(id, fs::symlink_metadata(self.path(&path)))
    }

    async fn fstat(&mut self, id: u32, handle: String) -> Result<Attrs, StatusCode> {
        attributes(id, self.file(&handle)?.metadata())
    }

    async fn fsetstat(
        &mut self,
        id: u32,
        handle: String,
        attributes: FileAttributes,
    ) -> Result<Status, StatusCode> {
        done(id, set(self.file(&handle)?, &attributes))
    }

    async fn remove(&mut self, id: u32, filename: String) -> Result<Status, StatusCode> {
        done(id, fs::remove_file(self.path(&filename)))
    }

    async fn mkdir(
        &mut self,
        id: u32,
        path: String,
        _attributes: FileAttributes,
    ) -> Result<Status, StatusCode> {
        done(id, fs::create_dir(self.path(&path)))
    }

    async fn rename(&mut self, id: u32, from: String, to: String) -> Result<Status, StatusCode> {
        let (from, to) = (self.path(&from), self.path(&to));
        // As the draft says, a rename replaces nothing.
        if to.symlink_metadata().is_ok() {
            return Err(StatusCode::Failure);
        }
        done(id, fs::rename(from, to))
    }
}
