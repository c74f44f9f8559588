//! The embedded SSH server on a loopback port.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::server::{DemoError, DemoServer};
use crate::limits::{DEMO_CONNECTIONS_MAX, SHUTDOWN_TIMEOUT};

/// Pause after an accept that failed, so that a lack of file descriptors is not a busy loop.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

impl DemoServer {
    /// Serves connections on a loopback port that the kernel picks, until the result is dropped.
    pub async fn listen(&self) -> Result<Listening, DemoError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(DemoError::Listen)?;
        let address = listener.local_addr().map_err(DemoError::Listen)?;
        let accepting = CancellationToken::new();
        let accept = accept(self.clone(), listener);
        self.shared
            .tasks
            .spawn(accepting.clone().run_until_cancelled_owned(accept));
        Ok(Listening {
            address,
            server: self.clone(),
            _accepting: accepting.drop_guard(),
        })
    }
}

/// Accepts connections for ever.
async fn accept(server: DemoServer, listener: TcpListener) {
    let slots = Arc::new(Semaphore::new(DEMO_CONNECTIONS_MAX));
    // The semaphore is never closed, so the loop ends only with its task.
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let server = server.clone();
                let tasks = server.shared.tasks.clone();
                tasks.spawn(async move {
                    serve_tcp(&server, stream).await;
                    drop(slot);
                });
            }
            // The connection was reset before the accept, or no file descriptor is free: later accepts may succeed.
            Err(error) => {
                tracing::debug!(%error, "demo server could not accept a connection");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

/// Serves a TCP connection.
async fn serve_tcp(server: &DemoServer, stream: TcpStream) {
    // Nagle's algorithm would make each small answer wait for the peer's delayed acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "demo server could not turn off nagle's algorithm");
    }
    if let Err(error) = server.serve_stream(stream).await {
        tracing::debug!(%error, "demo connection ended");
    }
}

/// A server on a loopback port. Dropping it closes the port and cuts every connection.
#[derive(Debug)]
pub struct Listening {
    /// Address of the port.
    pub address: SocketAddr,
    server: DemoServer,
    _accepting: DropGuard,
}

impl Listening {
    /// Cuts every open connection; the port stays open, so that clients can reconnect.
    pub fn drop_connections(&self) {
        self.server.drop_connections();
    }

    /// Closes the port, cuts every connection and waits, within a limit, until the runner has returned from
    /// every command.
    pub async fn stop(self) {
        let tasks = self.server.shared.tasks.clone();
        drop(self);
        tasks.close();
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                left = tasks.len(),
                "tasks of the demo server did not end in time"
            );
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.drop_connections();
    }
}
