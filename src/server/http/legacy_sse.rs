//! The transport of protocol version 2024-11-05, HTTP+SSE, for clients that are configured with `"type": "sse"`:
//! a stream of events, the first of which names the address to post messages to.
//!
//! A session lasts as long as its stream. When either side ends the stream, the MCP service behind the stream ends, and
//! with the service the calls that wait.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::{HeaderMap, Response, StatusCode, Uri, header};
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_core::Stream;
use rmcp::model::{ClientNotification, GetExtensions, JsonRpcMessage, RequestId};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage, serve_server_with_ct};
use rmcp::transport::Transport;
use rmcp::{RoleServer, ServerHandler};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::caller::CallerTag;
use super::mcp_sessions::{Slots, too_many};
use super::reply;
use crate::actors::Client;
use crate::limits;
use crate::server::codec;

/// The parameter that carries the id of a session.
const SESSION_PARAMETER: &str = "sessionId=";
/// Server error of JSON-RPC 2.0 section 5.1: too many calls at once.
const TOO_MANY_CALLS: i32 = -32000;

/// All sessions of this transport, and the handler that serves them.
pub(super) struct LegacySse<S> {
    handler: S,
    slots: Slots,
    sessions: Sessions,
    stop: CancellationToken,
}

/// Sessions by id.
#[derive(Clone, Default)]
struct Sessions(Arc<Mutex<HashMap<String, Session>>>);

/// The receiving side of a session.
#[derive(Clone)]
struct Session {
    inbound: mpsc::Sender<RxJsonRpcMessage<RoleServer>>,
    calls: Calls,
    client: Client,
}

/// Requests without an answer.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<HashSet<RequestId>>>);

