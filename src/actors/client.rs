//! The client of a call, and the session that the client's calls mean when they name none.
//!
//! A default belongs to a client, so that no client changes where the calls of another client go. The transport knows
//! its clients: a [`Client`] lives as long as the connection, the MCP session or the process that it stands for.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_core::future::BoxFuture;
use tokio::sync::OnceCell;

use crate::store::SessionName;

/// The source of a call, as a transport knows the source.
pub trait Caller: Debug + Send + Sync {
    /// The client behind the call. A transport may have to look the client up, so only calls that need a default ask.
    fn client(&self) -> BoxFuture<'_, Client>;

    /// The part of the client that is known without a look-up; keeps the stored default from the client's beginning.
    fn at_hand(&self) -> &Client;
}

/// A client; clones share the client's state.
#[derive(Debug, Clone, Default)]
pub struct Client(Arc<ClientState>);

/// State of a [`Client`].
#[derive(Debug, Default)]
struct ClientState {
    own: Mutex<OwnDefault>,
    /// The store's default when the client began.
    stored: OnceCell<Option<SessionName>>,
}

/// The default that follows from the client's own calls.
#[derive(Debug, Default)]
struct OwnDefault {
    /// Chosen by `ssh_set_default` or `makeDefault`.
    chosen: Option<SessionName>,
    /// The session that the client connected last.
    connected: Option<SessionName>,
    /// The client has connected a session, perhaps one that is forgotten by now.
    has_connected: bool,
}

impl Client {
    /// Keeps the stored default as of the client's first request; later calls change nothing.
    pub(super) async fn begin(&self, stored: impl Future<Output = Option<SessionName>>) {
        self.0.stored.get_or_init(|| stored).await;
    }

    /// The session that the client chose, else the session that the client connected last.
    pub(super) fn own_default(&self) -> Option<SessionName> {
        let own = self.own();
        own.chosen.clone().or_else(|| own.connected.clone())
    }

    /// The stored default, which counts only for a client that has connected nothing.
    pub(super) fn stored_default(&self) -> Option<SessionName> {
        if self.own().has_connected {
            return None;
        }
        self.0.stored.get().cloned().flatten()
    }

    /// Among these sessions, the session that a call of this client means when the call names none.
    pub(super) fn default_among<'a>(
        &self,
        known: impl Iterator<Item = &'a SessionName> + Clone,
    ) -> Option<SessionName> {
        if let Some(own) = self.own_default() {
            return Some(own);
        }
        let stored = self.stored_default();
        if let Some(stored) = stored.filter(|stored| known.clone().any(|name| name == stored)) {
            return Some(stored);
        }
        let mut known = known;
        match (known.next(), known.next()) {
            (Some(only), None) => Some(only.clone()),
            _ => None,
        }
    }

    /// The client chose a session.
    pub(super) fn choose(&self, name: SessionName) {
        self.own().chosen = Some(name);
    }

    /// The client connected a session.
    pub(super) fn connected(&self, name: SessionName) {
        let mut own = self.own();
        own.connected = Some(name);
        own.has_connected = true;
    }

    /// The client gave a session up.
    pub(super) fn forget(&self, name: &SessionName) {
        let mut own = self.own();
        own.chosen.take_if(|chosen| chosen == name);
        own.connected.take_if(|connected| connected == name);
    }

    fn own(&self) -> MutexGuard<'_, OwnDefault> {
        self.0.own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client that needs no look-up: the process at the other end of stdin, or an MCP session.
impl Caller for Client {
    fn client(&self) -> BoxFuture<'_, Client> {
        Box::pin(std::future::ready(self.clone()))
    }

    fn at_hand(&self) -> &Client {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> SessionName {
        SessionName::parse(text).unwrap()
    }

    fn among(client: &Client, known: &[&str]) -> Option<String> {
        let known: Vec<_> = known.iter().map(|text| name(text)).collect();
        let default = client.default_among(known.iter());
        default.map(|name| name.to_string())
    }

    async fn client(stored: Option<&str>) -> Client {
        let client = Client::default();
        client.begin(async { stored.map(name) }).await;
        client
    }

    #[tokio::test]
    async fn without_a_choice_only_the_stored_default_or_the_only_session_count() {
        let fresh = client(None).await;
        assert_eq!(among(&fresh, &[]), None);
        assert_eq!(among(&fresh, &["a"]).as_deref(), Some("a"));
        assert_eq!(among(&fresh, &["a", "b"]), None);
        let with_stored = client(Some("b")).await;
        assert_eq!(among(&with_stored, &["a", "b"]).as_deref(), Some("b"));
        // The stored session is gone, so nothing but a guess is left.
        assert_eq!(among(&with_stored, &["a", "c"]), None);
        // The stored default is that of the beginning.
        with_stored.begin(async { Some(name("a")) }).await;
        assert_eq!(among(&with_stored, &["a", "b"]).as_deref(), Some("b"));
    }

    #[tokio::test]
    async fn a_choice_precedes_the_last_connect_and_both_precede_the_store() {
        let client = client(Some("c")).await;
        client.connected(name("a"));
        client.connected(name("b"));
        assert_eq!(among(&client, &["a", "b", "c"]).as_deref(), Some("b"));
        client.choose(name("a"));
        client.connected(name("b"));
        assert_eq!(among(&client, &["a", "b", "c"]).as_deref(), Some("a"));
        client.forget(&name("a"));
        assert_eq!(among(&client, &["b", "c"]).as_deref(), Some("b"));
        client.forget(&name("b"));
        // The client has connected something, so the stored default does not count.
        assert_eq!(among(&client, &["c", "d"]), None);
        assert_eq!(among(&client, &["c"]).as_deref(), Some("c"));
    }

    /// A session that somebody else removed is not replaced by a guess.
    #[tokio::test]
    async fn a_session_that_is_gone_stays_the_default() {
        let client = client(None).await;
        client.connected(name("a"));
        assert_eq!(among(&client, &["b"]).as_deref(), Some("a"));
    }
}
