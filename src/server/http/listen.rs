//! The accept loop: bounds the number of connections and their times, and looks up the peers.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::caller::{CallerTag, ConnectionCaller, Processes};
use super::guard::{Connection, Guard};
use super::peer::{Peer, Peers};
use super::stall::StallGuard;
use crate::limits;
use crate::metrics::{self, HttpRejection};

/// Answer to a connection above the bound, as far as the socket's buffer accepts it.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n\
content-length: 73\r\nconnection: close\r\nretry-after: 1\r\n\r\n\
{\"error\":\"too many connections are open; close some or try again later\"}\n";

/// Serves connections until `closing`, and then until open connections have had their answers.
pub async fn listen(
    listener: TcpListener,
    guard: Guard,
    router: Router,
    closing: CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(connections_max()));
    let connections = TaskTracker::new();
    let server = Server {
        peers: guard.asks_for_peers().then(Peers::start),
        processes: Arc::default(),
        guard,
        router,
        closing,
    };
    while let Some((stream, peer)) = server.accept(&listener).await {
        let Ok(permit) = Arc::clone(&slots).try_acquire_owned() else {
            metrics::http_rejected(HttpRejection::Connections);
            // Sent without waiting for the client.
            let _ = stream.try_write(FULL);
            continue;
        };
        let server = server.clone();
        connections.spawn(async move {
            server.serve(stream, peer).await;
            drop(permit);
        });
    }
    // From here on, connections are refused.
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// The number of connections that the limit of open files allows, at two files each: the connection, and a file that a
/// request needs.
fn connections_max() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(limits::HTTP_OPEN_FILES, |most| {
        most.min(limits::HTTP_OPEN_FILES)
    });
    let current = limit.current.unwrap_or(limits::HTTP_OPEN_FILES);
    let raised = Rlimit {
        current: Some(wanted),
        maximum: limit.maximum,
    };
    let files = if current < wanted && setrlimit(Resource::Nofile, raised).is_ok() {
        wanted
    } else {
        current
    };
    let half = usize::try_from(files / 2).unwrap_or(usize::MAX);
    half.clamp(1, limits::HTTP_CONNECTIONS_MAX)
}

#[derive(Clone)]
struct Server {
    guard: Guard,
    /// `None` where a token decides.
    peers: Option<Peers>,
    /// The processes that have called over some connection.
    processes: Arc<Processes>,
    router: Router,
    closing: CancellationToken,
}

impl Server {
    /// The next connection; `None` once the server is closing.
    async fn accept(&self, listener: &TcpListener) -> Option<(TcpStream, SocketAddr)> {
        loop {
            let accepted = tokio::select! {
                () = self.closing.cancelled() => return None,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok(connection) => return Some(connection),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(limits::HTTP_ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn serve(&self, stream: TcpStream, peer: SocketAddr) {
        // Small answers leave without delay.
        let _ = stream.set_nodelay(true);
        let Ok(local) = stream.local_addr() else {
            return;
        };
        let caller = ConnectionCaller::new(peer, local, Arc::clone(&self.processes));
        let caller = CallerTag(Arc::new(caller));
        let peer = match &self.peers {
            Some(peers) => peers.look_up(peer, local).await,
            None => Peer::Ours,
        };
        let connection = Connection { local, peer };
        let service = service_fn(|request| self.answer(request, connection, caller.clone()));
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits::HTTP_HEADER_TIMEOUT)
            .max_buf_size(limits::HTTP_HEADER_MAX_BYTES)
            .serve_connection(TokioIo::new(StallGuard::new(stream)), service);
        let mut serving = std::pin::pin!(serving);
        let ended = tokio::select! {
            ended = serving.as_mut() => ended,
            () = self.closing.cancelled() => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection broke");
        }
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        connection: Connection,
        caller: CallerTag,
    ) -> Result<Response<Body>, Infallible> {
        let (mut parts, body) = request.into_parts();
        let mut response = match self.guard.refuse(&parts, connection) {
            Some(refused) => refused,
            None => {
                parts.extensions.insert(caller);
                let request = Request::from_parts(parts, Body::new(body));
                self.router.clone().oneshot(request).await?
            }
        };
        // No web page may interpret, embed or cache an answer.
        let headers = response.headers_mut();
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        headers
            .entry(header::CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
        headers.insert(
            "cross-origin-resource-policy",
            HeaderValue::from_static("same-origin"),
        );
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_beyond_the_bound_has_the_length_that_it_says() {
        let text = std::str::from_utf8(FULL).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let length = format!("content-length: {}\r\n", body.len());
        assert!(head.contains(&length), "{length}");
    }

    #[test]
    fn there_is_a_bound_on_connections() {
        assert!((1..=limits::HTTP_CONNECTIONS_MAX).contains(&connections_max()));
    }
}
