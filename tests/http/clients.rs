//! Many clients at once, and the state that they leave behind.

use std::sync::Arc;
use std::time::Duration;

use rmcp::ServerHandler;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use mcp_ssh_sessions::server::http::{Guard, listen, routes};

use super::mcp::{self, Sse, Streamable};
use super::request::ask;
use super::world;
use testkit::client::{stream, text};
use testkit::daemon::Daemon;
use testkit::host::Host;
use testkit::sshd::Sshd;
use testkit::{bounded, eventually};

const SESSIONS: usize = 50;
const CLIENTS: usize = 200;
const CALLS: usize = 10;
/// Open files that the test itself needs: each of its calls has a connection.
const OPEN_FILES: u64 = 8192;

fn allow_open_files() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < OPEN_FILES) {
        let raised = Rlimit {
            current: Some(OPEN_FILES),
            maximum: limit.maximum,
        };
        setrlimit(Resource::Nofile, raised).expect("some thousand open files");
    }
}

/// One call and its duration. The output names the caller.
async fn timed(call: impl Future<Output = Value>, client: usize, number: usize) -> Duration {
    let begun = Instant::now();
    let result = call.await;
    let took = begun.elapsed();
    assert_ne!(result["isError"], json!(true), "{}", text(&result));
    assert_eq!(
        stream(&result, "stdout"),
        format!("{client} {number}\n"),
        "{result}"
    );
    took
}

fn arguments(client: usize, number: usize) -> Value {
    let session = (client * CALLS + number) % SESSIONS;
    json!({"session": format!("s{session}"), "command": format!("echo {client} {number}"), "waitMs": 50000})
}

/// A client of one of the three transports, with all of its calls in flight.
async fn client(daemon: Arc<Daemon>, client: usize) -> Vec<Duration> {
    let mut calls = JoinSet::new();
    if client % 4 == 3 {
        return sse_client(&daemon, client).await;
    }
    let streamable = match client % 4 {
        0 | 1 => Some(Arc::new(Streamable::open(&daemon).await)),
        _ => None,
    };
    for number in 0..CALLS {
        let (daemon, streamable) = (Arc::clone(&daemon), streamable.clone());
        calls.spawn(async move {
            let arguments = arguments(client, number);
            let call = async {
                match &streamable {
                    Some(streamable) => streamable.call(&daemon, "ssh_exec", arguments).await,
                    None => mcp::call(&daemon, "ssh_exec", arguments).await,
                }
            };
            timed(call, client, number).await
        });
    }
    calls.join_all().await
}

async fn sse_client(daemon: &Daemon, client: usize) -> Vec<Duration> {
    let mut sse = Sse::open(daemon).await;
    let begun = Instant::now();
    for number in 0..CALLS {
        sse.begin(
            daemon,
            100 + number as u64,
            "ssh_exec",
            arguments(client, number),
        )
        .await;
    }
    let mut times = Vec::new();
    for _ in 0..CALLS {
        let answer = sse.next().await.expect("an answer");
        let number = answer["id"].as_u64().unwrap() as usize - 100;
        timed(async { answer["result"].clone() }, client, number).await;
        times.push(begun.elapsed());
    }
    times
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_clients_with_ten_calls_each_get_their_answers() {
    allow_open_files();
    let host = Host::start_with(Sshd::builder().config("MaxStartups 100")).await;
    let daemon = Arc::new(Daemon::start(&host.sshd.ssh_config()).await);
    for session in 0..SESSIONS {
        let arguments = json!({"host": "test", "name": format!("s{session}")});
        mcp::succeed(&daemon, "ssh_connect", arguments).await;
    }
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(client(Arc::clone(&daemon), number));
    }
    // The daemon answers `/health` in the middle of this.
    let begun = Instant::now();
    let health = ask(&daemon, "GET", "/health").get().await;
    let health_took = begun.elapsed();
    assert_eq!(health.status, 200);
    let mut times: Vec<Duration> = clients.join_all().await.into_iter().flatten().collect();
    times.sort();
    assert_eq!(times.len(), CLIENTS * CALLS);
    let at = |part: usize| times[times.len() * part / 100];
    let most = times.last().unwrap();
    eprintln!(
        "{} calls: p50 {:?}, p99 {:?}, most {most:?}; /health {health_took:?}",
        times.len(),
        at(50),
        at(99)
    );
    let health = ask(&daemon, "GET", "/health").get().await.json().await;
    assert_eq!(health["sessions"]["ready"], SESSIONS, "{health}");
}

