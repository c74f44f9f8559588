//! A web page, a rebound name and a stranger get nothing on any route.

use serde_json::json;

use super::mcp;
use super::request::{Raw, Reply, ask};
use super::world;
use testkit::daemon::Daemon;

const TOKEN: &str = "a-token-of-32-characters-0123456";
const ROUTES: [(&str, &str); 8] = [
    ("GET", "/health"),
    ("GET", "/metrics"),
    ("GET", "/mcp"),
    ("POST", "/mcp"),
    ("POST", "/mcp?sessionId=00000000000000000000000000000000"),
    ("DELETE", "/mcp"),
    ("OPTIONS", "/mcp"),
    ("GET", "/nothing"),
];

/// A request to a route as its own clients send it, with one more header.
async fn with(daemon: &Daemon, (method, path): (&str, &str), name: &str, value: &str) -> Reply {
    let asked = ask(daemon, method, path).mcp().header(name, value);
    let body = mcp::request(1, "initialize", mcp::hello());
    asked
        .send(if method == "POST" {
            body
        } else {
            String::new()
        })
        .await
}

fn verify_nothing_is_granted(reply: &Reply, what: &str) {
    for name in reply.headers.keys() {
        let name = name.as_str();
        assert!(!name.starts_with("access-control-"), "{what}: {name}");
        assert_ne!(name, "mcp-session-id", "{what}");
    }
}

#[tokio::test]
async fn a_host_that_is_not_ours_is_refused_on_every_route() {
    let (_host, daemon) = world().await;
    let port = daemon.port();
    let foreign = [
        "evil.example".to_owned(),
        format!("evil.example:{port}"),
        format!("localhost.evil.example:{port}"),
        format!("localhost.:{port}"),
        format!("0.0.0.0:{port}"),
        format!("2130706433:{port}"),
    ];
    for route in ROUTES {
        for host in &foreign {
            let reply = with(&daemon, route, "host", host).await;
            assert_eq!(reply.status, 403, "{route:?} {host}");
            verify_nothing_is_granted(&reply, host);
        }
        let ours = [
            format!("localhost:{port}"),
            format!("[::1]:{port}"),
            // A forwarded port has another number, or none.
            "127.0.0.1:9".to_owned(),
            "localhost".to_owned(),
        ];
        for host in &ours {
            let reply = with(&daemon, route, "host", host).await;
            assert_ne!(reply.status, 403, "{route:?} {host}");
        }
    }
}

