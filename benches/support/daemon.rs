//! The HTTP daemon: a warm call against the same call over stdio, and many clients at once.
//!
//! Blocking clients on plain sockets, so that nothing stands between the socket and the clock.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

use super::Measured;
use super::lab::{Lab, NEAR};
use super::mcp::Server;
use super::samples::Samples;
use super::table::{Row, Target};

const ROUNDS: usize = 300;
/// Rounds before the first that counts.
const WARM_UP: usize = 5;
const SESSIONS: usize = 50;
const CLIENTS: usize = 200;
/// Calls that each client has in flight at once, each on a connection of its own.
const CALLS: usize = 10;

/// A running daemon; dropping this kills the process.
struct Daemon {
    child: Child,
    address: String,
    _home: TempDir,
}

impl Daemon {
    fn start(lab: &Lab) -> Measured<Self> {
        let home = tempfile::tempdir()?;
        let mut child = Command::new(lab.server())
            .args(["--http", "0", "--ssh-config"])
            .arg(lab.ssh_config())
            .arg("--store")
            .arg(home.path().join("sessions.json"))
            .env("HOME", home.path())
            .env_remove("SSH_AUTH_SOCK")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = child.stderr.take().ok_or("no pipe")?;
        let mut line = String::new();
        BufReader::new(stderr).read_line(&mut line)?;
        let address = line
            .trim()
            .strip_prefix("listening on http://")
            .and_then(|rest| rest.strip_suffix("/mcp"));
        let address = address.ok_or("the daemon does not listen")?.to_owned();
        Ok(Self {
            child,
            address,
            _home: home,
        })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // The daemon may have ended by itself, which shows in the measurement.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client with one connection that is kept open.
struct Client {
    address: String,
    stream: BufReader<TcpStream>,
}

impl Client {
    fn connect(address: &str) -> Measured<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            address: address.to_owned(),
            stream: BufReader::new(stream),
        })
    }

    /// A call of the protocol without sessions, to the last byte of its answer.
    fn call(&mut self, tool: &str, arguments: &Value) -> Measured<()> {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "0"},
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let parameters = json!({"name": tool, "arguments": arguments, "_meta": meta});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": parameters});
        let body = body.to_string();
        let request = format!(
            "POST /mcp HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: {tool}\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        let answer = self.answer()?;
        if answer.contains("\"isError\":true") || !answer.contains("\"result\"") {
            return Err(format!("the call failed: {answer}").into());
        }
        Ok(())
    }

    /// The body of an answer that comes in chunks.
    fn answer(&mut self) -> Measured<String> {
        let head = self.lines_to_blank()?;
        if !head.starts_with("HTTP/1.1 200 ") || !head.contains("transfer-encoding: chunked") {
            return Err(format!("the daemon answered {head}").into());
        }
        let mut body = Vec::new();
        loop {
            let mut size = String::new();
            self.stream.read_line(&mut size)?;
            let size = usize::from_str_radix(size.trim(), 16)?;
            let mut chunk = vec![0; size + 2];
            self.stream.read_exact(&mut chunk)?;
            if size == 0 {
                return Ok(String::from_utf8(body)?);
            }
            body.extend_from_slice(chunk.get(..size).unwrap_or_default());
        }
    }

    fn lines_to_blank(&mut self) -> Measured<String> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head)? == 0 {
                return Err("the daemon hung up".into());
            }
        }
        Ok(head)
    }
}

/// A warm call over stdio and through the daemon, in turns.
fn warm(lab: &mut Lab) -> Measured<Row> {
    let mut server = Server::start(lab)?;
    server.call("ssh_connect", json!({"host": NEAR}))?;
    let daemon = Daemon::start(lab)?;
    let mut client = Client::connect(&daemon.address)?;
    client.call("ssh_connect", &json!({"host": NEAR}))?;
    let arguments = json!({"session": NEAR, "command": "true"});
    let (mut http, mut stdio) = (Samples::default(), Samples::default());
    for round in 0..WARM_UP + ROUNDS {
        let stdio_time = server.exec(NEAR, "true")?;
        let started = Instant::now();
        client.call("ssh_exec", &arguments)?;
        let http_time = started.elapsed();
        if round >= WARM_UP {
            stdio.push(stdio_time);
            http.push(http_time);
        }
    }
    let ratio = http.over(&stdio);
    Ok(Row {
        work: "warm `ssh_exec true` through the HTTP daemon; the same through stdio (not OpenSSH)"
            .to_owned(),
        ours: http.in_millis(),
        theirs: Some(stdio.in_millis()),
        ratio: Some(ratio),
        target: Target::at_most(ratio, 1.5, "×"),
    })
}

/// All calls of all clients at once. An error ends the measurement.
fn load(lab: &mut Lab) -> Measured<Row> {
    let daemon = Daemon::start(lab)?;
    let mut client = Client::connect(&daemon.address)?;
    for session in 0..SESSIONS {
        client.call(
            "ssh_connect",
            &json!({"host": NEAR, "name": format!("s{session}")}),
        )?;
    }
    let calls: Vec<_> = (0..CLIENTS * CALLS)
        .map(|call| {
            let address = daemon.address.clone();
            let session = format!("s{}", call % SESSIONS);
            std::thread::spawn(move || {
                one_call(&address, &session).map_err(|error| error.to_string())
            })
        })
        .collect();
    let mut times = Vec::new();
    for call in calls {
        times.push(call.join().map_err(|_| "a client panicked")??);
    }
    times.sort();
    let at = |part: usize| {
        times
            .get(times.len() * part / 100)
            .copied()
            .unwrap_or_default()
    };
    let (median, p99) = (at(50), at(99));
    Ok(Row {
        work: format!(
            "{CLIENTS} clients with {CALLS} calls of `ssh_exec true` each in flight against {SESSIONS} sessions, all at once, connections included; no error"
        ),
        ours: format!(
            "p99 {:.2} s (median {:.2})",
            p99.as_secs_f64(),
            median.as_secs_f64()
        ),
        theirs: None,
        ratio: None,
        target: Target::at_most(p99.as_secs_f64(), 60.0, "s"),
    })
}

fn one_call(address: &str, session: &str) -> Measured<Duration> {
    let started = Instant::now();
    let arguments = json!({"session": session, "command": "true", "waitMs": 50000});
    Client::connect(address)?.call("ssh_exec", &arguments)?;
    Ok(started.elapsed())
}

/// Both rows.
pub(crate) fn http(lab: &mut Lab) -> Measured<Vec<Row>> {
    Ok(vec![warm(lab)?, load(lab)?])
}
