//! A link that fails on request: stalls, cuts and delays, between in-memory streams or as a TCP proxy.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// Bytes allocated at once; chunks share an allocation.
const BLOCK_BYTES: usize = 64 * 1024;
/// Room for at least this many bytes in each read.
const CHUNK_MIN_BYTES: usize = 4 * 1024;
/// Chunks under way in one direction: at least 32 MiB of a fast stream, more than any window, so that a
/// delay caps no bandwidth and two peers that write at once never wait for each other.
const QUEUE_CHUNKS: usize = 8 * 1024;

/// How a link behaves now.
#[derive(Debug, Clone, Copy, Default)]
struct Condition {
    stalled: bool,
    /// One way.
    delay: Duration,
    /// Times that the link was cut: a connection ends when the number is not that of its beginning.
    cuts: u64,
}

/// The controls of any number of connections. Clones control the same ones.
#[derive(Debug, Clone, Default)]
pub struct Link {
    condition: watch::Sender<Condition>,
    live: Arc<AtomicUsize>,
}

impl Link {
    /// A link that passes everything at once.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets bytes through again: those held by [`Link::stall`] arrive now, as after a retransmission.
    pub fn pass(&self) {
        self.condition
            .send_modify(|condition| condition.stalled = false);
    }

    /// Becomes a black hole both ways: nothing arrives and nothing is closed, for new connections too.
    pub fn stall(&self) {
        self.condition
            .send_modify(|condition| condition.stalled = true);
    }

    /// Closes both ends of every connection, with the loss of all data under way. New connections pass.
    pub fn cut(&self) {
        self.condition.send_modify(|condition| condition.cuts += 1);
    }

    /// Delays everything that enters from now on by this much each way.
    pub fn set_delay(&self, one_way: Duration) {
        self.condition
            .send_modify(|condition| condition.delay = one_way);
    }

    /// Connections that have not ended.
    pub fn live(&self) -> usize {
        self.live.load(Ordering::SeqCst)
    }

    /// Connects two streams through this link until one direction fails, both have ended or the link is cut.
    pub fn join<A, B>(&self, a: A, b: B)
    where
        A: AsyncRead + AsyncWrite + Send + 'static,
        B: AsyncRead + AsyncWrite + Send + 'static,
    {
        // Taken here and not in the task: a cut right after this call has to count.
        let cuts = self.condition.borrow().cuts;
        let mut watching = self.condition.subscribe();
        let link = self.clone();
        self.live.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move {
            let (a_read, a_write) = tokio::io::split(a);
            let (b_read, b_write) = tokio::io::split(b);
            let both = async {
                tokio::try_join!(link.carry(a_read, b_write), link.carry(b_read, a_write))
            };
            tokio::select! {
                biased;
                _ = watching.wait_for(|now| now.cuts != cuts) => {}
                _ = both => {}
            }
            link.live.fetch_sub(1, Ordering::SeqCst);
        });
    }

    /// Carries one direction to its end of file.
    async fn carry<R, W>(&self, from: ReadHalf<R>, to: WriteHalf<W>) -> std::io::Result<()>
    where
        R: AsyncRead,
        W: AsyncWrite,
    {
        let (queue, queued) = mpsc::channel(QUEUE_CHUNKS);
        tokio::try_join!(self.take(from, queue), self.deliver(queued, to))?;
        Ok(())
    }

    /// Takes bytes in and notes when they are due, so that a delay is not paid once per chunk.
    async fn take<R: AsyncRead>(
        &self,
        mut from: ReadHalf<R>,
        queue: mpsc::Sender<(Instant, Bytes)>,
    ) -> std::io::Result<()> {
        let mut buffer = BytesMut::with_capacity(BLOCK_BYTES);
        loop {
            buffer.reserve(CHUNK_MIN_BYTES);
            if from.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
            let due = Instant::now() + self.condition.borrow().delay;
            if queue.send((due, buffer.split().freeze())).await.is_err() {
                return Ok(());
            }
        }
    }

    /// Delivers chunks when they are due, unless the link is stalled, and then the end of file.
    async fn deliver<W: AsyncWrite>(
        &self,
        mut queued: mpsc::Receiver<(Instant, Bytes)>,
        mut to: WriteHalf<W>,
    ) -> std::io::Result<()> {
        let mut condition = self.condition.subscribe();
        while let Some((due, chunk)) = queued.recv().await {
            tokio::time::sleep_until(due).await;
            let _ = condition.wait_for(|now| !now.stalled).await;
            to.write_all(&chunk).await?;
        }
        let _ = condition.wait_for(|now| !now.stalled).await;
        to.shutdown().await
    }
}

/// A [`Link`] as a TCP proxy on a loopback port. Dropping this cuts the connections.
#[derive(Debug)]
pub struct TcpLink {
    /// Address of the proxy.
    pub address: SocketAddr,
    /// The controls.
    pub link: Link,
    accepted: Arc<AtomicUsize>,
    accepting: AbortHandle,
}

impl TcpLink {
    /// Listens and connects everyone with `upstream`.
    pub async fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a loopback port");
        let address = listener.local_addr().expect("a bound address");
        let link = Link::new();
        let accepted = Arc::new(AtomicUsize::new(0));
        let accept = accept(listener, upstream, link.clone(), Arc::clone(&accepted));
        let accepting = tokio::spawn(accept).abort_handle();
        Self {
            address,
            link,
            accepted,
            accepting,
        }
    }

    /// Port of the proxy.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for TcpLink {
    fn drop(&mut self) {
        self.accepting.abort();
        self.link.cut();
    }
}

async fn accept(
    listener: TcpListener,
    upstream: SocketAddr,
    link: Link,
    accepted: Arc<AtomicUsize>,
) {
    while let Ok((client, _)) = listener.accept().await {
        accepted.fetch_add(1, Ordering::SeqCst);
        let link = link.clone();
        tokio::spawn(async move {
            // With nobody upstream the client is dropped and sees an early end.
            let Ok(server) = TcpStream::connect(upstream).await else {
                return;
            };
            let nodelay = client
                .set_nodelay(true)
                .and_then(|()| server.set_nodelay(true));
            if nodelay.is_ok() {
                link.join(client, server);
            }
        });
    }
}
