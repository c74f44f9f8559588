//! An SSH host in memory: real protocol, scripted commands, a link that fails on request. Made for tests on
//! a paused clock (`#[tokio::test(start_paused = true)]`): no processes, no sockets, no files.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use mcp_ssh_sessions::demo::{
    BoxFuture, CommandIo, CommandRunner, DemoServer, Exit, OutputSender, ServerOptions,
    generate_key,
};
use russh::keys::PrivateKey;
use tokio::io::DuplexStream;
use tokio::sync::{mpsc, watch};

use super::link::Link;
use super::virtually_bounded;

/// Bytes that one in-memory stream holds.
const STREAM_BYTES: usize = 64 * 1024;
/// Text that `flood` repeats: 16 bytes, so that the expected text at any offset is known.
pub const FLOOD_LINE: &[u8; 16] = b"0123456789abcde\n";
/// Bytes that `flood` writes at once.
const FLOOD_CHUNK_BYTES: usize = 32 * 1024;

/// Finds the script within the text of a command.
pub type ScriptOf = fn(&str) -> String;

/// Runs commands of a tiny language. Steps are joined by `"; "` and run one after the other:
///
/// | step | does |
/// | --- | --- |
/// | `echo TEXT`, `err TEXT` | writes a line to stdout or stderr |
/// | `exit N` | ends with that status; the default is 0 |
/// | `signal NAME` | ends as if killed by that signal |
/// | `sleep MS` | waits on tokio's clock |
/// | `flood BYTES` | writes that much of [`FLOOD_LINE`] to stdout |
/// | `cat` | copies stdin to stdout until its end |
/// | `hang` | waits for ever, until a signal kills the command |
/// | `hang-stubborn` | the same, but INT and TERM are ignored |
/// | `hold MS` | leaves a background process behind that holds the streams so long, and goes on |
/// | `eof` | ends stdout and stderr; the command goes on |
///
/// Any signal kills at any step but `hang-stubborn`. Like processes under sshd without a terminal, commands
/// live on when their connection is lost; one that writes then gets SIGPIPE.
#[derive(Debug, Default)]
pub struct ScriptedRunner {
    seen: Arc<watch::Sender<Seen>>,
    script_of: Mutex<Option<ScriptOf>>,
}

/// Commands that a runner has started.
#[derive(Debug, Default)]
struct Seen {
    runs: HashMap<String, usize>,
    /// Texts of the commands that have not ended.
    live: Vec<String>,
}

impl ScriptedRunner {
    /// Times that a command of exactly this text was started.
    pub fn runs(&self, command: &str) -> usize {
        self.seen.borrow().runs.get(command).copied().unwrap_or(0)
    }

    /// Times that a command whose text contains this was started: for commands that arrive wrapped.
    pub fn runs_containing(&self, part: &str) -> usize {
        let seen = self.seen.borrow();
        seen.runs
            .iter()
            .filter(|(text, _)| text.contains(part))
            .map(|(_, runs)| runs)
            .sum()
    }

    /// Commands started so far.
    pub fn total_runs(&self) -> usize {
        self.seen.borrow().runs.values().sum()
    }

    /// Texts of the commands that run now, in the order of their start.
    pub fn live(&self) -> Vec<String> {
        self.seen.borrow().live.clone()
    }

    /// Waits until this many commands run; a paused clock moves on as far as that takes.
    pub async fn wait_live(&self, count: usize) {
        let mut seen = self.seen.subscribe();
        let waiting = seen.wait_for(|seen| seen.live.len() == count);
        let found = virtually_bounded(&format!("{count} live commands"), waiting).await;
        drop(found.expect("the runner is there"));
    }

    /// Finds the script within the text of a command, for callers that wrap their commands.
    /// Counters keep the original text.
    pub fn unwrap_with(&self, script_of: ScriptOf) {
        *self.script_of.lock().unwrap() = Some(script_of);
    }
}

impl CommandRunner for ScriptedRunner {
    fn run(&self, command: Bytes, io: CommandIo) -> BoxFuture<Exit> {
        let text = String::from_utf8_lossy(&command).into_owned();
        let script = match *self.script_of.lock().unwrap() {
            Some(script_of) => script_of(&text),
            None => text.clone(),
        };
        self.seen.send_modify(|seen| {
            *seen.runs.entry(text.clone()).or_default() += 1;
            seen.live.push(text.clone());
        });
        let live = Live {
            seen: Arc::clone(&self.seen),
            text,
        };
        Box::pin(async move {
            let _live = live;
            run_script(&script, io).await
        })
    }
}

/// Counts a command as live until dropped.
struct Live {
    seen: Arc<watch::Sender<Seen>>,
    text: String,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.seen.send_modify(|seen| {
            let place = seen.live.iter().position(|text| *text == self.text);
            seen.live.remove(place.expect("counted when it began"));
        });
    }
}

async fn run_script(script: &str, io: CommandIo) -> Exit {
    let CommandIo {
        mut stdin,
        stdout,
        stderr,
        mut signals,
        ..
    } = io;
    for step in script.split("; ") {
        let stubborn = step == "hang-stubborn";
        let ended = tokio::select! {
            biased;
            exit = killed(&mut signals, stubborn) => Some(exit),
            ended = run_step(step, &mut stdin, &stdout, &stderr) => ended,
        };
        if let Some(exit) = ended {
            return exit;
        }
    }
    Exit::Status(0)
}

/// Waits for a signal that kills; a channel that has closed sends none.
async fn killed(signals: &mut mpsc::Receiver<String>, stubborn: bool) -> Exit {
    while let Some(name) = signals.recv().await {
        if !(stubborn && matches!(name.as_str(), "INT" | "TERM")) {
            return signal(&name);
        }
    }
    std::future::pending().await
}

