//! Hosts that do not answer, answer too late or too slowly, and many connects at once.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use mcp_ssh_sessions::actors::SessionError;
use mcp_ssh_sessions::actors::report::ConnectReport;
use mcp_ssh_sessions::error::ErrorCode;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::world::{Client, TEST, assert_says, command, connections, refused, request, succeeded};
use testkit::sshd::Sshd;

/// A configuration for an address where no sshd is.
fn config(directory: &tempfile::TempDir, port: u16, lines: &str) -> std::path::PathBuf {
    let path = directory.path().join("config");
    let text = format!(
        "Host test\n{lines}\nHostName 127.0.0.1\nPort {port}\nUser nobody\nIdentityFile none\n\
         IdentityAgent none\nUserKnownHostsFile none\nGlobalKnownHostsFile none\n"
    );
    std::fs::write(&path, text).unwrap();
    path
}

/// Dials `127.0.0.1` at a port, with a limit; returns error and time.
async fn dial(port: u16, limit: Option<u64>) -> (Result<ConnectReport, SessionError>, Duration) {
    let directory = testkit::readable_directory();
    let client = Client::new(config(&directory, port, "")).await;
    let mut request = request(TEST, TEST);
    request.connect_timeout = limit.map(Duration::from_millis);
    let started = Instant::now();
    let result = client.dial(request).await;
    let took = started.elapsed();
    // A first connect that failed leaves nothing behind, and nothing goes on trying.
    assert!(client.status(TEST).await.is_none());
    (result, took)
}

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[tokio::test]
async fn a_refused_port_is_told_at_once() {
    let (gone, port) = listener().await;
    drop(gone);
    let (result, took) = dial(port, None).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    let text = refused(result, ErrorCode::ConnectFailed);
    assert_says(&text, &["127.0.0.1", &port.to_string(), "refused", "check"]);
}

/// A listener whose queue is full: further packets of its callers are dropped, as by a firewall.
async fn black_hole() -> (tokio::net::TcpListener, Vec<TcpStream>, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(stream) = timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
        queued.push(stream.unwrap());
        assert!(queued.len() < 100, "the queue never fills");
    }
    (listener, queued, address)
}

#[tokio::test]
async fn a_black_hole_ends_with_the_connect_timeout() {
    let (_listener, _queued, address) = black_hole().await;
    let (result, took) = dial(address.port(), Some(700)).await;
    assert!((600..2000).contains(&took.as_millis()), "{took:?}");
    let text = refused(result, ErrorCode::TimedOut);
    assert_says(&text, &["127.0.0.1", "TCP", "connectTimeoutMs"]);
}

#[tokio::test]
async fn a_server_that_says_nothing_ends_with_the_connect_timeout() {
    let (_listener, port) = listener().await;
    let (result, took) = dial(port, Some(700)).await;
    assert!((600..2000).contains(&took.as_millis()), "{took:?}");
    let text = refused(result, ErrorCode::TimedOut);
    assert_says(&text, &["127.0.0.1", "banner", "connectTimeoutMs"]);
}

#[tokio::test]
async fn a_banner_that_drips_does_not_extend_the_connect_timeout() {
    let (listener, port) = listener().await;
    let dripping = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        while stream.write_all(b"x").await.is_ok() {
            sleep(Duration::from_millis(50)).await;
        }
    });
    let (result, took) = dial(port, Some(700)).await;
    assert!((600..2000).contains(&took.as_millis()), "{took:?}");
    refused(result, ErrorCode::TimedOut);
    // The other end sees the end too.
    testkit::bounded("the hang-up", dripping).await.unwrap();
}

#[tokio::test]
async fn what_is_no_ssh_server_is_told_at_once() {
    for greeting in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"SSH-1.5-old\r\n",
        b"",
    ] {
        let (listener, port) = listener().await;
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(greeting).await.unwrap();
        });
        let (result, took) = dial(port, None).await;
        assert!(took < Duration::from_secs(2), "{greeting:?}: {took:?}");
        let text = refused(result, ErrorCode::ConnectFailed);
        assert_says(&text, &["127.0.0.1", &port.to_string(), "handshake failed"]);
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_told_with_its_name() {
    let directory = testkit::readable_directory();
    let path = config(&directory, 22, "HostName no-such-host.invalid");
    let client = Client::new(path).await;
    let started = Instant::now();
    let text = refused(client.connect(TEST).await, ErrorCode::ConnectFailed);
    assert_says(&text, &["no-such-host.invalid", "does not resolve"]);
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forty_connects_at_once_pass_a_server_that_drops_storms() {
    const SESSIONS: usize = 40;
    // sshd's default begins to drop at ten that are not logged in yet.
    let sshd = Sshd::builder()
        .config("MaxStartups 10:30:100")
        .start()
        .await;
    let client = Client::new(sshd.ssh_config()).await;
    let mut dials = JoinSet::new();
    for number in 0..SESSIONS {
        let client = client.clone();
        dials.spawn(async move {
            let name = format!("s{number}");
            client.dial(request(&name, TEST)).await.unwrap();
            succeeded(&client.run_in(&name, command("echo $PPID")).await)
        });
    }
    let servers: std::collections::HashSet<_> = dials.join_all().await.into_iter().collect();
    assert_eq!(servers.len(), SESSIONS, "each has a connection of its own");
    assert_eq!(connections(&sshd), SESSIONS, "and none needed a second try");
}