impl<S> LegacySse<S>
where
    S: ServerHandler + Clone + Send + Sync + 'static,
{
    pub(super) fn new(handler: S, slots: Slots, stop: CancellationToken) -> Self {
        Self {
            handler,
            slots,
            sessions: Sessions::default(),
            stop,
        }
    }

    /// Whether a GET belongs to this transport: the request asks for events and names no session. A GET of streamable
    /// HTTP names a session, and the newest protocol has no such stream.
    pub(super) fn is_asked_for(headers: &HeaderMap) -> bool {
        let foreign = ["mcp-session-id", "last-event-id", "mcp-protocol-version"];
        let accepts = headers.get_all(header::ACCEPT).iter();
        let mut accepts = accepts.filter_map(|value| value.to_str().ok());
        !foreign.iter().any(|name| headers.contains_key(*name))
            && accepts.any(|value| value.contains("text/event-stream"))
    }

    /// The session that a message is posted to.
    pub(super) fn session_of(uri: &Uri) -> Option<&str> {
        let mut parameters = uri.query()?.split('&');
        parameters.find_map(|parameter| parameter.strip_prefix(SESSION_PARAMETER))
    }

    /// Opens a session and answers with its stream.
    pub(super) fn open_session(&self) -> Response<Body> {
        let Some(permit) = self.slots.take() else {
            return too_many();
        };
        let id = format!("{:032x}", rand::random::<u128>());
        let (inbound, receiver) = mpsc::channel(limits::LEGACY_SSE_QUEUE);
        let (outbound, events) = mpsc::channel(limits::LEGACY_SSE_QUEUE);
        let address = format!("/mcp?{SESSION_PARAMETER}{id}");
        // The queue is new, so there is room.
        let _ = outbound.try_send(Event::default().event("endpoint").data(address));
        let calls = Calls::default();
        let session = Session {
            inbound,
            calls: calls.clone(),
            client: Client::default(),
        };
        self.sessions.lock().insert(id.clone(), session);
        let end = self.stop.child_token();
        let transport = SseTransport {
            receiver,
            outbound,
            calls,
            end: end.clone(),
        };
        let stream = Events {
            events,
            _end: end.clone().drop_guard(),
            _listed: Listed {
                sessions: self.sessions.clone(),
                id,
            },
        };
        let handler = self.handler.clone();
        tokio::spawn(async move {
            match serve_server_with_ct(handler, transport, end).await {
                Ok(running) => drop(running.waiting().await),
                // The client left before its first message, or began with a wrong message. rmcp's error quotes the
                // message, so the error is not logged.
                Err(_) => tracing::debug!("a legacy session did not start"),
            }
            // Calls in progress have had some seconds to end by then.
            drop(permit);
        });
        let keep_alive = KeepAlive::new().interval(limits::SSE_KEEP_ALIVE);
        Sse::new(stream).keep_alive(keep_alive).into_response()
    }

    /// Accepts a posted message; the answer goes to the stream.
    pub(super) async fn receive(
        &self,
        id: &str,
        mut message: RxJsonRpcMessage<RoleServer>,
    ) -> Response<Body> {
        let Some(session) = self.sessions.lock().get(id).cloned() else {
            return reply::error(
                StatusCode::NOT_FOUND,
                "there is no such MCP session; a session ends with its event stream, open a new stream",
            );
        };
        if let Err((status, code, text)) = session.calls.admit_message(&message) {
            let id = match &message {
                JsonRpcMessage::Request(request) => serde_json::to_value(&request.id).ok(),
                _ => None,
            };
            return reply::json(status, &codec::error(code, &text, id));
        }
        let tag = CallerTag(Arc::new(session.client));
        match &mut message {
            JsonRpcMessage::Request(request) => drop(request.request.extensions_mut().insert(tag)),
            JsonRpcMessage::Notification(notification) => {
                drop(notification.notification.extensions_mut().insert(tag));
            }
            _ => {}
        }
        match session.inbound.send(message).await {
            Ok(()) => reply::empty(StatusCode::ACCEPTED),
            Err(_) => reply::error(StatusCode::NOT_FOUND, "the MCP session has just ended"),
        }
    }
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Calls {
    fn lock(&self) -> MutexGuard<'_, HashSet<RequestId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Admits a message, or returns the status, the code and the text of the refusal.
    fn admit_message(
        &self,
        message: &RxJsonRpcMessage<RoleServer>,
    ) -> Result<(), (StatusCode, i32, String)> {
        match message {
            JsonRpcMessage::Request(request) => self.admit(&request.id),
            JsonRpcMessage::Notification(notification) => {
                // A cancelled call gets no answer, so the call no longer counts.
                if let ClientNotification::CancelledNotification(cancelled) =
                    &notification.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    self.lock().remove(id);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn admit(&self, id: &RequestId) -> Result<(), (StatusCode, i32, String)> {
        let mut calls = self.lock();
        if calls.contains(id) {
            let text = "a request with this id is in progress; give each request an id of its own";
            let status = StatusCode::BAD_REQUEST;
            return Err((status, codec::INVALID_REQUEST, text.to_owned()));
        }
        if calls.len() >= limits::LEGACY_SSE_CALLS_MAX {
            let most = limits::LEGACY_SSE_CALLS_MAX;
            let text =
                format!("{most} calls are in progress, which is the limit; wait for one to end");
            return Err((StatusCode::SERVICE_UNAVAILABLE, TOO_MANY_CALLS, text));
        }
        calls.insert(id.clone());
        Ok(())
    }

    fn answered(&self, message: &TxJsonRpcMessage<RoleServer>) {
        match message {
            JsonRpcMessage::Response(response) => drop(self.lock().remove(&response.id)),
            JsonRpcMessage::Error(error) => {
                if let Some(id) = &error.id {
                    self.lock().remove(id);
                }
            }
            _ => {}
        }
    }
}

/// The event stream of a client. The end of the connection drops the stream, which ends the session.
struct Events {
    events: mpsc::Receiver<Event>,
    _end: DropGuard,
    _listed: Listed,
}

/// Removes a session from the list, so that no message is accepted that would get no answer.
struct Listed {
    sessions: Sessions,
    id: String,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.sessions.lock().remove(&self.id);
    }
}

impl Stream for Events {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.poll_recv(context).map(|event| event.map(Ok))
    }
}

/// rmcp's view of the client.
struct SseTransport {
    receiver: mpsc::Receiver<RxJsonRpcMessage<RoleServer>>,
    outbound: mpsc::Sender<Event>,
    calls: Calls,
    end: CancellationToken,
}

/// Reason why a message does not reach the client.
#[derive(Debug, Error)]
enum SendError {
    #[error("the client has closed its stream or does not read")]
    Gone,
    #[error("the message cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

impl Transport<RoleServer> for SseTransport {
    type Error = SendError;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), SendError>> + Send + 'static {
        let (outbound, calls, end) = (self.outbound.clone(), self.calls.clone(), self.end.clone());
        async move {
            calls.answered(&message);
            let text = serde_json::to_string(&message)?;
            let event = Event::default().event("message").data(text);
            match timeout(limits::HTTP_STALL_TIMEOUT, outbound.send(event)).await {
                Ok(Ok(())) => Ok(()),
                _ => {
                    end.cancel();
                    Err(SendError::Gone)
                }
            }
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        self.receiver.recv().await
    }

    async fn close(&mut self) -> Result<(), SendError> {
        Ok(())
    }
}
