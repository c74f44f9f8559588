//! Ending a remote command for certain: INT, then TERM, then KILL to its process group, then a check whether the group is gone.
//!
//! The signal request of RFC 4254 section 6.9 reaches the group only while its leader lives: a shell that
//! dies of INT leaves children behind that ignore INT. So a helper script on a second channel does the work
//! on the host. The script finds the group by the mark in the environment of the command ([`Mark`]). Where the server
//! does not admit the variable, the order of starts decides: sshd starts the commands of a connection in the order of
//! their requests, so the n-th child of our sshd is our n-th command. Processes that may have ended unseen, because
//! their channel was closed before, leave the list as soon as the host has only the others.
//!
//! All of this holds of a process that serves one connection and nothing else: the helper touches nothing unless its
//! parent is called sshd or dropbear, for a server in one process has children of other connections too. No new
//! command starts on this connection until the helper has found its target, and a target that cannot be told from
//! other processes is not touched. Where there is no second channel, no shell or no such target, signal requests
//! serve alone.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::helper::{Report, see_off};
use super::{KillReport, Signal};
use crate::limits;
use crate::ssh::channel::{ChannelError, Channels, Lease};
use crate::ssh::command::quote;
use crate::ssh::processes::{Entry, Kind, Mark};
use crate::ssh::script;

/// Finds the process groups, then ends them. The files tell arguments and answers.
static SCRIPT: LazyLock<String> = LazyLock::new(|| {
    let find = include_str!("find_groups.sh");
    let end = include_str!("end_groups.sh");
    quote(&script::one_line(&format!("{find}{end}")))
});

/// Steps in [`limits::KILL_STEP`], which is a little longer for the forks in between.
const STEPS: u128 = limits::KILL_STEP.as_millis() / 50;
/// Steps between the signals at the shutdown of this program: all three within its second.
const STEPS_AT_SHUTDOWN: u128 = 4;
/// Time for the helper to find its target. New commands wait meanwhile.
const FIND_TIMEOUT: Duration = Duration::from_secs(3);
/// How long an ending waits for its turn: ten that take all three signals, one after the other.
const QUEUE_FOR: Duration = Duration::from_secs(60);
/// How long a count that does not fit is taken again: a child that has ended and whose status is still on its
/// way makes it wrong for a moment.
const FIND_AGAIN_FOR: Duration = Duration::from_secs(6);
const FIND_DELAY: Duration = Duration::from_millis(100);
/// Ends a command with a helper. `None` when no helper could: see [`super::by_request`].
pub(crate) async fn end(channels: &Arc<Channels>, mark: Mark) -> Option<KillReport> {
    match help_until_done(channels, mark, Work::End { steps: STEPS }).await {
        Helped::Report(report) => Some(report),
        _ => None,
    }
}

/// Sends one signal with a helper; false when no helper could.
pub(crate) async fn signal(channels: &Arc<Channels>, mark: Mark, signal: Signal) -> bool {
    let helped = help_until_done(channels, mark, Work::Signal { signal }).await;
    matches!(helped, Helped::Sent)
}

/// Tries until a helper has done the work or no further try can help.
async fn help_until_done(channels: &Arc<Channels>, mark: Mark, work: Work) -> Helped {
    let queue_until = Instant::now() + QUEUE_FOR;
    let mut find_until = Instant::now() + FIND_AGAIN_FOR;
    loop {
        match run_helper(channels, Some(mark), work).await {
            // Others are being ended over the same channel, each in its seconds.
            Helped::NoChannel if Instant::now() < queue_until => {
                find_until = Instant::now() + FIND_AGAIN_FOR;
            }
            // A status is still on its way, or the host is slow.
            Helped::Unsure | Helped::Slow if Instant::now() < find_until => {}
            Helped::Fewer(seen) if Instant::now() < find_until => {
                // sshd reports an end before it reads the helper's answer, so no status is still on its way by then.
                sleep(FIND_DELAY).await;
                channels.connection().processes().remove_unfollowed(&seen);
                continue;
            }
            helped => return helped,
        }
        sleep(FIND_DELAY).await;
    }
}

/// Starts the end of every command of a connection and comes back as soon as the host has begun. False
/// when no helper could.
pub async fn end_all(channels: &Arc<Channels>) -> bool {
    if channels.connection().processes().entries().is_empty() {
        return true;
    }
    let helped = run_helper(
        channels,
        None,
        Work::End {
            steps: STEPS_AT_SHUTDOWN,
        },
    )
    .await;
    matches!(helped, Helped::Report(_))
}

/// The work of a helper.
#[derive(Debug, Clone, Copy)]
enum Work {
    /// INT, TERM and KILL, so many steps apart.
    End { steps: u128 },
    /// One signal.
    Signal { signal: Signal },
}

impl Work {
    fn arguments(self) -> String {
        match self {
            Self::End { steps } => steps.to_string(),
            Self::Signal { signal } => format!("0 {}", signal.as_str()),
        }
    }
}