/// A client that asks for much and reads nothing holds up itself.
#[tokio::test]
async fn a_client_that_does_not_read_holds_up_nobody_else() {
    let (_host, daemon) = world().await;
    mcp::succeed(&daemon, "ssh_connect", json!({"host": "test"})).await;
    let mut sse = Sse::open(&daemon).await;
    let much =
        json!({"command": "head -c 200000 /dev/zero | tr '\\0' x", "maxOutputBytes": 262144});
    let streamable = Streamable::open(&daemon).await;
    let mut unread = Vec::new();
    for id in 0..30 {
        sse.begin(&daemon, 100 + id, "ssh_exec", much.clone()).await;
        unread.push(streamable.begin(&daemon, "ssh_exec", much.clone()).await);
    }
    let before = daemon.status("VmRSS:");
    for number in 0..20 {
        let call = mcp::call(
            &daemon,
            "ssh_exec",
            json!({"command": format!("echo 0 {number}")}),
        );
        let took = timed(call, 0, number).await;
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
    let grown = daemon.status("VmHWM:").saturating_sub(before);
    assert!(grown < 64 * 1024 * 1024, "{grown} bytes");
    // A client that reads again gets everything.
    for _ in 0..30 {
        let answer = sse.next().await.expect("an answer");
        assert_eq!(stream(&answer["result"], "stdout").len(), 200_000);
    }
}

/// With few open files there are few connections; one more is told so, and a free place is used again.
#[tokio::test]
async fn there_is_a_bound_on_connections() {
    let daemon = Daemon::builder().open_files(64).start().await;
    let mut idle = Vec::new();
    for _ in 0..32 {
        idle.push(TcpStream::connect(daemon.address()).await.unwrap());
    }
    let full = async {
        loop {
            let mut stream = TcpStream::connect(daemon.address()).await.unwrap();
            let mut answer = Vec::new();
            // Earlier connections may still be on their way in.
            let read =
                tokio::time::timeout(Duration::from_millis(200), stream.read_to_end(&mut answer));
            if read.await.is_ok_and(|read| read.is_ok()) && answer.starts_with(b"HTTP/1.1 503 ") {
                return String::from_utf8(answer).unwrap();
            }
        }
    };
    let answer = bounded("a refusal", full).await;
    assert!(answer.contains("too many connections"), "{answer}");
    idle.clear();
    let free = async {
        while ask(&daemon, "GET", "/health")
            .try_get()
            .await
            .is_none_or(|status| status != 200)
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    bounded("a free place", free).await;
    let metrics = super::metrics::scrape(&daemon).await;
    let none = "mcp_ssh_http_rejected_total{reason=\"connections\"} 0\n";
    assert!(!metrics.contains(none), "{metrics}");
}

/// The result that rmcp expects from a handshake.
#[derive(Clone)]
struct Nothing;

impl ServerHandler for Nothing {}

/// One connection of a client that opens a session and goes away without a word.
async fn come_and_go(address: std::net::SocketAddr, request: &str) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = [0; 1024];
    let length = stream.read(&mut answer).await.unwrap();
    assert!(
        answer[..length].starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
}

/// The same layer in this process, where the tasks of the runtime can be counted.
#[tokio::test]
async fn a_thousand_streams_leave_no_task_behind() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, closing) = (CancellationToken::new(), CancellationToken::new());
    let router = routes(Nothing, stop.clone());
    let serving = tokio::spawn(listen(
        listener,
        Guard::new(None, Vec::new()),
        router,
        closing.clone(),
    ));
    let events =
        format!("GET /mcp HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n\r\n");
    come_and_go(address, &events).await;
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    // Of the listener and of the look-up of peers.
    eventually("the first one to be gone", || tasks() <= 2).await;
    let hello = mcp::request(1, "initialize", mcp::hello());
    for _ in 0..1000 {
        come_and_go(address, &events).await;
    }
    eventually("the tasks of all streams to end", || tasks() <= 2).await;
    // Sessions of the newer transport outlive their connections, up to their bound; the end ends them.
    for _ in 0..100 {
        let request = format!(
            "POST /mcp HTTP/1.1\r\nHost: {address}\r\nAccept: application/json, text/event-stream\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{hello}",
            hello.len()
        );
        come_and_go(address, &request).await;
    }
    assert!(tasks() > 100, "{} tasks", tasks());
    closing.cancel();
    stop.cancel();
    serving.await.unwrap();
    eventually("all tasks to end", || tasks() == 0).await;
}
