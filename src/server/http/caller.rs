//! The client behind a request: the MCP session of protocols that have sessions, else the peer's process where the
//! kernel tells the process, else the connection.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::request::Parts;
use futures_core::future::BoxFuture;
use rmcp::model::Extensions;
use tokio::sync::OnceCell;

use super::process::{self, ProcessId};
use crate::actors::{Caller, Client};
use crate::limits;

/// The client behind a request, attached to the request on its way to the handler.
#[derive(Debug, Clone)]
pub(super) struct CallerTag(pub(super) Arc<dyn Caller>);

/// The caller that the transport attached to a request.
pub(super) fn of(extensions: &Extensions) -> Option<Arc<dyn Caller>> {
    // Streamable HTTP hands over the head of the HTTP request.
    let in_parts = || extensions.get::<Parts>()?.extensions.get::<CallerTag>();
    let tag = extensions.get::<CallerTag>().or_else(in_parts)?;
    Some(Arc::clone(&tag.0))
}

/// The processes that have called, and their clients.
#[derive(Debug, Default)]
pub(super) struct Processes(Mutex<ProcessClients>);

#[derive(Debug, Default)]
struct ProcessClients {
    clients: HashMap<ProcessId, ProcessClient>,
    look_ups: u64,
}

#[derive(Debug)]
struct ProcessClient {
    client: Client,
    /// Number of the last look-up of this client.
    used: u64,
}

impl Processes {
    fn known(&self) -> Vec<ProcessId> {
        let processes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        processes.clients.keys().copied().collect()
    }

    /// The client of a process, which is `new` if the process has not called before.
    fn client(&self, process: ProcessId, new: &Client) -> Client {
        let mut processes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        processes.look_ups += 1;
        let used = processes.look_ups;
        let clients = &mut processes.clients;
        if clients.len() >= limits::HTTP_PROCESSES_MAX && !clients.contains_key(&process) {
            let oldest = clients.iter().min_by_key(|(_, client)| client.used);
            let oldest = oldest.map(|(process, _)| *process);
            oldest.and_then(|oldest| clients.remove(&oldest));
        }
        let entry = clients.entry(process).or_insert_with(|| ProcessClient {
            client: new.clone(),
            used,
        });
        entry.used = used;
        entry.client.clone()
    }
}

/// A connection as the source of calls without an MCP session.
#[derive(Debug)]
pub(super) struct ConnectionCaller {
    peer: SocketAddr,
    local: SocketAddr,
    processes: Arc<Processes>,
    /// The client if the process is unknown, or has not called before.
    own: Client,
    resolved: OnceCell<Client>,
}

impl ConnectionCaller {
    pub(super) fn new(peer: SocketAddr, local: SocketAddr, processes: Arc<Processes>) -> Self {
        Self {
            peer,
            local,
            processes,
            own: Client::default(),
            resolved: OnceCell::new(),
        }
    }

    async fn resolve(&self) -> Client {
        let (peer, local, known) = (self.peer, self.local, self.processes.known());
        let found = tokio::task::spawn_blocking(move || process::of_peer(peer, local, &known));
        match found.await {
            Ok(Some(process)) => self.processes.client(process, &self.own),
            _ => self.own.clone(),
        }
    }
}

impl Caller for ConnectionCaller {
    fn client(&self) -> BoxFuture<'_, Client> {
        Box::pin(async { self.resolved.get_or_init(|| self.resolve()).await.clone() })
    }

    fn at_hand(&self) -> &Client {
        &self.own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_that_was_used_least_recently_gives_way() {
        let processes = Processes::default();
        let process = |pid: usize| ProcessId {
            pid: u32::try_from(pid).unwrap(),
            started: 0,
        };
        for pid in 0..limits::HTTP_PROCESSES_MAX {
            processes.client(process(pid), &Client::default());
        }
        processes.client(process(0), &Client::default());
        processes.client(process(limits::HTTP_PROCESSES_MAX), &Client::default());
        let known = processes.known();
        assert_eq!(known.len(), limits::HTTP_PROCESSES_MAX);
        assert!(known.contains(&process(0)) && !known.contains(&process(1)));
    }
}