#[tokio::test]
async fn a_request_without_a_host_or_with_two_is_refused() {
    let (_host, daemon) = world().await;
    let port = daemon.port();
    let rows = [
        ("GET /health HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("GET /health HTTP/1.0\r\n\r\n".to_owned(), 400),
        (
            format!("GET /health HTTP/1.1\r\nHost: localhost:{port}\r\nHost: evil\r\n\r\n"),
            400,
        ),
        (
            format!("GET http://evil.example/health HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"),
            403,
        ),
        (
            format!(
                "GET http://localhost:{port}/health HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"
            ),
            200,
        ),
    ];
    for (request, expected) in rows {
        let status = Raw::connect(&daemon).await.status(&request).await;
        assert_eq!(status, expected, "{request}");
    }
}

#[tokio::test]
async fn a_page_of_another_origin_is_refused_on_every_route() {
    let (_host, daemon) = world().await;
    let foreign = [
        ("origin", "http://evil.example"),
        ("origin", "null"),
        ("origin", "http://localhost:8080"),
        ("origin", "https://localhost"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ];
    for route in ROUTES {
        for (name, value) in foreign {
            let reply = with(&daemon, route, name, value).await;
            assert_eq!(reply.status, 403, "{route:?} {value}");
            verify_nothing_is_granted(&reply, value);
        }
    }
    let own = format!("http://{}", daemon.address());
    let reply = with(&daemon, ("GET", "/health"), "origin", &own).await;
    assert_eq!(reply.status, 200);
    verify_nothing_is_granted(&reply, "own origin");
    // Through a forwarded port, the page's origin has the port of the Host, and another origin stays foreign.
    for (host, expected) in [("localhost:9000", 200), ("localhost:9001", 403)] {
        let asked = ask(&daemon, "GET", "/health").header("host", host);
        let reply = asked.header("origin", "http://localhost:9000").get().await;
        assert_eq!(reply.status, expected, "{host}");
    }
}

#[tokio::test]
async fn with_a_token_every_route_asks_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    std::fs::write(&path, format!("{TOKEN}\n")).unwrap();
    let daemon = Daemon::builder()
        .arg("--token-file")
        .arg(&path)
        .start()
        .await;
    let wrong = [
        ("x-other", "y"),
        ("authorization", "Bearer a-token-of-32-characters-0123457"),
        ("authorization", "Bearer a-token-of-32-characters-012345"),
        ("authorization", "Basic a-token-of-32-characters-0123456"),
        ("authorization", "Bearer"),
    ];
    for route in ROUTES {
        for (name, value) in wrong {
            let reply = with(&daemon, route, name, value).await;
            assert_eq!(reply.status, 401, "{route:?} {value}");
            assert!(reply.header("www-authenticate").starts_with("Bearer"));
            let body = reply.json().await;
            assert_eq!(body["tokenFile"], path.to_str().unwrap(), "{body}");
            assert!(
                body["error"]
                    .as_str()
                    .unwrap()
                    .contains("Authorization: Bearer")
            );
            assert!(!body.to_string().contains(TOKEN), "{body}");
        }
        let bearer = format!("Bearer {TOKEN}");
        let reply = with(&daemon, route, "authorization", &bearer).await;
        assert_ne!(reply.status, 401, "{route:?}");
    }
    let both = ask(&daemon, "GET", "/health")
        .header("host", "evil.example")
        .get()
        .await;
    assert_eq!(both.status, 403, "a foreign Host is told first");
    let both = ask(&daemon, "GET", "/health")
        .header("origin", "null")
        .get()
        .await;
    assert_eq!(both.status, 403, "a foreign Origin is told first");
}

#[tokio::test]
async fn an_allowed_name_is_taken_and_no_other() {
    let daemon = Daemon::builder()
        .arg("--allow-host")
        .arg("Proxy.example")
        .start()
        .await;
    let status = async |host: &str| {
        let reply = ask(&daemon, "GET", "/health")
            .header("host", host)
            .get()
            .await;
        reply.status.as_u16()
    };
    assert_eq!(status("proxy.example").await, 200);
    assert_eq!(status("proxy.example:8443").await, 200);
    assert_eq!(status("a.proxy.example").await, 403);
    assert_eq!(status("proxy.example.evil").await, 403);
}

#[tokio::test]
async fn a_wider_bind_answers_to_the_address_that_was_connected_to() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    std::fs::write(&path, TOKEN).unwrap();
    // Loopback has many addresses, so that nothing leaves this machine.
    let daemon = Daemon::builder().arg("--token-file").arg(&path);
    let daemon = daemon.arg("--allow-host").arg("x.example").start().await;
    let bearer = format!("Bearer {TOKEN}");
    for (host, expected) in [(daemon.address(), 200), ("127.0.0.9:1", 403)] {
        let asked = ask(&daemon, "GET", "/health").header("host", host);
        let reply = asked.header("authorization", &bearer).get().await;
        assert_eq!(reply.status, expected, "{host}");
    }
}

#[tokio::test]
async fn what_was_turned_away_is_counted() {
    let (_host, daemon) = world().await;
    with(&daemon, ("GET", "/health"), "host", "evil.example").await;
    with(&daemon, ("GET", "/health"), "origin", "null").await;
    let metrics = ask(&daemon, "GET", "/metrics").get().await.text().await;
    for reason in ["host", "origin"] {
        let line = format!("mcp_ssh_http_rejected_total{{reason=\"{reason}\"}} 1\n");
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
    let tools = mcp::ask_modern(&daemon, "tools/list", json!({})).await;
    assert!(
        tools["result"]["ttlMs"].as_u64().is_some_and(|ttl| ttl > 0),
        "{}",
        tools["result"]["ttlMs"]
    );
}
