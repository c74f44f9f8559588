//! Byte streams under a connection, and the means to cut one.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// A byte stream to an SSH server.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Fails every read and write once its token is cancelled.
///
/// russh runs a connection in a task of its own, and dropping what it returns does not end that task while a
/// handshake stalls or the peer takes no bytes. Cutting the stream below does, in every state.
pub(crate) struct Severable<S> {
    stream: S,
    severed: Pin<Box<WaitForCancellationFutureOwned>>,
    /// How long a write may make no progress.
    stall_limit: Option<Duration>,
    /// Runs while a write is blocked.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Severable<S> {
    /// Wraps `stream` until `severed` is cancelled.
    pub(crate) fn new(stream: S, severed: CancellationToken) -> Self {
        Self {
            stream,
            severed: Box::pin(severed.cancelled_owned()),
            stall_limit: None,
            stalled: None,
        }
    }

    /// Fails a write that makes no progress for so long. russh sends no keepalives while a write is blocked,
    /// so a peer that takes no bytes would never be noticed.
    pub(crate) fn with_stall_limit(self, limit: Duration) -> Self {
        Self {
            stall_limit: Some(limit),
            ..self
        }
    }

    fn check_stall(&mut self, blocked: bool, cx: &mut Context<'_>) -> io::Result<()> {
        let Some(limit) = self.stall_limit.filter(|_| blocked) else {
            self.stalled = None;
            return Ok(());
        };
        let timer = self.stalled.get_or_insert_with(|| Box::pin(sleep(limit)));
        match timer.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the server takes no more data",
            )),
            Poll::Pending => Ok(()),
        }
    }

    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.severed.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "the connection was cut",
            )),
            Poll::Pending => Ok(()),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Severable<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Severable<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        let written = Pin::new(&mut self.stream).poll_write(cx, data);
        self.check_stall(written.is_pending(), cx)?;
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_noticed() {
        let (near, _far) = tokio::io::duplex(4);
        let limit = Duration::from_secs(15);
        let mut stream = Severable::new(near, CancellationToken::new()).with_stall_limit(limit);
        let error = stream.write_all(b"more than fits").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_cut_stream_ends_a_pending_read_and_refuses_writes() {
        let (near, _far) = tokio::io::duplex(16);
        let cut = CancellationToken::new();
        let mut stream = Severable::new(near, cut.clone());
        stream.write_all(b"before").await.unwrap();
        let reading = tokio::spawn(async move {
            let ended = stream.read(&mut [0]).await;
            (ended, stream)
        });
        tokio::task::yield_now().await;
        cut.cancel();
        let (ended, mut stream) = reading.await.unwrap();
        assert!(ended.is_err());
        assert!(stream.write_all(b"after").await.is_err());
    }
}