#[derive(Debug)]
enum Helped {
    /// The helper did its work.
    Report(KillReport),
    /// The helper sent the signal.
    Sent,
    /// No channel was free for the helper.
    NoChannel,
    /// The command cannot be told from other processes; nothing was touched.
    Unsure,
    /// Of these processes, the host does not have those that may have ended unseen; nothing was touched.
    Fewer(Vec<Entry>),
    /// The helper did not answer in time.
    Slow,
    /// No helper could be run.
    Unavailable,
}

/// The processes as one word for the script, oldest first.
fn list_word(entries: &[Entry]) -> String {
    if entries.is_empty() {
        return "0".to_owned();
    }
    let words: Vec<_> = entries.iter().map(Entry::to_string).collect();
    words.join(":")
}

/// In a task of its own: the end of the command must not cut the helper off, nor leave its channel open.
async fn run_helper(channels: &Arc<Channels>, target: Option<Mark>, work: Work) -> Helped {
    let channels = Arc::clone(channels);
    let helper = tokio::spawn(async move { talk_to_helper(&channels, target, work).await });
    helper.await.unwrap_or(Helped::Unavailable)
}

async fn talk_to_helper(channels: &Arc<Channels>, target: Option<Mark>, work: Work) -> Helped {
    if channels.connection().helper_is_useless() {
        return Helped::Unavailable;
    }
    // The whole end of the process has less time than a channel is usually worth waiting for.
    let limit = match target {
        Some(_) => limits::CONTROL_CHANNEL_TIMEOUT,
        None => limits::SHUTDOWN_CHANNEL_TIME,
    };
    let mut lease = match channels.acquire_control(limit).await {
        Ok(lease) => lease,
        Err(error) => {
            tracing::debug!(%error, "no channel for a helper");
            return match error {
                ChannelError::NoneFree { .. } => Helped::NoChannel,
                _ => Helped::Unavailable,
            };
        }
    };
    // Held until the target is found, so that no younger child can be mistaken for the target.
    let processes = channels.connection().processes();
    let order = processes.order().lock().await;
    let entries = processes.entries();
    if target.is_some_and(|mark| !entries.iter().any(|entry| entry.mark == mark)) {
        let _ = timeout(limits::SEND_TIMEOUT, lease.channel.close()).await;
        return Helped::Unavailable;
    }
    // The script compares this mark with its environment, and begins each answer with it.
    let mark = Mark::random();
    let token = mark.to_string();
    let line = format!(
        "exec sh -c {} {token} {} {} {}",
        *SCRIPT,
        list_word(&entries),
        target.map_or_else(|| "0".to_owned(), |mark| mark.to_string()),
        work.arguments()
    );
    let environment = &channels.connection().facts().environment;
    if mark.send(&lease.channel, environment).await.is_err()
        || lease.channel.exec(true, line).await.is_err()
    {
        return Helped::Unavailable;
    }
    let running = processes.add(mark, Kind::Command);
    let mut report = Report::new(token);
    let found = timeout(
        FIND_TIMEOUT,
        report.wait_for(&mut lease, |said| !said.is_empty()),
    )
    .await;
    drop(order);
    // A host that is merely slow may do better the next time; an account that answered anything else will not.
    if let Ok(None) = found
        && !channels.connection().is_closed()
    {
        channels.connection().note_useless_helper();
    }
    let timed_out = found.is_err();
    let helped = match (found.ok().flatten().as_deref(), target) {
        (Some("stranger"), _) => Helped::Unavailable,
        (Some(said), _) if said.starts_with("unsure") => Helped::Unsure,
        (Some(said), _) if said.starts_with("fewer") => Helped::Fewer(entries.clone()),
        (Some(_), Some(_)) => {
            let outcome = timeout(limits::KILL_TIMEOUT, outcome(&mut report, &mut lease));
            outcome.await.unwrap_or(Helped::Unavailable)
        }
        (Some(_), None) => Helped::Report(KillReport {
            signal: Signal::Int,
            gone: None,
        }),
        (None, _) if timed_out => Helped::Slow,
        // A ForceCommand, or no POSIX shell.
        (None, _) => Helped::Unavailable,
    };
    tracing::debug!(of = entries.len(), said = ?report.said().last(), ?helped, "helper");
    tokio::spawn(see_off(lease, running, report));
    helped
}

/// The end of the helper's work, from its last words.
async fn outcome(report: &mut Report, lease: &mut Lease) -> Helped {
    let is_last = |said: &[String]| {
        said.last()
            .is_some_and(|words| words.starts_with("gone") || words == "left" || words == "sent")
    };
    let report = match report.wait_for(lease, is_last).await.as_deref() {
        Some("sent") => return Helped::Sent,
        Some(words) => KillReport::read(words),
        None => None,
    };
    report.map_or(Helped::Unavailable, Helped::Report)
}
