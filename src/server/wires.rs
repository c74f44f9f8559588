//! The two ends of the stdio transport.
//!
//! Clients give pipes or sockets, which can be waited for without a thread in between; anything else (a
//! terminal, a file) goes through tokio's threads.

use tokio::io::{AsyncRead, AsyncWrite};

/// What messages come from.
pub(super) type Input = Box<dyn AsyncRead + Send + Unpin>;
/// Where messages go.
pub(super) type Output = Box<dyn AsyncWrite + Send + Unpin>;

/// stdin.
pub(super) fn input() -> Input {
    #[cfg(target_os = "linux")]
    if let Some(input) = linux::input() {
        return input;
    }
    Box::new(tokio::io::stdin())
}

/// stdout.
pub(super) fn output() -> Output {
    #[cfg(target_os = "linux")]
    if let Some(output) = linux::output() {
        return output;
    }
    Box::new(tokio::io::stdout())
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::os::fd::{AsFd, BorrowedFd};

    use rustix::fs::{FileType, fstat};
    use tokio::net::UnixStream;
    use tokio::net::unix::pipe;

    use super::{Input, Output};

    pub(super) fn input() -> Option<Input> {
        let stdin = io::stdin();
        match kind(stdin.as_fd())? {
            FileType::Fifo => {
                let pipe = pipe::OpenOptions::new().open_receiver("/proc/self/fd/0");
                Some(Box::new(pipe.ok()?))
            }
            FileType::Socket => Some(Box::new(socket(stdin.as_fd()).ok()?)),
            _ => None,
        }
    }

    pub(super) fn output() -> Option<Output> {
        let stdout = io::stdout();
        match kind(stdout.as_fd())? {
            FileType::Fifo => {
                let pipe = pipe::OpenOptions::new().open_sender("/proc/self/fd/1");
                Some(Box::new(pipe.ok()?))
            }
            FileType::Socket => Some(Box::new(socket(stdout.as_fd()).ok()?)),
            _ => None,
        }
    }

    fn kind(descriptor: BorrowedFd<'_>) -> Option<FileType> {
        let stat = fstat(descriptor).ok()?;
        Some(FileType::from_raw_mode(stat.st_mode))
    }

    /// A pipe is opened anew, so that whoever shares our end does not meet one that does not block. A socket
    /// cannot be; nobody shares one end of a pair.
    fn socket(descriptor: BorrowedFd<'_>) -> io::Result<UnixStream> {
        let socket = std::os::unix::net::UnixStream::from(descriptor.try_clone_to_owned()?);
        // Fails where it is a socket of another family.
        socket.local_addr()?;
        socket.set_nonblocking(true)?;
        UnixStream::from_std(socket)
    }
}
