//! Access control: a single check in front of every route.
//!
//! A web page must not reach this server through its user's browser (Host against DNS rebinding, Origin against
//! everything else), and another user of the machine must not reach the server at all (token, or the peer's uid).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri};
use serde_json::json;

use super::peer::Peer;
use super::reply;
use super::token::Token;
use crate::metrics::{self, HttpRejection};

/// Sent by browsers even without an Origin, and not settable by pages (Fetch Metadata).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The rules of this server.
#[derive(Debug, Clone)]
pub struct Guard {
    token: Option<Arc<Token>>,
    allow_hosts: Arc<[String]>,
}

/// A connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Connection {
    /// This server's address of the connection.
    pub(super) local: SocketAddr,
    /// The peer.
    pub(super) peer: Peer,
}

/// Reason for refusing a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    NoHost,
    Host,
    Origin,
    Token,
    Peer,
}

impl Guard {
    /// With a token, every request has to carry the token. `allow_hosts` are further names of this server, `NAME` or
    /// `NAME:PORT`.
    pub fn new(token: Option<Token>, allow_hosts: Vec<String>) -> Self {
        let names = allow_hosts
            .into_iter()
            .map(|name| name.to_ascii_lowercase());
        Self {
            token: token.map(Arc::new),
            allow_hosts: names.collect(),
        }
    }

    /// Whether the decision needs the user at the other end.
    pub(super) fn asks_for_peers(&self) -> bool {
        self.token.is_none()
    }

    /// The answer to a refused request; `None` lets the request pass.
    pub(super) fn refuse(&self, request: &Parts, connection: Connection) -> Option<Response<Body>> {
        let judged = self.judge(&request.uri, &request.headers, connection);
        let refusal = judged.err()?;
        tracing::debug!(?refusal, "request refused");
        metrics::http_rejected(match refusal {
            Refusal::NoHost | Refusal::Host => HttpRejection::Host,
            Refusal::Origin => HttpRejection::Origin,
            Refusal::Token => HttpRejection::Token,
            Refusal::Peer => HttpRejection::Peer,
        });
        Some(self.answer(refusal))
    }

    fn judge(&self, uri: &Uri, headers: &HeaderMap, connection: Connection) -> Result<(), Refusal> {
        let host = self.judge_host(uri, headers, connection.local)?;
        judge_origin(headers, &host)?;
        match &self.token {
            Some(token) if bearer(headers).is_some_and(|given| token.is(given)) => Ok(()),
            Some(_) => Err(Refusal::Token),
            None if connection.peer == Peer::Ours => Ok(()),
            None => Err(Refusal::Peer),
        }
    }

    /// Every Host of the request has to name this server; the result is the Host header.
    fn judge_host(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        local: SocketAddr,
    ) -> Result<Authority, Refusal> {
        let host = only(headers, HOST).ok_or(Refusal::NoHost)?;
        let host: Authority = host.parse().map_err(|_| Refusal::Host)?;
        // A host in the request line takes precedence (RFC 9112 section 3.2.2).
        let mut named = std::iter::once(&host).chain(uri.authority());
        if named.all(|authority| self.is_ours(authority, local)) {
            Ok(host)
        } else {
            Err(Refusal::Host)
        }
    }

    /// Whether an authority names this server: a loopback name or the server's address with any port, because a
    /// forwarded port has another number, or a name that is allowed by option.
    fn is_ours(&self, authority: &Authority, local: SocketAddr) -> bool {
        let text = authority.as_str();
        // `name:`, and text that is no port.
        let has_port = text.len() > authority.host().len();
        if text.contains('@') || (has_port && authority.port_u16().is_none()) {
            return false;
        }
        let host = authority.host().to_ascii_lowercase();
        let is_allowed =
            |allowed: &String| *allowed == host || *allowed == text.to_ascii_lowercase();
        self.allow_hosts.iter().any(is_allowed) || is_own_name(&host, local)
    }

    fn answer(&self, refusal: Refusal) -> Response<Body> {
        let (status, text) = match refusal {
            Refusal::NoHost => (StatusCode::BAD_REQUEST, "a request needs one Host header"),
            Refusal::Host => (
                StatusCode::FORBIDDEN,
                "this server does not accept that Host; use the address that the server listens on, or start the server with --allow-host NAME",
            ),
            Refusal::Origin => (
                StatusCode::FORBIDDEN,
                "requests from web pages of other origins are refused",
            ),
            Refusal::Peer => (
                StatusCode::FORBIDDEN,
                "this server serves the user who runs it; for other users, start the server with --token-file FILE",
            ),
            Refusal::Token => return self.unauthorized(),
        };
        reply::error(status, text)
    }

    /// Clients show this answer to their users, so the answer names the next step.
    fn unauthorized(&self) -> Response<Body> {
        let path = self
            .token
            .as_ref()
            .map(|token| token.path().display().to_string());
        let path = path.unwrap_or_default();
        let body = json!({
            "error": format!("this server needs a token: send the header Authorization: Bearer TOKEN, where TOKEN is the content of {path}"),
            "tokenFile": path,
            "header": "Authorization: Bearer TOKEN",
        });
        let mut response = reply::json(StatusCode::UNAUTHORIZED, &body);
        let scheme = HeaderValue::from_static("Bearer realm=\"mcp-ssh-sessions\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
        response
    }
}

/// A web page has to come from the Host that it asks: every program on this machine may serve pages from a loopback
/// name with another port.
fn judge_origin(headers: &HeaderMap, host: &Authority) -> Result<(), Refusal> {
    if let Some(site) = headers.get(SEC_FETCH_SITE)
        && !matches!(site.as_bytes(), b"none" | b"same-origin")
    {
        return Err(Refusal::Origin);
    }
    if !headers.contains_key(ORIGIN) {
        return Ok(());
    }
    let origin = only(headers, ORIGIN).ok_or(Refusal::Origin)?;
    let origin: Uri = origin.parse().map_err(|_| Refusal::Origin)?;
    let default_port = match origin.scheme_str() {
        Some("http") => 80,
        Some("https") => 443,
        _ => return Err(Refusal::Origin),
    };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(default_port);
    match origin.authority() {
        Some(own)
            if !own.as_str().contains('@')
                && own.host().eq_ignore_ascii_case(host.host())
                && port(own) == port(host) =>
        {
            Ok(())
        }
        _ => Err(Refusal::Origin),
    }
}

/// The value of a header that is present exactly once.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// `Authorization: Bearer TOKEN`; the scheme in any case (RFC 9110 section 11.1).
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = only(headers, AUTHORIZATION)?;
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim().as_bytes())
}

fn is_own_name(host: &str, local: SocketAddr) -> bool {
    if host == "localhost" {
        return true;
    }
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let address: Option<IpAddr> = match bare {
        Some(v6) => v6.parse().ok().map(IpAddr::V6),
        None => host.parse().ok().map(IpAddr::V4),
    };
    address.is_some_and(|address| {
        let names_loopback = address == IpAddr::from([127, 0, 0, 1])
            || address == IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1_u16]);
        names_loopback || address.to_canonical() == local.ip().to_canonical()
    })
}

#[cfg(test)]
mod tests;
