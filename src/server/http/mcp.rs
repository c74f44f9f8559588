//! `/mcp`: picks the transport of a request, and corrects answers of rmcp that clients cannot handle.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, Method, Response, StatusCode};
use axum::routing::get;
use rmcp::model::{ClientRequest, ErrorCode, GetMeta, JsonRpcMessage, ProtocolVersion};
use rmcp::service::RxJsonRpcMessage;
use rmcp::transport::streamable_http_server::{
    SessionManager, StreamableHttpServerConfig, StreamableHttpService,
};
use rmcp::{RoleServer, ServerHandler};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::body;
use super::caller::CallerTag;
use super::legacy_sse::LegacySse;
use super::mcp_sessions::{BoundedSessions, Slots, too_many};
use super::reply;
use crate::limits;
use crate::metrics::{self, HttpRejection};
use crate::server::codec::{self, Incoming};

const PROTOCOL_VERSION: &str = "mcp-protocol-version";
const SESSION_ID: &str = "mcp-session-id";

/// Both transports in front of one handler.
struct Mcp<S> {
    streamable: StreamableHttpService<S, BoundedSessions>,
    sessions: Arc<BoundedSessions>,
    legacy: LegacySse<S>,
    slots: Slots,
}

/// The route `/mcp`. `stop` ends every stream and every MCP session.
pub fn routes<S>(handler: S, stop: CancellationToken) -> Router
where
    S: ServerHandler + Clone + Send + Sync + 'static,
{
    let mcp = Arc::new(Mcp::new(handler, stop));
    let serve = move |request: Request| {
        let mcp = Arc::clone(&mcp);
        async move { mcp.serve(request).await }
    };
    Router::new().route("/mcp", get(serve.clone()).post(serve.clone()).delete(serve))
}

impl<S> Mcp<S>
where
    S: ServerHandler + Clone + Send + Sync + 'static,
{
    fn new(handler: S, stop: CancellationToken) -> Self {
        let slots = Slots::default();
        let sessions = Arc::new(BoundedSessions::new(slots.clone()));
        let config = StreamableHttpServerConfig::default()
            .with_sse_keep_alive(Some(limits::SSE_KEEP_ALIVE))
            .with_max_request_body_bytes(limits::HTTP_BODY_MAX_BYTES)
            .with_cancellation_token(stop.clone())
            // The guard in front of every route checks the host.
            .disable_allowed_hosts();
        let service = handler.clone();
        Self {
            streamable: StreamableHttpService::new(
                move || Ok(service.clone()),
                Arc::clone(&sessions),
                config,
            ),
            sessions,
            legacy: LegacySse::new(handler, slots.clone(), stop),
            slots,
        }
    }

    async fn serve(&self, request: Request) -> Response<Body> {
        match *request.method() {
            Method::GET if LegacySse::<S>::is_asked_for(request.headers()) => {
                self.legacy.open_session()
            }
            Method::GET => self.pass(request).await,
            Method::POST => self.post(request).await,
            Method::DELETE => self.delete(request).await,
            _ => reply::empty(StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    async fn post(&self, request: Request) -> Response<Body> {
        let (mut parts, bytes) = match body::read(request).await {
            Ok(read) => read,
            Err(answer) => return answer,
        };
        let message = match codec::whole(&bytes) {
            Incoming::Message(message) => message,
            // A notification of an unknown kind.
            Incoming::Blank if !bytes.trim_ascii().is_empty() => {
                return reply::empty(StatusCode::ACCEPTED);
            }
            Incoming::Blank => {
                let error = codec::error(codec::PARSE_ERROR, "the body is empty", None);
                return malformed(&error);
            }
            Incoming::Rejected(error) => return malformed(&error),
        };
        if let Some(id) = removed(&parts.headers, &message) {
            let text = "initialize is not part of this protocol version; see server/discover";
            let error = codec::error(ErrorCode::METHOD_NOT_FOUND.0, text, Some(id));
            return reply::json(StatusCode::NOT_FOUND, &error);
        }
        if let Some(id) = LegacySse::<S>::session_of(&parts.uri) {
            return self.legacy.receive(id, *message).await;
        }
        if let Some(id) = session_id(&parts.headers)
            && let Some(client) = self.sessions.client(id)
        {
            parts.extensions.insert(CallerTag(Arc::new(client)));
        }
        let opens_session = !parts.headers.contains_key(SESSION_ID)
            && matches!(&*message, JsonRpcMessage::Request(request)
                if matches!(request.request, ClientRequest::InitializeRequest(_)));
        if opens_session && self.slots.are_taken() {
            return too_many();
        }
        let response = self
            .pass(Request::from_parts(parts, Body::from(bytes)))
            .await;
        // Another client took the last place meanwhile.
        if opens_session
            && response.status() == StatusCode::INTERNAL_SERVER_ERROR
            && self.slots.are_taken()
        {
            return too_many();
        }
        response
    }

    async fn delete(&self, request: Request) -> Response<Body> {
        if let Some(id) = session_id(request.headers()) {
            let known = self.sessions.has_session(&id.into()).await;
            if !known.unwrap_or(false) {
                return reply::error(StatusCode::NOT_FOUND, "there is no such MCP session");
            }
        }
        let response = self.pass(request).await;
        if response.status() == StatusCode::ACCEPTED {
            // Nothing is left to be done, and some SDKs treat 202 as a failure.
            return reply::empty(StatusCode::NO_CONTENT);
        }
        response
    }

    async fn pass(&self, request: Request) -> Response<Body> {
        self.streamable.handle(request).await.map(Body::new)
    }
}

fn session_id(headers: &HeaderMap) -> Option<&str> {
    headers.get(SESSION_ID)?.to_str().ok()
}

/// The id of an `initialize` whose header and body name a protocol version that has no `initialize`. rmcp would read the
/// request as the handshake of an older version with missing parameters.
fn removed(headers: &HeaderMap, message: &RxJsonRpcMessage<RoleServer>) -> Option<Value> {
    let JsonRpcMessage::Request(request) = message else {
        return None;
    };
    let named = headers.get(PROTOCOL_VERSION)?.as_bytes();
    let is_modern = |version: &str| {
        let without = ProtocolVersion::V_2026_07_28;
        version == without.as_str() && named == version.as_bytes()
    };
    let is_initialize = match &request.request {
        ClientRequest::InitializeRequest(_) => true,
        ClientRequest::CustomRequest(custom) => custom.method == "initialize",
        _ => false,
    };
    let meta = request.request.get_meta();
    let version = meta.protocol_version()?;
    (is_initialize && is_modern(version.as_str()))
        .then(|| serde_json::to_value(&request.id).ok())
        .flatten()
}

fn malformed(error: &Value) -> Response<Body> {
    metrics::http_rejected(HttpRejection::Malformed);
    reply::json(StatusCode::BAD_REQUEST, error)
}
