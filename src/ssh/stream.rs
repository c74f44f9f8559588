//! Byte streams under a connection, and the means to cut one.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
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
}

impl<S> Severable<S> {
    /// Wraps `stream` until `severed` is cancelled.
    pub(crate) fn new(stream: S, severed: CancellationToken) -> Self {
        Self {
            stream,
            severed: Box::pin(severed.cancelled_owned()),
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
        Pin::new(&mut self.stream).poll_write(cx, data)
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