fn signal(name: &str) -> Exit {
    Exit::Signal {
        name: name.to_owned(),
        core_dumped: false,
    }
}

/// Runs one step; the exit if the step ends the command.
async fn run_step(
    step: &str,
    stdin: &mut mpsc::Receiver<Bytes>,
    stdout: &OutputSender,
    stderr: &OutputSender,
) -> Option<Exit> {
    let (word, argument) = step.split_once(' ').unwrap_or((step, ""));
    let written = match word {
        "echo" => stdout.send(format!("{argument}\n")).await,
        "err" => stderr.send(format!("{argument}\n")).await,
        "exit" => return Some(Exit::Status(number(argument))),
        "signal" => return Some(signal(argument)),
        "sleep" => {
            tokio::time::sleep(milliseconds(argument)).await;
            Ok(())
        }
        "flood" => flood(number(argument) as usize, stdout).await,
        "cat" => loop {
            let Some(chunk) = stdin.recv().await else {
                break Ok(());
            };
            if let Err(closed) = stdout.send(chunk).await {
                break Err(closed);
            }
        },
        "hang" | "hang-stubborn" => std::future::pending().await,
        "hold" => {
            let (held, time) = (stdout.clone(), milliseconds(argument));
            tokio::spawn(async move {
                tokio::time::sleep(time).await;
                drop(held);
            });
            Ok(())
        }
        "eof" => stdout.clone().end_output().await,
        _ => {
            let _ = stderr
                .send(format!("{word}: not a word of this script language\n"))
                .await;
            return Some(Exit::Status(127));
        }
    };
    written.is_err().then(|| signal("PIPE"))
}

async fn flood(
    bytes: usize,
    stdout: &OutputSender,
) -> Result<(), mcp_ssh_sessions::demo::ChannelClosed> {
    let chunk = Bytes::from(FLOOD_LINE.repeat(FLOOD_CHUNK_BYTES / FLOOD_LINE.len()));
    let mut left = bytes;
    while left > 0 {
        let size = left.min(chunk.len());
        stdout.send(chunk.slice(..size)).await?;
        left -= size;
    }
    Ok(())
}

fn number(argument: &str) -> u32 {
    argument
        .parse()
        .unwrap_or_else(|_| panic!("`{argument}` is not a number"))
}

fn milliseconds(argument: &str) -> Duration {
    Duration::from_millis(number(argument).into())
}

/// A host with an SSH server that is reached through a [`Link`].
#[derive(Debug)]
pub struct MemoryHost {
    /// The controls of its connections.
    pub link: Link,
    /// Runs the commands of the host.
    pub runner: Arc<ScriptedRunner>,
    server: DemoServer,
    host_key: Mutex<PrivateKey>,
    user_key: PrivateKey,
    refusing: AtomicBool,
    connects: AtomicUsize,
}

/// A connection to a server over a link.
pub fn serve_over(link: &Link, server: &DemoServer) -> DuplexStream {
    let (client, near) = tokio::io::duplex(STREAM_BYTES);
    let (far, end) = tokio::io::duplex(STREAM_BYTES);
    link.join(near, far);
    let server = server.clone();
    // The client's side asserts how the connection ended.
    tokio::spawn(async move { drop(server.serve_stream(end).await) });
    client
}

impl MemoryHost {
    /// A host with new keys and sshd's defaults.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// A host with other options.
    pub fn with(change: impl FnOnce(&mut ServerOptions)) -> Self {
        let (host_key, user_key) = (generate_key(), generate_key());
        let runner = Arc::new(ScriptedRunner::default());
        let options = ServerOptions::new(host_key.clone(), user_key.public_key().clone());
        let server = DemoServer::new(options, Arc::clone(&runner) as Arc<dyn CommandRunner>);
        server.set_options(change);
        Self {
            link: Link::new(),
            runner,
            server,
            host_key: Mutex::new(host_key),
            user_key,
            refusing: AtomicBool::new(false),
            connects: AtomicUsize::new(0),
        }
    }

    /// A new connection, or the error of a port that nobody listens on.
    pub fn connect(&self) -> io::Result<DuplexStream> {
        self.connects.fetch_add(1, Ordering::SeqCst);
        if self.refusing.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        Ok(serve_over(&self.link, &self.server))
    }

    /// Refuses connects from now on, or no more.
    pub fn refuse_connects(&self, refuse: bool) {
        self.refusing.store(refuse, Ordering::SeqCst);
    }

    /// Connects tried so far, refused ones included.
    pub fn connects(&self) -> usize {
        self.connects.load(Ordering::SeqCst)
    }

    /// Credentials that reached the server so far; `none` is not one.
    pub fn auth_attempts(&self) -> usize {
        self.server.auth_attempts()
    }

    /// Session channels opened so far.
    pub fn channels(&self) -> usize {
        self.server.channels()
    }

    /// Proves itself with this key from the next connection on.
    pub fn set_host_key(&self, key: PrivateKey) {
        *self.host_key.lock().unwrap() = key.clone();
        self.server.set_options(|options| options.host_key = key);
    }

    /// Changes any option for the connections to come.
    pub fn set_options(&self, change: impl FnOnce(&mut ServerOptions)) {
        self.server.set_options(change);
    }

    /// The host key.
    pub fn host_key(&self) -> PrivateKey {
        self.host_key.lock().unwrap().clone()
    }

    /// The key that may log in.
    pub fn user_key(&self) -> PrivateKey {
        self.user_key.clone()
    }
}

impl Default for MemoryHost {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for MemoryHost {
    fn drop(&mut self) {
        self.server.drop_connections();
    }
}
