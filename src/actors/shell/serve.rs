//! The task that owns a session's shell: opens it when it is first needed, and anew after its end.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::actors::report::ShellFacts;
use crate::ssh::channel::Channels;
use crate::ssh::shell::{Done, Memory, OpenError, Restored, Shell, Work};

/// A command of a job.
pub(crate) struct ShellWork {
    pub(crate) work: Work,
    /// When waiting for a channel is over.
    pub(crate) deadline: Instant,
    pub(crate) reply: oneshot::Sender<Served>,
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum Served {
    /// It ran, or may have.
    Ran {
        /// How it ended.
        done: Done,
        /// Of which shell this is the result.
        facts: ShellFacts,
    },
    /// There is no shell for it: nothing was sent.
    NoShell(OpenError),
    /// It was given up before it was sent.
    GivenUp,
}

/// Serves until nobody can ask any more.
pub(super) async fn serve(
    channels: Arc<Channels>,
    memory: Arc<Memory>,
    mut queue: mpsc::Receiver<Box<ShellWork>>,
) {
    let mut current: Option<(Shell, u64)> = None;
    loop {
        let asked = match &mut current {
            Some((shell, _)) => tokio::select! {
                asked = queue.recv() => asked,
                words = shell.idle(&memory) => {
                    let_go(&mut current, &memory, words).await;
                    continue;
                }
            },
            None => queue.recv().await,
        };
        let Some(asked) = asked else { break };
        let answer = turn(&channels, &memory, &mut current, asked.work, asked.deadline).await;
        // The job may be gone with its session.
        let _ = asked.reply.send(answer);
    }
    if let Some((shell, _)) = current {
        memory.note_end("the session let it go".to_owned());
        shell.close().await;
    }
}

async fn let_go(current: &mut Option<(Shell, u64)>, memory: &Memory, words: String) {
    if let Some((shell, _)) = current.take() {
        memory.note_end(words);
        shell.close().await;
    }
}

/// One command.
async fn turn(
    channels: &Arc<Channels>,
    memory: &Arc<Memory>,
    current: &mut Option<(Shell, u64)>,
    work: Work,
    deadline: Instant,
) -> Served {
    if let Some((shell, _)) = current
        && shell.has_ended(memory)
    {
        let words = shell.end_words().await;
        let_go(current, memory, words).await;
    }
    let mut facts = ShellFacts::default();
    if current.is_none() {
        let opening = open(channels, memory, deadline, &mut facts);
        let opened = tokio::select! {
            () = work.stop.cancelled() => return Served::GivenUp,
            opened = opening => opened,
        };
        match opened {
            Ok(opened) => *current = Some(opened),
            Err(error) => return Served::NoShell(error),
        }
    }
    let Some((shell, generation)) = current else {
        return Served::GivenUp;
    };
    facts.generation = *generation;
    let done = shell.run(work, memory).await;
    facts.cwd = memory.cwd();
    facts.background = done.background.clone();
    if let Some(words) = &done.shell_ended {
        facts.ended = Some(words.clone());
        let_go(current, memory, words.clone()).await;
    }
    Served::Ran { done, facts }
}

/// A shell with the state of the last one, and what there is to say about that.
async fn open(
    channels: &Arc<Channels>,
    memory: &Arc<Memory>,
    deadline: Instant,
    facts: &mut ShellFacts,
) -> Result<(Shell, u64), OpenError> {
    let cwd = memory.cwd();
    let mut shell = Shell::open(channels, deadline).await?;
    let mut restored = shell.restore(memory).await;
    if restored == Restored::Failed {
        shell.close().await;
        memory.forget_state();
        shell = Shell::open(channels, deadline).await?;
    } else if shell.has_ended(memory) {
        restored = Restored::Failed;
    }
    let generation = memory.next_generation();
    facts.restarted = generation > 1;
    if facts.restarted {
        let why = memory.take_end().unwrap_or_else(|| "unknown".to_owned());
        let got = match (restored, cwd) {
            (Restored::All, _) => {
                "working directory, umask and exported variables are restored".to_owned()
            }
            (Restored::NotDirectory, Some(cwd)) => format!(
                "umask and exported variables are restored, but {cwd} cannot be entered any more"
            ),
            _ => "working directory, umask and exported variables could not be restored".to_owned(),
        };
        facts.remarks.push(format!(
            "a new shell, because the last one ended: {why}; {got}; functions, variables that were not exported, options and background jobs are lost"
        ));
    }
    if !shell.is_bash() && memory.says_sh() {
        facts
            .remarks
            .push("the host has no bash, so this is its sh".to_owned());
    }
    Ok((shell, generation))
}
