//! TCP connections to a host: staggered attempts on all addresses (RFC 8305), and socket options for an
//! interactive protocol.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::error::SshError;
use super::resolve::{AddressFamily, ResolvedHost};
use crate::limits;

/// Connects to the first address of the host that accepts a connection.
pub(crate) async fn connect(host: &ResolvedHost) -> Result<TcpStream, SshError> {
    let unreachable = |reason: String| SshError::Unreachable {
        host: host.host_name.clone(),
        port: host.port,
        reason,
    };
    let addresses = lookup(host).await.map_err(&unreachable)?;
    let bind = bind_address(host)?;
    let stream = race(addresses, bind).await.map_err(&unreachable)?;
    configure(&stream);
    Ok(stream)
}

async fn lookup(host: &ResolvedHost) -> Result<VecDeque<SocketAddr>, String> {
    let found = tokio::net::lookup_host((host.host_name.as_str(), host.port))
        .await
        .map_err(|error| format!("the name does not resolve ({error})"))?;
    let wanted = found.filter(|address| match host.address_family {
        AddressFamily::Any => true,
        AddressFamily::Inet => address.is_ipv4(),
        AddressFamily::Inet6 => address.is_ipv6(),
    });
    let addresses = interleave(wanted.collect());
    if addresses.is_empty() {
        return Err("the name has no address of the configured AddressFamily".to_owned());
    }
    Ok(addresses)
}

/// Alternates IPv4 and IPv6, starting with the family of the resolver's first address (RFC 8305 section 4).
fn interleave(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (mut ours, mut others): (VecDeque<_>, VecDeque<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == first_is_v6);
    let mut mixed = VecDeque::new();
    while !ours.is_empty() || !others.is_empty() {
        mixed.extend(ours.pop_front());
        mixed.extend(others.pop_front());
    }
    mixed
}

fn bind_address(host: &ResolvedHost) -> Result<Option<IpAddr>, SshError> {
    let Some(text) = &host.bind_address else {
        return Ok(None);
    };
    let address = text.parse().map_err(|_| {
        SshError::Config(format!("BindAddress {text} in the ssh configuration is not an IP address; use an address of this machine"))
    })?;
    Ok(Some(address))
}

/// Connects to several addresses and returns the first connection. The next attempt starts when an attempt
/// fails, or after [`limits::TCP_ATTEMPT_DELAY`].
async fn race(
    mut waiting: VecDeque<SocketAddr>,
    bind: Option<IpAddr>,
) -> Result<TcpStream, String> {
    let mut attempts = JoinSet::new();
    let mut failures: Vec<String> = Vec::new();
    loop {
        if let Some(address) = waiting.pop_front() {
            attempts.spawn(connect_to(address, bind));
        }
        let next = async {
            if waiting.is_empty() {
                std::future::pending().await
            } else {
                sleep(limits::TCP_ATTEMPT_DELAY).await
            }
        };
        tokio::select! {
            () = next => {}
            joined = attempts.join_next() => match joined {
                Some(Ok(Ok(stream))) => return Ok(stream),
                Some(Ok(Err(failure))) => failures.push(failure),
                Some(Err(error)) => failures.push(error.to_string()),
                None => return Err(failures.join("; ")),
            },
        }
    }
}

async fn connect_to(address: SocketAddr, bind: Option<IpAddr>) -> Result<TcpStream, String> {
    let connect = async {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        if let Some(bind) = bind {
            socket.bind(SocketAddr::new(bind, 0))?;
        }
        socket.connect(address).await
    };
    match timeout(limits::TCP_TIMEOUT, connect).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(format!("{}: {error}", address.ip())),
        Err(_) => Err(format!(
            "{}: no answer within {} s",
            address.ip(),
            limits::TCP_TIMEOUT.as_secs()
        )),
    }
}

/// Switches Nagle's algorithm off, which would delay the packets of an exec, and TCP keepalive on, as in OpenSSH.
fn configure(stream: &TcpStream) {
    let result = stream.set_nodelay(true).and_then(|()| {
        rustix::net::sockopt::set_socket_keepalive(stream, true).map_err(io::Error::from)
    });
    if let Err(error) = result {
        tracing::warn!(%error, "cannot set socket options");
    }
}

/// A TCP stream that acknowledges small bursts immediately.
///
/// sshd leaves Nagle's algorithm on for commands without a terminal, so each small packet (reply, output, exit
/// status) is held back until the previous packet is acknowledged. Linux delays that acknowledgement by 40 ms.
/// Bulk transfers are not affected by the delay, and extra acknowledgements would slow them down.
pub(crate) struct QuickAck {
    stream: TcpStream,
    /// Bytes read since the socket was last empty.
    burst: usize,
}

/// Bursts up to this size are interactive.
const INTERACTIVE_BURST_BYTES: usize = 4096;

impl QuickAck {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, burst: 0 }
    }

    /// Acknowledges a small burst. Called when the socket has no more data to read.
    fn acknowledge_small_burst(&mut self) {
        let burst = std::mem::take(&mut self.burst);
        #[cfg(target_os = "linux")]
        if (1..=INTERACTIVE_BURST_BYTES).contains(&burst) {
            // A failure only costs speed. The kernel leaves this mode by itself.
            let _ = rustix::net::sockopt::set_tcp_quickack(&self.stream, true);
        }
    }
}

impl AsyncRead for QuickAck {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        match result {
            Poll::Ready(Ok(())) => {
                self.burst = self.burst.saturating_add(buf.filled().len() - before)
            }
            Poll::Pending => self.acknowledge_small_burst(),
            Poll::Ready(Err(_)) => {}
        }
        result
    }
}

impl AsyncWrite for QuickAck {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
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

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_alternate_from_the_first() {
        let mixed = interleave(addresses(&["[::1]:1", "[::2]:1", "1.1.1.1:1", "[::3]:1"]));
        assert_eq!(
            Vec::from(mixed),
            addresses(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"])
        );
    }

    #[tokio::test]
    async fn a_refused_address_is_skipped_and_named_if_all_are_refused() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let open = listener.local_addr().unwrap();
        let closed = {
            let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            gone.local_addr().unwrap()
        };
        assert!(race(VecDeque::from([closed, open]), None).await.is_ok());
        let reason = race(VecDeque::from([closed]), None).await.unwrap_err();
        assert!(
            reason.contains("127.0.0.1") && reason.contains("refused"),
            "{reason}"
        );
    }
}
