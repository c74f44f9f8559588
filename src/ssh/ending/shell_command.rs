//! Ending, signalling and looking at the command that a shell runs, by a script on a second channel.
//!
//! A shell without a terminal keeps its commands in its own process group, so a signal to the group would end the
//! shell too. The script knows the shell's process instead, which the shell told when it started, and touches nothing
//! unless that is a child of the same sshd as itself. Its targets are the descendants of the shell, without the
//! processes that earlier commands have left in the background. SIGURG tells bash to give up the rest of the
//! command (`framing`); every other shell ignores it.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use tokio::time::timeout;

use super::helper::{Report, see_off};
use super::{KillReport, Signal};
use crate::limits;
use crate::ssh::channel::Channels;
use crate::ssh::command::quote;
use crate::ssh::processes::{Kind, Mark};
use crate::ssh::script;

/// The file tells arguments and answers.
static SCRIPT: LazyLock<String> =
    LazyLock::new(|| quote(&script::one_line(include_str!("shell_command.sh"))));

/// Steps in [`limits::KILL_STEP`].
const STEPS: u128 = limits::KILL_STEP.as_millis() / 50;

/// A shell's process, and the processes that its running command has not started. Those are told right behind the
/// end of the command before, maybe while this command runs already: they are looked up when they are needed.
#[derive(Debug, Clone)]
pub(in crate::ssh) struct ShellCommand {
    pub(in crate::ssh) process: u32,
    pub(in crate::ssh) spared: Spared,
}

/// Children of a shell between two commands.
pub(in crate::ssh) type Spared = Arc<Mutex<Vec<u32>>>;

/// The activity of a shell, as seen on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ssh) enum Look {
    /// The shell runs a command.
    Busy,
    /// The shell waits for a command.
    Idle,
    /// The shell has been stopped by a signal.
    Stopped,
    /// The host does not tell.
    Unknown,
}

/// Ends the command: INT, TERM and KILL to its processes. `None` when no helper could.
pub(in crate::ssh) async fn end(
    channels: &Arc<Channels>,
    target: &ShellCommand,
) -> Option<KillReport> {
    let is_last = |words: &str| words.starts_with("gone") || words == "left";
    let said = run_helper(channels, target, "end", true, is_last).await?;
    KillReport::read(&said)
}

/// Sends one signal to the command's processes; a signal that ends them also makes the shell give up the rest of the
/// command. False when no helper could.
pub(in crate::ssh) async fn signal(
    channels: &Arc<Channels>,
    target: &ShellCommand,
    signal: Signal,
) -> bool {
    let ends = signal.asks_to_end();
    let said = run_helper(channels, target, signal.as_str(), ends, |words| {
        words == "sent"
    })
    .await;
    said.as_deref() == Some("sent")
}

/// Looks at the shell's activity.
pub(in crate::ssh) async fn look(channels: &Arc<Channels>, process: u32) -> Look {
    let target = ShellCommand {
        process,
        spared: Spared::default(),
    };
    let said = run_helper(channels, &target, "look", false, |words| words != "found").await;
    match said.as_deref() {
        Some("busy") => Look::Busy,
        Some("idle") => Look::Idle,
        Some("stopped") => Look::Stopped,
        _ => Look::Unknown,
    }
}

/// In a task of its own: whoever waits may give up, and the helper's channel is closed all the same.
async fn run_helper(
    channels: &Arc<Channels>,
    target: &ShellCommand,
    what: &str,
    gives_up: bool,
    is_last: fn(&str) -> bool,
) -> Option<String> {
    let mark = Mark::random();
    let spared: Vec<_> = {
        let spared = target.spared.lock().unwrap_or_else(PoisonError::into_inner);
        spared.iter().map(u32::to_string).collect()
    };
    let line = format!(
        "exec sh -c {} {mark} {} {STEPS} {what} {} {}",
        *SCRIPT,
        target.process,
        if gives_up { "yes" } else { "no" },
        spared.join(" ")
    );
    let channels = Arc::clone(channels);
    let helper = tokio::spawn(async move { talk_to_helper(&channels, line, mark, is_last).await });
    helper.await.ok().flatten()
}

/// The helper's last words, if there are any.
async fn talk_to_helper(
    channels: &Arc<Channels>,
    line: String,
    mark: Mark,
    is_last: fn(&str) -> bool,
) -> Option<String> {
    let connection = channels.connection();
    if connection.helper_is_useless() {
        return None;
    }
    let lease = channels.acquire_control(limits::CONTROL_CHANNEL_TIMEOUT);
    let mut lease = lease.await.ok()?;
    let order = connection.processes().order().lock().await;
    // An error means that the connection is gone, which the exec request finds too.
    let _ = mark
        .send(&lease.channel, &connection.facts().environment)
        .await;
    let sent = lease.channel.exec(true, line).await;
    // The helper counts among the commands while it lives: `process_group` relies on the order.
    let running = connection.processes().add(mark, Kind::Command);
    drop(order);
    let mut report = Report::new(mark.to_string());
    let is_done = |said: &[String]| {
        said.last()
            .is_some_and(|words| is_last(words) || words == "stranger")
    };
    let mut said = None;
    if sent.is_ok() {
        let saying = report.wait_for(&mut lease, is_done);
        said = timeout(limits::KILL_TIMEOUT, saying).await.ok().flatten();
    }
    tokio::spawn(see_off(lease, running, report));
    said
}
