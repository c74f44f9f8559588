//! The byte stream below an SSH connection, and a wrapper that can cut the stream.

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

/// A stream whose reads and writes fail once a token is cancelled.
///
/// russh runs each connection in a separate task. Dropping the connection handle does not end that task while
/// a handshake stalls or the peer stops reading. Cutting the stream ends the task in every state.
pub(crate) struct Severable<S> {
    stream: S,
    severed: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Limit for a write without progress.
    stall_limit: Option<Duration>,
    /// The timer of a blocked write.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Severable<S> {
    /// Wraps a stream that is cut when `severed` is cancelled.
    pub(crate) fn new(stream: S, severed: CancellationToken) -> Self {
        Self {
            stream,
            severed: Box::pin(severed.cancelled_owned()),
            stall_limit: None,
            stalled: None,
        }
    }

    /// Makes a write fail that is blocked for longer than `limit`. russh sends no keepalives while a write is
    /// blocked, so a peer that stops reading would never be detected.
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
                "the server has stopped reading data",
            )),
            Poll::Pending => Ok(()),
        }
    }

    fn fail_if_cut(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
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
        self.fail_if_cut(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Severable<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.fail_if_cut(cx)?;
        let written = Pin::new(&mut self.stream).poll_write(cx, data);
        self.check_stall(written.is_pending(), cx)?;
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.fail_if_cut(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.fail_if_cut(cx)?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_stops_reading_is_detected() {
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
