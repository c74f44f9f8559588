//! The binary on stdio with a real sshd, and a client that bounds every wait.

mod answer;
mod server;

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

pub use answer::Answer;
pub use server::{Pending, Server};

use crate::processes::Process;
use crate::sshd::Sshd;

/// Bound of a condition that is asked for again and again.
const EVENTUALLY: Duration = Duration::from_secs(45);
/// Between two such questions.
const POLL: Duration = Duration::from_millis(20);

/// A server with a session, and the host. The server is dropped first.
#[derive(Debug)]
pub struct World {
    /// The server under test.
    pub server: Server,
    /// The host.
    pub sshd: Sshd,
    /// Output that the handover of a job has shown: this counts as read, so the first unread output lacks these blocks.
    early: Mutex<HashMap<String, Vec<Value>>>,
}

impl World {
    /// With the session `web`, which is the default one.
    pub async fn start() -> Self {
        Self::at(Sshd::start_default().await, "").await
    }

    /// The same at a certain host, with further lines of ssh_config(5).
    pub async fn at(sshd: Sshd, config: &str) -> Self {
        let server = Server::start(&sshd, config).await;
        let early = Mutex::default();
        let world = Self {
            server,
            sshd,
            early,
        };
        world.connect("web").await;
        world
    }

    /// Connects a session, which has to succeed.
    pub async fn connect(&self, session: &str) {
        let arguments = json!({"host": "test", "name": session});
        let answer = self.call("ssh_connect", arguments).await;
        assert!(
            !answer.is_error(),
            "{}\n{}",
            answer.status(),
            self.sshd.log()
        );
    }

    /// A call and its answer.
    pub async fn call(&self, tool: &str, arguments: Value) -> Answer {
        self.server.begin(tool, arguments).await.answer().await
    }

    /// A command as a job from the start; `more` are further parameters of `ssh_exec`.
    pub async fn job(&self, command: &str, more: Value) -> String {
        let mut arguments = json!({"command": command, "waitMs": 0});
        merge(&mut arguments, more);
        let answer = self.call("ssh_exec", arguments).await;
        assert_eq!(answer.meta("outcome"), "running", "{}", answer.status());
        let job = answer.meta("job").as_str().unwrap().to_owned();
        let printed = answer.blocks()[1..].to_vec();
        self.early.lock().unwrap().insert(job.clone(), printed);
        job
    }

    /// `ssh_output`; the first look at unread output begins with the output that the handover showed.
    pub async fn output(&self, job: &str, more: Value) -> Answer {
        let elsewhere = ["offsetBytes", "grep", "stream"];
        let unread = elsewhere.iter().all(|name| more.get(name).is_none());
        let mut arguments = json!({"job": job});
        merge(&mut arguments, more);
        let mut answer = self.call("ssh_output", arguments).await;
        let early = if unread {
            self.early.lock().unwrap().remove(job)
        } else {
            None
        };
        if let (Some(early), Some(blocks)) = (early, answer.result["content"].as_array_mut()) {
            blocks.splice(1..1, early);
        }
        answer
    }

    /// `ssh_input`, which has to succeed.
    pub async fn input(&self, job: &str, more: Value) -> Answer {
        let answer = self.try_input(job, more).await;
        assert!(!answer.is_error(), "{}", answer.status());
        answer
    }

    /// `ssh_input`, which may be refused.
    pub async fn try_input(&self, job: &str, more: Value) -> Answer {
        let mut arguments = json!({"job": job});
        merge(&mut arguments, more);
        self.call("ssh_input", arguments).await
    }

    /// Reads on until the unread text holds `wanted`; gives all that was read.
    pub async fn read_until(&self, job: &str, wanted: &str) -> String {
        let mut text = String::new();
        let what = format!("{wanted:?} from {job}");
        poll(&what, async || {
            let answer = self.output(job, json!({})).await;
            text.push_str(&answer.text());
            text.contains(wanted).then_some(())
        })
        .await;
        text
    }

    /// Waits for the end of a job without reading output.
    pub async fn ended(&self, job: &str) -> Answer {
        poll(&format!("the end of {job}"), async || {
            // Nothing is left behind the end, so this returns at the end of the job, and moves no mark.
            let arguments = json!({"offsetBytes": i64::MAX, "waitMs": 10000});
            let answer = self.output(job, arguments).await;
            (answer.meta("outcome") != "running").then_some(answer)
        })
        .await
    }

    /// The command's processes on the host of this command line.
    pub fn processes(&self, command_line: &str) -> Vec<Process> {
        let mut found = self.sshd.commands();
        found.retain(|process| process.command_line() == command_line);
        found
    }

    /// Running jobs of a session, as `ssh_sessions` lists them.
    pub async fn jobs(&self, session: &str) -> Vec<Value> {
        let answer = self.call("ssh_sessions", json!({})).await;
        let sessions = answer.result["structuredContent"]["sessions"].clone();
        let sessions = sessions.as_array().unwrap().iter();
        let mut found = sessions.filter(|row| row["session"] == session);
        found.next().expect("the session is listed")["jobs"]
            .as_array()
            .unwrap()
            .clone()
    }
}

/// Asks until there is an answer.
pub async fn poll<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            sleep(POLL).await;
        }
    };
    let answer = timeout(EVENTUALLY, asking).await;
    answer.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// How long something took.
pub async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let start = Instant::now();
    let result = work.await;
    (result, start.elapsed())
}

fn merge(arguments: &mut Value, more: Value) {
    for (name, value) in more.as_object().expect("parameters") {
        arguments[name] = value.clone();
    }
}
