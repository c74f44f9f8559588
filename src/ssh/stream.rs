//! Byte streams under a connection, and the means to cut one.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};

/// A byte stream to an SSH server.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A stream that reads as ended once it is cut.
///
/// russh runs a connection in a task of its own, and dropping what it returns does not end that task while
/// a handshake stalls or the peer takes no bytes. Cutting the stream below does, in every state.
pub(crate) struct Severable {
    stream: Box<dyn Stream>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Severable {
    /// Wraps a stream; dropping the guard cuts it.
    pub(crate) fn new(stream: Box<dyn Stream>) -> (Self, DropGuard) {
        let token = CancellationToken::new();
        let cut = Box::pin(token.clone().cancelled_owned());
        (Self { stream, cut }, token.drop_guard())
    }

    fn is_cut(&mut self, cx: &mut Context<'_>) -> bool {
        self.cut.as_mut().poll(cx).is_ready()
    }
}

impl AsyncRead for Severable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_cut(cx) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Severable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_cut(cx) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
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
        let (mut stream, guard) = Severable::new(Box::new(near));
        stream.write_all(b"before").await.unwrap();
        let mut byte = [0];
        tokio::select! {
            biased;
            _ = stream.read(&mut byte) => panic!("nothing was sent"),
            () = std::future::ready(()) => {}
        }
        drop(guard);
        assert_eq!(stream.read(&mut byte).await.unwrap(), 0);
        assert!(stream.write_all(b"after").await.is_err());
    }
}
