//! A real browser with a page of another origin that tries every route, and gets nothing.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::mcp;
use super::metrics::scrape;
use super::request::ask;
use super::world;
use testkit::daemon::Daemon;

/// A browser needs some seconds to start, more on a loaded machine; every attempt of the page has four.
const REPORT_LIMIT: Duration = Duration::from_secs(120);
const PAGE: &str = include_str!("page.html");

/// A headless Chromium with a profile of its own; dropping this ends all its processes.
struct Browser {
    child: Child,
    _profile: TempDir,
}

impl Browser {
    /// Names below `.example` lead to this machine, as after a DNS rebinding.
    fn open(url: &str, options: &[&str], stdout: Stdio) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut command = Command::new("chromium");
        command
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--host-resolver-rules=MAP *.example 127.0.0.1",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .args(options)
            .arg(url)
            .env("HOME", profile.path())
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(Stdio::null())
            // Its processes are a group, which is ended as one.
            .process_group(0);
        let child = command
            .spawn()
            .expect("chromium of Debian's package of that name");
        Self {
            child,
            _profile: profile,
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let group = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        // The browser may have ended by itself.
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.child.wait();
    }
}

/// The server of another origin: its page, and the reports of the page.
async fn other_origin(page: String) -> (u16, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = mpsc::channel(1);
    let page = Arc::new(page);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (page, sender) = (Arc::clone(&page), sender.clone());
            let service = service_fn(move |request: Request<Incoming>| {
                let (page, sender) = (Arc::clone(&page), sender.clone());
                async move {
                    let path = request.uri().path().to_owned();
                    let body = request.into_body().collect().await.unwrap().to_bytes();
                    let text = match path.as_str() {
                        "/" => page.to_string(),
                        "/report" => {
                            let report = String::from_utf8(body.to_vec()).unwrap();
                            let _ = sender.send(report).await;
                            String::new()
                        }
                        _ => "own text".to_owned(),
                    };
                    let response = Response::builder().header("content-type", "text/html");
                    response.body(Full::new(Bytes::from(text)))
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    (port, receiver)
}

fn rejected(text: &str, reason: &str) -> u32 {
    let name = format!("mcp_ssh_http_rejected_total{{reason=\"{reason}\"}} ");
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name.as_str()));
    value.unwrap().parse().unwrap()
}

async fn verify_untouched(daemon: &Daemon, mark: &std::path::Path) {
    let text = scrape(daemon).await;
    let calls = text
        .lines()
        .filter(|line| line.starts_with("mcp_ssh_tool_calls_total"));
    let calls: Vec<_> = calls.filter(|line| !line.ends_with(" 0")).collect();
    // Its own one, that has connected the session.
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert!(!mark.exists());
}

#[tokio::test]
async fn a_page_of_another_origin_gets_nothing() {
    let (_host, daemon) = world().await;
    mcp::succeed(&daemon, "ssh_connect", json!({"host": "test"})).await;
    let directory = tempfile::tempdir().unwrap();
    let mark = directory.path().join("made");
    let page = PAGE
        .replace("@PORT@", &daemon.port().to_string())
        .replace("@MARK@", mark.to_str().unwrap());
    let (port, mut reports) = other_origin(page).await;
    let browser = Browser::open(
        &format!("http://attacker.example:{port}/"),
        &["--remote-debugging-port=0"],
        Stdio::null(),
    );
    let report = tokio::time::timeout(REPORT_LIMIT, reports.recv()).await;
    let report = report.expect("a report in time").expect("a report");
    drop(browser);
    let mut results: BTreeMap<String, String> = serde_json::from_str(&report).unwrap();
    // The page works: readable answers are read.
    assert_eq!(
        results.remove("own").as_deref(),
        Some("got basic 200 own text")
    );
    assert!(results.len() >= 3 * 30, "{}", results.len());
    for (attempt, result) in &results {
        let nothing = result.starts_with("blocked")
            // An answer that the page can neither read nor tell from any other.
            || result == "got opaque 0 "
            || (attempt.starts_with("beacon") && result == "got sent");
        assert!(nothing, "{attempt}: {result}");
    }
    // The requests have come here, and this is where they ended.
    let text = scrape(&daemon).await;
    assert!(rejected(&text, "origin") >= 20, "{text}");
    assert!(rejected(&text, "host") >= 10, "{text}");
    verify_untouched(&daemon, &mark).await;
}

/// After a DNS rebinding the page is of the same origin as far as the browser knows.
#[tokio::test]
async fn a_rebound_name_gets_nothing() {
    let (_host, daemon) = world().await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    for (host, path) in [
        ("rebound.example", "/metrics"),
        ("rebound.example", "/health"),
        ("127.0.0.1", "/health"),
    ] {
        let url = format!("http://{host}:{}{path}", daemon.port());
        let seen = Arc::clone(&seen);
        let dump = tokio::task::spawn_blocking(move || {
            let mut browser = Browser::open(&url, &["--dump-dom"], Stdio::piped());
            let mut stdout = browser.child.stdout.take().unwrap();
            let mut text = String::new();
            std::io::Read::read_to_string(&mut stdout, &mut text).unwrap();
            seen.lock().unwrap().push(text);
        });
        tokio::time::timeout(REPORT_LIMIT, dump)
            .await
            .expect("a page in time")
            .unwrap();
    }
    let seen = seen.lock().unwrap().clone();
    for text in &seen[..2] {
        assert!(text.contains("does not accept that Host"), "{text}");
        assert!(
            !text.contains("mcp_ssh_") && !text.contains("\"status\""),
            "{text}"
        );
    }
    // A visit by the user works.
    assert!(seen[2].contains("\"status\":\"ok\""), "{}", seen[2]);
    assert_eq!(ask(&daemon, "GET", "/health").get().await.status, 200);
}
