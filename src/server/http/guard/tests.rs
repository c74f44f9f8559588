//! The table of what passes and what does not.

use std::path::Path;

use super::*;

const LOCAL: &str = "127.0.0.1:7722";
const TOKEN: &str = "0123456789abcdef";

fn judge(guard: &Guard, target: &str, headers: &[(&str, &str)], peer: Peer) -> Result<(), Refusal> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name: HeaderName = name.parse().unwrap();
        map.append(name, value.parse().unwrap());
    }
    let connection = Connection {
        local: LOCAL.parse().unwrap(),
        peer,
    };
    guard.judge(&target.parse().unwrap(), &map, connection)
}

fn open() -> Guard {
    Guard::new(
        None,
        vec!["Proxy.Example".to_owned(), "other.example:8443".to_owned()],
    )
}

fn with_token() -> Guard {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    std::fs::write(&path, TOKEN).unwrap();
    Guard::new(
        Some(Token::read_or_create(Path::new(&path)).unwrap()),
        Vec::new(),
    )
}

#[test]
fn hosts() {
    let ours = [
        "localhost:7722",
        "LocalHost:7722",
        "127.0.0.1:7722",
        "[::1]:7722",
        "proxy.example",
        "PROXY.example:9",
        "other.example:8443",
        // Forwarded ports, and a proxy that names no port.
        "localhost",
        "localhost:9",
        "127.0.0.1",
        "127.0.0.1:9",
        "[::1]",
        "[::1]:9",
    ];
    let foreign = [
        "",
        "evil.example",
        "evil.example:7722",
        "localhost:",
        "localhost:99999",
        "127.0.0.2:7722",
        "localhost.:7722",
        "localhost.evil:7722",
        "localhost:7722.evil",
        "0.0.0.0:7722",
        "2130706433:7722",
        "0x7f000001:7722",
        "127.1:7722",
        "[::]:7722",
        "::1:7722",
        "user@localhost:7722",
        "other.example",
        "other.example:7722",
        "xproxy.example",
        "localhost:7722, evil.example",
    ];
    let host = |name: &str| judge(&open(), "/mcp", &[("host", name)], Peer::Ours);
    for name in ours {
        assert_eq!(host(name), Ok(()), "{name}");
    }
    for name in foreign {
        assert_eq!(host(name), Err(Refusal::Host), "{name}");
    }
}

#[test]
fn a_host_stands_there_once_and_agrees_with_the_request_line() {
    let ours = ("host", "localhost:7722");
    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], Result<(), Refusal>);
    let rows: [Row<'_>; 4] = [
        ("/mcp", &[], Err(Refusal::NoHost)),
        ("/mcp", &[ours, ours], Err(Refusal::NoHost)),
        ("http://evil.example/mcp", &[ours], Err(Refusal::Host)),
        ("http://127.0.0.1:7722/mcp", &[ours], Ok(())),
    ];
    for (target, headers, expected) in rows {
        assert_eq!(
            judge(&open(), target, headers, Peer::Ours),
            expected,
            "{target} {headers:?}"
        );
    }
}

#[test]
fn an_origin_is_that_of_the_host_header() {
    let ours = [
        ("localhost:7722", "http://localhost:7722"),
        ("LocalHost:7722", "http://localhost:7722"),
        ("127.0.0.1:7722", "http://127.0.0.1:7722"),
        ("[::1]:7722", "http://[::1]:7722"),
        ("proxy.example", "https://proxy.example"),
        ("proxy.example:443", "https://proxy.example"),
        ("other.example:8443", "https://other.example:8443"),
        // A forwarded port.
        ("localhost:9000", "http://localhost:9000"),
        ("localhost", "http://localhost"),
    ];
    let foreign = [
        "null",
        "",
        "http://evil.example",
        "https://evil.example:7722",
        "http://localhost",
        "http://localhost:8080",
        "http://127.0.0.1:7722",
        "http://[::1]:7722",
        "https://proxy.example",
        "http://127.0.0.1:9",
        "http://localhost.evil:7722",
        "file://",
        "chrome-extension://localhost:7722",
        "localhost:7722",
        "http://a@localhost:7722",
    ];
    let judge = |host: &str, origin: &str| {
        let headers = [("host", host), ("origin", origin)];
        judge(&open(), "/mcp", &headers, Peer::Ours)
    };
    for (host, origin) in ours {
        assert_eq!(judge(host, origin), Ok(()), "{host} {origin}");
    }
    for origin in foreign {
        let judged = judge("localhost:7722", origin);
        assert_eq!(judged, Err(Refusal::Origin), "{origin}");
    }
    for (host, origin) in [
        ("localhost", "http://localhost:7722"),
        ("localhost:9000", "http://localhost:7722"),
        ("localhost", "https://localhost:80"),
    ] {
        let judged = judge(host, origin);
        assert_eq!(judged, Err(Refusal::Origin), "{host} {origin}");
    }
}

#[test]
fn two_origins_are_none_and_what_a_browser_says_of_itself_counts() {
    let host = ("host", "localhost:7722");
    let ours = ("origin", "http://localhost:7722");
    let judge = |headers: &[(&str, &str)]| judge(&open(), "/mcp", headers, Peer::Ours);
    assert_eq!(judge(&[host, ours, ours]), Err(Refusal::Origin));
    for site in ["cross-site", "same-site"] {
        assert_eq!(
            judge(&[host, ("sec-fetch-site", site)]),
            Err(Refusal::Origin),
            "{site}"
        );
    }
    for site in ["none", "same-origin"] {
        assert_eq!(judge(&[host, ("sec-fetch-site", site)]), Ok(()), "{site}");
    }
}

#[test]
fn tokens() {
    let guard = with_token();
    let host = ("host", "localhost:7722");
    let judge = |value: &str| {
        judge(
            &guard,
            "/mcp",
            &[host, ("authorization", value)],
            Peer::Foreign,
        )
    };
    assert_eq!(judge("Bearer 0123456789abcdef"), Ok(()));
    assert_eq!(judge("bearer 0123456789abcdef"), Ok(()));
    for wrong in [
        "Bearer",
        "Bearer ",
        "Bearer 0123456789abcdeF",
        "Basic 0123456789abcdef",
        TOKEN,
    ] {
        assert_eq!(judge(wrong), Err(Refusal::Token), "{wrong}");
    }
}

#[test]
fn a_foreign_host_or_origin_is_told_before_a_missing_token_and_that_before_nothing() {
    let guard = with_token();
    let judge = |headers: &[(&str, &str)]| judge(&guard, "/mcp", headers, Peer::Ours);
    assert_eq!(judge(&[("host", "evil.example")]), Err(Refusal::Host));
    let host = ("host", "localhost:7722");
    assert_eq!(judge(&[host, ("origin", "null")]), Err(Refusal::Origin));
    assert_eq!(judge(&[host]), Err(Refusal::Token));
}

#[test]
fn without_a_token_the_peer_decides() {
    let host = [("host", "localhost:7722")];
    assert_eq!(
        judge(&open(), "/mcp", &host, Peer::Foreign),
        Err(Refusal::Peer)
    );
    assert_eq!(judge(&open(), "/mcp", &host, Peer::Ours), Ok(()));
}

#[test]
fn the_answer_to_a_missing_token_says_where_it_is_and_not_what_it_is() {
    let guard = with_token();
    let response = guard.unauthorized();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(response.headers().contains_key(WWW_AUTHENTICATE));
    assert!(!format!("{guard:?}").contains(TOKEN));
}
