//! stdin and stdout of the stdio transport.
//!
//! Most clients pass pipes, which the runtime polls without a thread in between. A terminal, a file, or a socket that
//! other processes may share goes through tokio's threads.

use tokio::io::{AsyncRead, AsyncWrite};

/// The source of messages.
pub(super) type Input = Box<dyn AsyncRead + Send + Unpin>;
/// The destination of messages.
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

    use rustix::fs::fstatfs;
    use tokio::net::unix::pipe;

    use super::{Input, Output};

    /// File system of the pipes that have no name (linux/magic.h).
    const PIPEFS_MAGIC: u32 = 0x5049_5045;

    // The pipe is opened again: O_NONBLOCK on the inherited description would affect every process that shares it.

    pub(super) fn input() -> Option<Input> {
        if !is_pipe(io::stdin().as_fd()) {
            return None;
        }
        let pipe = pipe::OpenOptions::new().open_receiver("/proc/self/fd/0");
        Some(Box::new(pipe.ok()?))
    }

    pub(super) fn output() -> Option<Output> {
        if !is_pipe(io::stdout().as_fd()) {
            return None;
        }
        let pipe = pipe::OpenOptions::new().open_sender("/proc/self/fd/1");
        Some(Box::new(pipe.ok()?))
    }

    /// Whether the descriptor is an unnamed pipe. A named pipe that is opened after its last writer has gone never
    /// reports the end of the input.
    fn is_pipe(descriptor: BorrowedFd<'_>) -> bool {
        fstatfs(descriptor).is_ok_and(|system| system.f_type as u32 == PIPEFS_MAGIC)
    }
}
