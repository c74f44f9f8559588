//! Ending commands among others of the same kind, many times, and without a channel to spare.

use std::time::Duration;

use mcp_ssh_sessions::actors::job::outcome::Outcome;
use mcp_ssh_sessions::ssh::ending::{KillReport, Signal};
use tokio::time::Instant;

use crate::world::{Client, Running, command, nothing_left, processes, succeeded};
use testkit::eventually;
use testkit::sshd::Sshd;

/// sshd's default.
const MAX_SESSIONS: usize = 10;

/// How a command ends that takes the first signal.
fn interrupted() -> Outcome {
    Outcome::Cancelled(Some(KillReport {
        signal: Signal::Int,
        gone: Some(true),
    }))
}

/// Starts identical commands in one session, waits until they run, and tells their processes.
async fn start_identical(
    client: &Client,
    number: usize,
) -> Vec<(Running, testkit::processes::Process)> {
    let mut started = Vec::new();
    for _ in 0..number {
        let running = client.start(command("echo $$; exec sleep 1000"));
        let process = running.process().await;
        started.push((running, process));
    }
    started
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_identical_commands_the_right_one_ends() {
    let sshd = Sshd::start_default().await;
    let client = Client::connected(&sshd).await;
    let mut started = start_identical(&client, 5).await;
    // One that has ended in between, and one that was left in the background, do not confuse the count.
    succeeded(&client.run("true").await);
    client.run("sleep 2000 >/dev/null 2>&1 & exit 0").await;
    for index in [2, 0, 2, 1, 0] {
        let (running, process) = started.remove(index);
        running.cancel.cancel();
        let report = running.answer().await.unwrap();
        assert_eq!(report.outcome, interrupted());
        assert!(!process.is_alive());
        for (other, process) in &started {
            assert!(process.is_alive() && !other.call.is_finished());
        }
    }
    assert_eq!(
        processes(&sshd, "sleep 2000").len(),
        1,
        "the one in the background lives"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_that_are_ended_at_once_all_end() {
    let sshd = Sshd::start_default().await;
    let client = Client::connected(&sshd).await;
    let started = start_identical(&client, 6).await;
    let (keep, end): (Vec<_>, Vec<_>) = started
        .into_iter()
        .enumerate()
        .partition(|(index, _)| index % 3 == 0);
    end.iter()
        .for_each(|(_, (running, _))| running.cancel.cancel());
    for (_, (running, process)) in end {
        let report = running.answer().await.unwrap();
        assert_eq!(report.outcome, interrupted());
        assert!(!process.is_alive());
    }
    for (_, (running, process)) in &keep {
        assert!(process.is_alive() && !running.call.is_finished());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_cancelled_calls_leave_nothing() {
    let sshd = Sshd::start_default().await;
    let client = Client::connected(&sshd).await;
    for round in 0..100 {
        let running = client.start(command("echo $$; exec sleep 1000"));
        let process = running.process().await;
        running.cancel.cancel();
        let report = running.answer().await.unwrap();
        assert!(
            matches!(report.outcome, Outcome::Cancelled(_)),
            "{round}: {:?}",
            report.outcome
        );
        eventually("the process to end", || !process.is_alive()).await;
    }
    assert_eq!(succeeded(&client.run("echo fine").await), "fine\n");
    assert!(
        client
            .status("test")
            .await
            .is_some_and(|row| row.jobs.is_empty())
    );
    nothing_left(&sshd).await;
    // All channels are there again, on the same connection; one is kept for ending commands.
    let started = start_identical(&client, MAX_SESSIONS - 1).await;
    assert_eq!(started.len(), MAX_SESSIONS - 1);
    assert_eq!(crate::world::connections(&sshd), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_can_be_ended_while_every_channel_is_taken() {
    let sshd = Sshd::start_default().await;
    let client = Client::connected(&sshd).await;
    let mut started = start_identical(&client, MAX_SESSIONS - 1).await;
    // One or two more, depending on how many channels are kept for ending commands.
    let mut waiting = [1, 2].map(|_| client.start(command("echo mine; exec sleep 1000")));
    let begun = Instant::now();
    for index in [4, 0] {
        let (running, process) = started.remove(index);
        running.cancel.cancel();
        let report = running.answer().await.unwrap();
        assert_eq!(report.outcome, interrupted());
        assert!(!process.is_alive());
    }
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    for (other, process) in &started {
        assert!(process.is_alive() && !other.call.is_finished());
    }
    // The calls that waited for a channel have those that became free.
    for waiting in &mut waiting {
        assert_eq!(waiting.first_line().await, "mine");
    }
    let begun = Instant::now();
    let all = started
        .into_iter()
        .map(|(running, _)| running)
        .chain(waiting);
    let all: Vec<_> = all.inspect(|running| running.cancel.cancel()).collect();
    for running in all {
        running.answer().await.unwrap();
    }
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(processes(&sshd, "sleep 1000"), []);
    nothing_left(&sshd).await;
}
