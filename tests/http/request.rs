//! HTTP at the level of bytes: one connection for each request, every wait bounded.

use std::time::Duration;

use http_body_util::BodyExt;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use testkit::bounded;
use testkit::daemon::Daemon;

/// An answer whose body may still be coming.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Incoming,
    unread: Vec<u8>,
    connection: JoinHandle<()>,
}

impl Drop for Reply {
    fn drop(&mut self) {
        // The connection goes with whoever has asked.
        self.connection.abort();
    }
}

/// A request that is being put together.
pub(crate) struct Asked<'a> {
    daemon: &'a Daemon,
    request: hyper::http::request::Builder,
    has_host: bool,
}

/// A request to a route of a daemon.
pub(crate) fn ask<'a>(daemon: &'a Daemon, method: &str, path: &str) -> Asked<'a> {
    Asked {
        daemon,
        request: Request::builder().method(method).uri(path),
        has_host: false,
    }
}

impl Asked<'_> {
    /// One more header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.has_host |= name.eq_ignore_ascii_case("host");
        self.request = self.request.header(name, value);
        self
    }

    /// The headers of a message of MCP.
    pub(crate) fn mcp(self) -> Self {
        self.header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
    }

    /// Sends the request.
    pub(crate) async fn send(self, body: impl Into<Bytes>) -> Reply {
        let address = self.daemon.address().to_owned();
        let mut request = self.request;
        if !self.has_host {
            request = request.header("host", &address);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let sending = async {
            let stream = TcpStream::connect(&address).await.unwrap();
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
            let connection = tokio::spawn(async move { drop(connection.await) });
            (sender.send_request(request).await.unwrap(), connection)
        };
        let (response, connection) = bounded("an answer", sending).await;
        let (parts, body) = response.into_parts();
        Reply {
            status: parts.status,
            headers: parts.headers,
            body,
            unread: Vec::new(),
            connection,
        }
    }

    /// The status of the answer; nothing if there is none.
    pub(crate) async fn try_get(self) -> Option<u16> {
        let path = self.request.uri_ref()?.path().to_owned();
        fetch(self.daemon.address(), &path)
            .await
            .map(|(status, _)| status)
    }

    /// Sends the request without a body.
    pub(crate) async fn get(self) -> Reply {
        self.send("").await
    }
}

impl Reply {
    /// The value of a header; empty if the header is absent.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// The whole body.
    pub(crate) async fn text(mut self) -> String {
        while self.more().await {}
        String::from_utf8(std::mem::take(&mut self.unread)).unwrap()
    }

    /// The whole body as JSON.
    pub(crate) async fn json(self) -> Value {
        let text = self.text().await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?}"))
    }

    /// Reads on; false at the end of the body.
    async fn more(&mut self) -> bool {
        match bounded("more of the body", self.body.frame()).await {
            Some(Ok(frame)) => {
                self.unread.extend(frame.into_data().unwrap_or_default());
                true
            }
            Some(Err(_)) | None => false,
        }
    }

    /// The next event of a stream, as its type and its data; none at the end. Comments and events without data
    /// are left out.
    pub(crate) async fn event(&mut self) -> Option<(String, String)> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.unread.drain(..end + 2).collect();
                let text = String::from_utf8(block).unwrap();
                let field = |name: &str| {
                    let mut lines = text.lines();
                    lines.find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()))
                };
                if let Some(data) = field("data:").filter(|data| !data.is_empty()) {
                    return Some((field("event:").unwrap_or_default(), data));
                }
            } else if !self.more().await {
                return None;
            }
        }
    }

    /// The answer to a request of JSON-RPC, on a stream or as the body.
    pub(crate) async fn answer(mut self) -> Value {
        if self.header("content-type").starts_with("application/json") {
            return self.json().await;
        }
        loop {
            let (_, data) = self.event().await.expect("an answer before the end");
            let message: Value = serde_json::from_str(&data).unwrap();
            if message.get("method").is_none() {
                return message;
            }
        }
    }
}

/// A connection on which anything can be written.
pub(crate) struct Raw(pub(crate) TcpStream);

impl Raw {
    pub(crate) async fn connect(daemon: &Daemon) -> Self {
        let connecting = TcpStream::connect(daemon.address().to_owned());
        Self(bounded("a connection", connecting).await.unwrap())
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        // The other end may have closed; the answer then shows the close.
        let _ = bounded("room", self.0.write_all(bytes)).await;
    }

    /// All bytes until the other end closes, which must happen within `limit`.
    pub(crate) async fn read_to_end(&mut self, limit: Duration) -> String {
        let mut bytes = Vec::new();
        let reading = tokio::time::timeout(limit, async {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = self.0.read(&mut buffer).await {
                bytes.extend_from_slice(&buffer[..length]);
            }
        });
        reading.await.expect("the connection to be closed in time");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The status of the answer to a request of one's own.
    pub(crate) async fn status(mut self, request: &str) -> u16 {
        self.write(request.as_bytes()).await;
        let mut line = Vec::new();
        let reading = async {
            let mut byte = [0];
            while let Ok(1) = self.0.read(&mut byte).await {
                line.push(byte[0]);
                if byte[0] == b'\n' {
                    break;
                }
            }
        };
        bounded("a status line", reading).await;
        let line = String::from_utf8_lossy(&line).into_owned();
        let status = line.split(' ').nth(1);
        status
            .and_then(|status| status.parse().ok())
            .unwrap_or_else(|| panic!("no status: {line:?}"))
    }
}

/// A GET of another server: status and body, or nothing without an answer.
pub(crate) async fn fetch(address: &str, path: &str) -> Option<(u16, String)> {
    let fetching = async {
        let stream = TcpStream::connect(address).await.ok()?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
        let connection = tokio::spawn(async move { drop(connection.await) });
        let request = Request::builder().uri(path).header("host", address);
        let request = request.body(Full::new(Bytes::new())).ok()?;
        let response = sender.send_request(request).await.ok()?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.ok()?.to_bytes();
        connection.abort();
        Some((status, String::from_utf8_lossy(&body).into_owned()))
    };
    bounded("an answer", fetching).await
}
