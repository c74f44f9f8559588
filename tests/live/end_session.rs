//! The end of a session or of the whole program ends all commands on the hosts.

use std::time::Duration;

use mcp_ssh_sessions::actors::job::outcome::Outcome;
use mcp_ssh_sessions::error::ErrorCode;
use tokio::time::Instant;

use crate::world::{
    Client, TEST, command, connections, name, nothing_left, processes, refused, request, succeeded,
};
use testkit::sshd::Sshd;
use testkit::{bounded, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disconnecting_ends_the_jobs_first() {
    let sshd = Sshd::start_default().await;
    let client = Client::connected(&sshd).await;
    let lines = [
        "echo $$; exec sleep 1000",
        "echo $$; exec sleep 1000",
        "echo $$; sleep 1001 & wait",
    ];
    let mut running = Vec::new();
    for line in lines {
        let started = client.start(command(line));
        started.first_line().await;
        running.push(started);
    }
    let report = bounded("the end", client.handle.disconnect(Some(name(TEST)), false))
        .await
        .unwrap();
    assert_eq!(report.ended_jobs, ["test-1", "test-2", "test-3"]);
    // A slow machine may need more time than the answer has; then the answer says so, and the ending goes on.
    if report.unconfirmed.is_empty() {
        assert_eq!(processes(&sshd, "sleep 100"), []);
    }
    eventually("the end of the commands", || {
        processes(&sshd, "sleep 100").is_empty()
    })
    .await;
    for started in running {
        let report = started.answer().await.unwrap();
        assert!(
            matches!(report.outcome, Outcome::Cancelled(Some(_))),
            "{:?}",
            report.outcome
        );
    }
    nothing_left(&sshd).await;
    assert_eq!(
        client.status(TEST).await.map(|row| row.state.as_str()),
        Some("saved")
    );
    // A call connects anew; a forgotten session is gone.
    let again = client.run("echo again").await;
    assert!(again.reconnected);
    assert_eq!(succeeded(&again), "again\n");
    assert_eq!(connections(&sshd), 2);
    client
        .handle
        .disconnect(Some(name(TEST)), true)
        .await
        .unwrap();
    refused(
        client.exec(TEST, command("true")).await,
        ErrorCode::NoSuchSession,
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disconnecting_ends_a_command_that_ignores_signals() {
    let sshd = Sshd::start_default().await;
    let client = Client::connected(&sshd).await;
    let started = client.start(command(
        "trap '' INT TERM; echo $$; while :; do sleep 0.1; done",
    ));
    let process = started.process().await;
    let report = client
        .handle
        .disconnect(Some(name(TEST)), false)
        .await
        .unwrap();
    // KILL comes after INT and TERM, later than the answer.
    assert_eq!(report.ended_jobs, ["test-1"]);
    assert_eq!(report.unconfirmed, ["test-1"]);
    eventually("the end of the command", || !process.is_alive()).await;
    nothing_left(&sshd).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutting_down_takes_less_than_a_second_and_ends_everything() {
    let sshd = Sshd::start_default().await;
    let client = Client::new(sshd.ssh_config()).await;
    let mut lines = vec!["echo $$; exec sleep 1000"; 3];
    lines.push("trap '' INT TERM; echo $$; while :; do sleep 0.1; done");
    let mut running = Vec::new();
    for session in ["test", "b"] {
        client.dial(request(session, TEST)).await.unwrap();
    }
    for line in lines {
        let started = client.start(command(line));
        started.first_line().await;
        running.push(started);
    }
    let begun = Instant::now();
    client.handle.shut_down().await;
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
    nothing_left(&sshd).await;
    for started in running {
        // Every caller gets an answer, whatever its text.
        drop(started.answer().await);
    }
    refused(
        client.exec(TEST, command("true")).await,
        ErrorCode::NotConnected,
    );
}
