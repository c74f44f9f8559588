//! A host with a shell that can end commands: plays the script by which the product ends a process group.
//!
//! Real shells run the script elsewhere. This host keeps the script's promise on a server that admits no variables:
//! the host counts the commands that were started before the helper, and touches nothing when the count is not the
//! product's.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use mcp_ssh_sessions::demo::{BoxFuture, CommandIo, CommandRunner, Exit, OutputSender};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::network::Site;
use testkit::ssh_server::ScriptedRunner;

/// One step of the helper.
const STEP: Duration = Duration::from_millis(50);
const SIGNALS: usize = 16;

/// Runs scripts and helpers. A command whose text begins with `undead` cannot be killed.
#[derive(Default)]
pub(crate) struct ShellRunner {
    /// Runs the commands themselves.
    pub(crate) scripts: ScriptedRunner,
    children: Mutex<Vec<Child>>,
    last_id: AtomicU64,
    /// Processes beside the commands, which spoil the count.
    strangers: AtomicUsize,
    /// The helper looks for its target as long as this is false.
    helpers_go: AtomicBool,
    helpers: AtomicUsize,
    /// Commands and helpers in the order in which they were started or found their target.
    order: Mutex<Vec<String>>,
}

/// A process of the host.
struct Child {
    id: u64,
    text: String,
    signals: mpsc::Sender<String>,
}

/// The arguments of the helper script.
struct Helper {
    token: String,
    commands: usize,
    /// Place of the command to find; 0 for all.
    position: usize,
    steps: u32,
}

impl Helper {
    fn parse(text: &str) -> Option<Self> {
        let words = text.strip_prefix("exec sh -c '")?;
        let words: Vec<_> = words.rsplitn(5, ' ').collect();
        let [steps, mark, list, token, _] = words[..] else {
            return None;
        };
        Some(Self {
            token: token.to_owned(),
            commands: list.split(':').count(),
            position: match mark {
                "0" => 0,
                mark => 1 + list.split(':').position(|entry| entry[1..] == *mark)?,
            },
            steps: steps.parse().ok()?,
        })
    }
}

impl ShellRunner {
    /// Lets this answer at a site in place of its own server, over the same link.
    pub(crate) fn at(site: &Site) -> Arc<Self> {
        let runner = Arc::new(Self::default());
        runner.helpers_go.store(true, Ordering::SeqCst);
        site.pose_with(Arc::new(Shared(Arc::clone(&runner))));
        runner
    }

    /// Puts that many processes of others among the commands.
    pub(crate) fn add_strangers(&self, count: usize) {
        self.strangers.store(count, Ordering::SeqCst);
    }

    /// Holds helpers back before they look for their target, or lets them go on.
    pub(crate) fn hold_helpers(&self, hold: bool) {
        self.helpers_go.store(!hold, Ordering::SeqCst);
    }

    /// Helpers started so far.
    pub(crate) fn helpers(&self) -> usize {
        self.helpers.load(Ordering::SeqCst)
    }

    /// Started programs in their order; `found` stands for a helper that has found its target.
    pub(crate) fn order(&self) -> Vec<String> {
        self.order.lock().unwrap().clone()
    }

    fn note(&self, what: &str) {
        self.order.lock().unwrap().push(what.to_owned());
    }

    fn enter(&self, text: &str) -> (u64, mpsc::Receiver<String>, mpsc::Sender<String>) {
        let (sender, signals) = mpsc::channel(SIGNALS);
        let id = self.last_id.fetch_add(1, Ordering::SeqCst);
        self.children.lock().unwrap().push(Child {
            id,
            text: text.to_owned(),
            signals: sender.clone(),
        });
        (id, signals, sender)
    }

    fn leave(&self, id: u64) {
        self.children.lock().unwrap().retain(|child| child.id != id);
    }

    fn are_gone(&self, targets: &[u64]) -> bool {
        let children = self.children.lock().unwrap();
        !children.iter().any(|child| targets.contains(&child.id))
    }

    fn signal(&self, targets: &[u64], name: &str) {
        for child in self.children.lock().unwrap().iter() {
            let dies = name != "KILL" || !child.text.starts_with("undead");
            if targets.contains(&child.id) && dies {
                let _ = child.signals.try_send(name.to_owned());
            }
        }
    }

    /// The processes that the helper is to end, or how many there are when that cannot be told.
    fn targets(&self, helper: &Helper, own: u64) -> Result<Vec<u64>, usize> {
        let children = self.children.lock().unwrap();
        let older: Vec<_> = children
            .iter()
            .map(|child| child.id)
            .filter(|id| *id < own)
            .collect();
        let count = older.len() + self.strangers.load(Ordering::SeqCst);
        let targets = match helper.position {
            0 => older,
            position if count == helper.commands => vec![older[position - 1]],
            _ => Vec::new(),
        };
        if targets.is_empty() {
            Err(count)
        } else {
            Ok(targets)
        }
    }

    async fn help(&self, helper: Helper, own: u64, stdout: OutputSender) {
        let say = async |words: String| {
            // The helper goes on when nobody listens any more, as a process does.
            let _ = stdout.send(format!("{} {words}\n", helper.token)).await;
        };
        while !self.helpers_go.load(Ordering::SeqCst) {
            sleep(STEP).await;
        }
        let targets = match self.targets(&helper, own) {
            Ok(targets) => targets,
            Err(count) => return say(format!("unsure {count}")).await,
        };
        self.note("found");
        say("found".to_owned()).await;
        for signal in ["INT", "TERM", "KILL"] {
            self.signal(&targets, signal);
            for _ in 0..helper.steps {
                sleep(STEP).await;
                if self.are_gone(&targets) {
                    return say(format!("gone {signal}")).await;
                }
            }
        }
        say("left".to_owned()).await;
    }
}

/// A runner that its own tasks can hold on to.
struct Shared(Arc<ShellRunner>);

impl CommandRunner for Shared {
    fn run(&self, command: Bytes, io: CommandIo) -> BoxFuture<Exit> {
        let runner = Arc::clone(&self.0);
        let text = String::from_utf8_lossy(&command).into_owned();
        let (id, signals, sender) = runner.enter(&text);
        if let Some(helper) = Helper::parse(&text) {
            runner.helpers.fetch_add(1, Ordering::SeqCst);
            return Box::pin(async move {
                runner.help(helper, id, io.stdout).await;
                runner.leave(id);
                Exit::Status(0)
            });
        }
        runner.note(&text);
        let CommandIo {
            stdin,
            stdout,
            stderr,
            signals: mut requests,
            closed,
        } = io;
        tokio::spawn(async move {
            while let Some(name) = requests.recv().await {
                let _ = sender.send(name).await;
            }
        });
        let script = text.strip_prefix("undead; ").unwrap_or(&text).to_owned();
        let io = CommandIo {
            stdin,
            stdout,
            stderr,
            signals,
            closed,
        };
        let running = runner.scripts.run(script.into(), io);
        Box::pin(async move {
            let exit = running.await;
            runner.leave(id);
            exit
        })
    }
}
