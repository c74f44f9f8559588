//! The task that owns a session's shell: opens a shell for the first command, and another after the shell's end.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::actors::job::outcome::ShellFacts;
use crate::ssh::channel::Channels;
use crate::ssh::exec::Finished;
use crate::ssh::shell::{OpenError, Restored, Shell, ShellCarryOver, Work};

/// A command of a job, for the shell.
pub(crate) struct ShellWork {
    pub(crate) work: Work,
    /// Receives the state of the shell when the command goes out.
    pub(crate) begun: Box<dyn FnOnce(ShellFacts) + Send>,
    /// When waiting for a channel is over.
    pub(crate) deadline: Instant,
    pub(crate) reply: oneshot::Sender<Served>,
}

/// The end of a command in the shell.
#[derive(Debug)]
pub(crate) enum Served {
    /// The command ran, or may have run: its end, and the state of the shell.
    Ran(Box<(Finished, ShellFacts)>),
    /// The directory of the command could not be entered, for this reason: the command did not run.
    NoDirectory(String),
    /// No shell was available: nothing was sent.
    NoShell(OpenError),
    /// The command was given up before it was sent.
    GivenUp,
}

/// Runs commands until the actor has ended.
pub(super) async fn serve_commands(
    channels: Arc<Channels>,
    memory: Arc<ShellCarryOver>,
    mut queue: mpsc::Receiver<Box<ShellWork>>,
) {
    let mut current: Option<(Shell, u64)> = None;
    loop {
        let received = match &mut current {
            Some((shell, _)) => tokio::select! {
                received = queue.recv() => received,
                words = shell.idle(&memory) => {
                    close_in_background(&mut current, &memory, words);
                    continue;
                }
            },
            None => queue.recv().await,
        };
        let Some(command) = received else { break };
        let ShellWork {
            work,
            begun,
            deadline,
            reply,
        } = *command;
        let ready = ensure_shell(&channels, &memory, &mut current, &work.stop, deadline).await;
        let answer = match ready {
            Ok(facts) => run_command(&memory, &mut current, work, facts, begun).await,
            Err(answer) => answer,
        };
        // The job may be gone with its session.
        let _ = reply.send(answer);
    }
    if let Some((shell, _)) = current {
        memory.note_end("the session let it go".to_owned());
        shell.close().await;
    }
}

fn close_in_background(current: &mut Option<(Shell, u64)>, memory: &ShellCarryOver, words: String) {
    if let Some((shell, _)) = current.take() {
        memory.note_end(words);
        // No command waits until the channel is closed.
        tokio::spawn(shell.close());
    }
}

/// Opens a shell if none is open. Returns the state of the shell.
async fn ensure_shell(
    channels: &Arc<Channels>,
    memory: &Arc<ShellCarryOver>,
    current: &mut Option<(Shell, u64)>,
    stop: &CancellationToken,
    deadline: Instant,
) -> Result<ShellFacts, Served> {
    if let Some((shell, _)) = current
        && shell.has_ended(memory)
    {
        let words = shell.end_words();
        close_in_background(current, memory, words);
    }
    if let Some((_, generation)) = current {
        return Ok(ShellFacts {
            generation: *generation,
            ..ShellFacts::default()
        });
    }
    // In a task of its own: a start that is dropped half way would leave a process on the host.
    let mut opening = tokio::spawn({
        let (channels, memory) = (Arc::clone(channels), Arc::clone(memory));
        async move { open_with_saved_state(&channels, &memory, deadline).await }
    });
    let opened = tokio::select! {
        () = stop.cancelled() => {
            let memory = Arc::clone(memory);
            tokio::spawn(async move {
                if let Ok(Ok((shell, _))) = opening.await {
                    memory.note_end("the call that started it was given up".to_owned());
                    shell.close().await;
                }
            });
            return Err(Served::GivenUp);
        }
        opened = &mut opening => opened,
    };
    match opened {
        Ok(Ok((shell, facts))) => {
            *current = Some((shell, facts.generation));
            Ok(facts)
        }
        Ok(Err(error)) => Err(Served::NoShell(error)),
        Err(error) => {
            tracing::error!(%error, "the start of a shell failed");
            Err(Served::NoShell(OpenError::NoShell {
                how: "its start failed inside this program".to_owned(),
                said: String::new(),
            }))
        }
    }
}

/// Runs a command in the open shell.
async fn run_command(
    memory: &Arc<ShellCarryOver>,
    current: &mut Option<(Shell, u64)>,
    work: Work,
    mut facts: ShellFacts,
    begun: impl FnOnce(ShellFacts),
) -> Served {
    let Some((shell, _)) = current else {
        return Served::GivenUp;
    };
    begun(facts.clone());
    let done = shell.run_command(work, memory).await;
    facts.cwd = memory.cwd();
    facts.background = done.background;
    if let Some(words) = done.shell_ended {
        facts.ended = Some(words.clone());
        close_in_background(current, memory, words);
    }
    match done.no_directory {
        Some(reason) => Served::NoDirectory(reason),
        None => Served::Ran(Box::new((done.finished, facts))),
    }
}

/// Opens a shell with the state of the last shell, and says in remarks which state was restored or lost.
async fn open_with_saved_state(
    channels: &Arc<Channels>,
    memory: &Arc<ShellCarryOver>,
    deadline: Instant,
) -> Result<(Shell, ShellFacts), OpenError> {
    let (cwd, owed) = (memory.cwd(), memory.take_owed());
    let mut shell = Shell::start(channels, deadline).await?;
    let mut restored = shell.restore(memory).await;
    if restored == Restored::Failed {
        shell.close().await;
        memory.forget_state();
        shell = Shell::start(channels, deadline).await?;
    } else if shell.has_ended(memory) {
        restored = Restored::Failed;
    }
    let generation = memory.next_generation();
    let mut facts = ShellFacts {
        generation,
        restarted: generation > 1,
        ..ShellFacts::default()
    };
    let why = memory.take_end();
    if facts.restarted {
        let why = why.unwrap_or_else(|| "its connection is gone".to_owned());
        let got = match (restored, cwd) {
            (Restored::All, _) if owed => {
                "working directory, umask and exported variables are restored, but not what the last command did to umask and variables, which was not told in time".to_owned()
            }
            (Restored::All, _) => {
                "working directory, umask and exported variables are restored".to_owned()
            }
            (Restored::Nothing, _) => "it had told nothing that could be restored".to_owned(),
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
    Ok((shell, facts))
}
