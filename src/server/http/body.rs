//! Reads the bodies of requests within limits of size and time, or answers at once.

use axum::body::{Body, Bytes, HttpBody};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Request, Response, StatusCode, header};
use bytes::BytesMut;
use http_body_util::BodyExt;
use tokio::time::timeout;

use super::reply;
use crate::limits;
use crate::metrics::{self, HttpRejection};

/// Reason for refusing a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    TooLarge,
    TooSlow,
    Broken,
}

/// Reads the JSON body of a request; the error is the answer to send.
pub(super) async fn read(request: Request<Body>) -> Result<(Parts, Bytes), Response<Body>> {
    let (parts, body) = request.into_parts();
    // A web page can send other types to a foreign server without a preflight request.
    if !is_json(&parts.headers) {
        return Err(reply::error(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send the message with Content-Type: application/json",
        ));
    }
    let read = timeout(limits::HTTP_BODY_TIMEOUT, collect(body)).await;
    match read.unwrap_or(Err(Refusal::TooSlow)) {
        Ok(bytes) => Ok((parts, bytes)),
        Err(refusal) => Err(answer(refusal)),
    }
}

async fn collect(mut body: Body) -> Result<Bytes, Refusal> {
    let (most, drained) = (
        limits::HTTP_BODY_MAX_BYTES,
        limits::HTTP_BODY_MAX_BYTES + limits::HTTP_BODY_DRAIN_BYTES,
    );
    if body.size_hint().lower() > drained as u64 {
        return Err(Refusal::TooLarge);
    }
    let (mut bytes, mut length) = (BytesMut::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::Broken)?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        length += data.len();
        if length <= most {
            bytes.extend_from_slice(&data);
        } else if length <= drained {
            // Keep reading for a while: a client that is still writing would not see the answer.
            bytes = BytesMut::new();
        } else {
            return Err(Refusal::TooLarge);
        }
    }
    if length > most {
        return Err(Refusal::TooLarge);
    }
    Ok(bytes.freeze())
}

fn answer(refusal: Refusal) -> Response<Body> {
    let (status, text, counted) = match refusal {
        Refusal::TooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "a request has at most 4 MiB; upload a file instead of passing it as a parameter",
            HttpRejection::BodySize,
        ),
        Refusal::TooSlow => (
            StatusCode::REQUEST_TIMEOUT,
            "the body of the request did not arrive in time",
            HttpRejection::BodyTime,
        ),
        Refusal::Broken => (
            StatusCode::BAD_REQUEST,
            "the body of the request broke off",
            HttpRejection::Malformed,
        ),
    };
    metrics::http_rejected(counted);
    reply::closing(reply::error(status, text))
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE);
    let Some(value) = value.and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_has_its_size_and_no_more() {
        let most = limits::HTTP_BODY_MAX_BYTES;
        let drained = most + limits::HTTP_BODY_DRAIN_BYTES;
        let rows = [
            (0, Ok(0)),
            (most, Ok(most)),
            (most + 1, Err(Refusal::TooLarge)),
            (drained, Err(Refusal::TooLarge)),
            (drained + 1, Err(Refusal::TooLarge)),
        ];
        for (length, expected) in rows {
            let body = Body::from(vec![b' '; length]);
            let read = collect(body).await.map(|bytes| bytes.len());
            assert_eq!(read, expected, "{length}");
        }
    }

    #[test]
    fn types() {
        let rows = [
            (Some("application/json"), true),
            (Some("Application/JSON; charset=utf-8"), true),
            (Some("text/plain"), false),
            (Some("application/x-www-form-urlencoded"), false),
            (Some("application/jsonx"), false),
            (Some("text/plain; application/json"), false),
            (None, false),
        ];
        for (value, expected) in rows {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(header::CONTENT_TYPE, value.parse().unwrap());
            }
            assert_eq!(is_json(&headers), expected, "{value:?}");
        }
    }
}
