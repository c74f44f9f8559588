//! A host whose shell speaks the product's frames, on tokio's clock. Real shells are tried elsewhere; here it is the
//! waits around one that matter.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use mcp_ssh_sessions::demo::{BoxFuture, CommandIo, CommandRunner, Exit, OutputSender};
use tokio::sync::{Notify, mpsc};

use crate::network::Site;
use testkit::ssh_server::ScriptedRunner;

/// How a shell is started.
const START: &str = "exec sh -c 'unset BASH_ENV";
/// How a helper of a shell is started.
const HELPER: &str = "exec sh -c 'p=$1; ";

/// Runs shells, helpers, and everything else as scripts. Commands of a shell are `echo TEXT`, `sleep MS`, `exit N`,
/// `hang`, and `lose`, which takes a frame and goes back to waiting.
#[derive(Default)]
pub(crate) struct FramedHost {
    scripts: ScriptedRunner,
    /// A shell says nothing.
    silent: AtomicBool,
    /// Nothing ends its commands.
    stubborn: AtomicBool,
    at_command: AtomicBool,
    shells: AtomicUsize,
    looks: AtomicUsize,
    abort: Notify,
    ran: Mutex<Vec<String>>,
}

impl FramedHost {
    /// Lets this answer at a site in place of its own server, over the same link.
    pub(crate) fn at(site: &Site) -> Arc<Self> {
        let host = Arc::new(Self::default());
        site.pose_with(Arc::new(Shared(Arc::clone(&host))));
        host
    }

    pub(crate) fn be_silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::SeqCst);
    }

    pub(crate) fn be_stubborn(&self) {
        self.stubborn.store(true, Ordering::SeqCst);
    }

    /// Shells started so far.
    pub(crate) fn shells(&self) -> usize {
        self.shells.load(Ordering::SeqCst)
    }

    /// Looks at a shell so far.
    pub(crate) fn looks(&self) -> usize {
        self.looks.load(Ordering::SeqCst)
    }

    /// Commands that a shell has begun with, in their order.
    pub(crate) fn ran(&self) -> Vec<String> {
        self.ran.lock().unwrap().clone()
    }

    async fn shell(&self, io: CommandIo) -> Exit {
        self.shells.fetch_add(1, Ordering::SeqCst);
        let CommandIo {
            stdin,
            stdout,
            stderr,
            mut signals,
            ..
        } = io;
        let mut lines = Lines {
            stdin,
            text: String::new(),
        };
        tokio::select! {
            exit = self.serve(&mut lines, &stdout, &stderr) => exit,
            Some(name) = signals.recv() => Exit::Signal { name, core_dumped: false },
        }
    }

    async fn serve(&self, lines: &mut Lines, stdout: &OutputSender, stderr: &OutputSender) -> Exit {
        if self.silent.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let Some(hello) = lines.until("\n").await else {
            return Exit::Status(0);
        };
        let token = hello.split("%s\\0' ").nth(1).unwrap()[..32].to_owned();
        end(stdout, stderr, &token, "0 77 5.2.15 ").await;
        loop {
            let Some(before) = lines.until("__mcp_r=1;\\builtin eval ' ").await else {
                return Exit::Status(0);
            };
            drop(before);
            let Some(command) = lines.until("\n' </dev/null").await else {
                return Exit::Status(0);
            };
            let Some(rest) = lines.until("\n)\n").await else {
                return Exit::Status(0);
            };
            let words = rest.split("__mcp_sh \"$?\" ").nth(1).unwrap();
            let (token, tells) = (words[..32].to_owned(), !words.ends_with(" x"));
            self.ran.lock().unwrap().push(command.clone());
            self.at_command.store(true, Ordering::SeqCst);
            let done = self.command(&command, stdout).await;
            self.at_command.store(false, Ordering::SeqCst);
            match done {
                Done::Status(status) => {
                    end(stdout, stderr, &token, &format!("{status} /home")).await
                }
                Done::Exit(status) => return Exit::Status(status),
                Done::Lost => continue,
            }
            if tells {
                let _ = stdout.send(format!("0022\n\0\0\0{token}z")).await;
            }
        }
    }

    async fn command(&self, command: &str, stdout: &OutputSender) -> Done {
        let (word, argument) = command.split_once(' ').unwrap_or((command, ""));
        let sleeping = match word {
            "echo" => {
                let _ = stdout.send(format!("{argument}\n")).await;
                return Done::Status(0);
            }
            "exit" => return Done::Exit(argument.parse().unwrap()),
            "lose" => return Done::Lost,
            "sleep" => Duration::from_millis(argument.parse().unwrap()),
            "hang" => Duration::from_secs(1_000_000),
            _ => return Done::Status(127),
        };
        tokio::select! {
            () = tokio::time::sleep(sleeping) => Done::Status(0),
            () = self.abort.notified() => Done::Status(130),
        }
    }

    async fn help(&self, text: &str, stdout: OutputSender) {
        let words = text.rsplit_once("\"$0 sent\"'").unwrap().1;
        let words: Vec<_> = words.split_whitespace().collect();
        let [token, _process, steps, what, ..] = words[..] else {
            panic!("{text}");
        };
        let say = async |said: &str| {
            // The helper goes on when nobody listens any more, as a process does.
            let _ = stdout.send(format!("{token} {said}\n")).await;
        };
        if what == "look" {
            self.looks.fetch_add(1, Ordering::SeqCst);
            let busy = self.at_command.load(Ordering::SeqCst);
            return say(if busy { "busy" } else { "idle" }).await;
        }
        say("found").await;
        if self.stubborn.load(Ordering::SeqCst) {
            let step = Duration::from_millis(50) * steps.parse().unwrap();
            tokio::time::sleep(step * 3).await;
            return say("left").await;
        }
        self.abort.notify_waiters();
        tokio::time::sleep(Duration::from_millis(50)).await;
        say(if what == "end" { "gone INT" } else { "sent" }).await;
    }
}

enum Done {
    Status(u32),
    Exit(u32),
    Lost,
}

/// The end of a frame.
async fn end(stdout: &OutputSender, stderr: &OutputSender, token: &str, words: &str) {
    let _ = stderr.send(format!("{token}e")).await;
    let _ = stdout.send(format!("{token}e{words}\0")).await;
}

struct Lines {
    stdin: mpsc::Receiver<Bytes>,
    text: String,
}

impl Lines {
    /// The text before the next `mark`; nothing at the end of the input.
    async fn until(&mut self, mark: &str) -> Option<String> {
        loop {
            if let Some((before, after)) = self.text.split_once(mark) {
                let before = before.to_owned();
                self.text = after.to_owned();
                return Some(before);
            }
            let chunk = self.stdin.recv().await?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

/// A runner that its own tasks can hold on to.
struct Shared(Arc<FramedHost>);

impl CommandRunner for Shared {
    fn run(&self, command: Bytes, io: CommandIo) -> BoxFuture<Exit> {
        let host = Arc::clone(&self.0);
        let text = String::from_utf8_lossy(&command).into_owned();
        if text.starts_with(START) {
            return Box::pin(async move { host.shell(io).await });
        }
        if text.starts_with(HELPER) {
            return Box::pin(async move {
                host.help(&text, io.stdout).await;
                Exit::Status(0)
            });
        }
        host.scripts.run(command, io)
    }
}
