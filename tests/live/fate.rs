//! A broken link: the fate of the command is reported, and a command is never sent twice.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use mcp_ssh_sessions::actors::SessionError;
use mcp_ssh_sessions::actors::job::outcome::Outcome;
use mcp_ssh_sessions::actors::job::report::CommandReport;
use mcp_ssh_sessions::error::{ErrorCode, Fate};
use tokio::time::{Instant, sleep};

use crate::world::{
    Client, TEST, command, connections, nothing_left, succeeded, through, write_config,
};
use testkit::bounded;
use testkit::link::TcpLink;
use testkit::sshd::Sshd;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_killed_while_idle_is_back_for_the_next_command() {
    let sshd = Sshd::start_default().await;
    let client = Client::connected(&sshd).await;
    let log = client.directory.path().join("log");
    for round in 1..=3 {
        sshd.kill_sessions().await;
        let report = client
            .run(&format!("echo {round} >>{}", log.display()))
            .await;
        succeeded(&report);
        // Either the call found the session down, or the session had noticed and was up again before.
        let reconnects = client.status(TEST).await.unwrap().reconnects;
        assert_eq!(reconnects, round, "{report:?}");
    }
    assert_eq!(fs::read_to_string(log).unwrap(), "1\n2\n3\n");
    assert_eq!(connections(&sshd), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_killed_under_a_command_is_told_as_lost() {
    let sshd = Sshd::start_default().await;
    let client = Client::connected(&sshd).await;
    let log = client.directory.path().join("log");
    let line = format!("echo ran >>{}; echo begun; exec sleep 1000", log.display());
    let running = client.start(command(&line));
    running.first_line().await;
    let killed = Instant::now();
    sshd.kill_sessions().await;
    let report = running.answer().await.unwrap();
    let took = killed.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    let Outcome::ConnectionLost(reason) = &report.outcome else {
        panic!("{:?}", report.outcome);
    };
    assert!(!reason.own_words().is_empty());
    assert_eq!(report.outcome.fate(), Fate::Unknown);
    assert_eq!(crate::world::stdout(&report), "begun\n");
    // The session comes back by itself, without a call.
    let row = client
        .until(TEST, "the reconnect", |row| row.state.as_str() == "ready")
        .await;
    assert_eq!((row.reconnects, row.jobs.len()), (1, 0));
    assert_eq!(succeeded(&client.run("echo next").await), "next\n");
    assert_eq!(fs::read_to_string(log).unwrap(), "ran\n");
}

/// The promise of a call about its command: the least and the most lines that the command may have written.
fn promise(result: &Result<CommandReport, SessionError>) -> (usize, usize) {
    let fate = match result {
        Ok(report) => {
            let finished = report.outcome == Outcome::Exited(0);
            let lost = matches!(report.outcome, Outcome::ConnectionLost(_));
            assert!(finished || lost, "{:?}", report.outcome);
            report.outcome.fate()
        }
        Err(error) => {
            // Lost before the command was sent, twice in a row; or the dial for the command was cut.
            let codes = [ErrorCode::ConnectionLost, ErrorCode::ConnectFailed];
            assert!(
                codes.contains(&error.code()) && error.is_retryable(),
                "{error}"
            );
            error.fate()
        }
    };
    match fate {
        Fate::NotSent => (0, 0),
        Fate::Completed => (1, 1),
        Fate::Unknown => (0, 1),
    }
}

/// Runs commands until one works: the last fault may show only now.
async fn be_up(client: &Client) {
    let works = async || {
        client
            .exec(TEST, command("true"))
            .await
            .map(|report| report.outcome)
    };
    while !matches!(works().await, Ok(Outcome::Exited(0))) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_breaks_at_any_instant_runs_nothing_twice() {
    const ROUNDS: usize = 60;
    let sshd = Sshd::start_default().await;
    let link = TcpLink::start(sshd.address()).await;
    let client = Client::new(write_config(&sshd, &through(&sshd, &link, ""))).await;
    client.must_connect(TEST).await;
    let log = client.directory.path().join("log");
    let mut promises = HashMap::new();
    let mut told = HashMap::<_, usize>::new();
    for round in 0..ROUNDS {
        // One in four faults may hit the dial.
        if round % 4 > 0 {
            bounded("a command that works", be_up(&client)).await;
        }
        let line = format!("sleep 0.01; echo {round} >>{}; sleep 0.01", log.display());
        let begun = Instant::now();
        let call = client.exec(TEST, command(&line));
        // From before the request goes out until after the answer, by both ways of breaking.
        let fault = async {
            sleep(Duration::from_micros(rand::random_range(0..40_000))).await;
            if round % 2 == 0 {
                link.link.cut();
            } else {
                sshd.kill_sessions().await;
            }
        };
        let (result, ()) = tokio::join!(call, fault);
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "{:?}",
            begun.elapsed()
        );
        let promise = promise(&result);
        *told.entry(promise).or_default() += 1;
        promises.insert(round.to_string(), promise);
    }
    nothing_left(&sshd).await;
    let log = fs::read_to_string(log).unwrap_or_default();
    for (round, (least, most)) in promises {
        let ran = log.lines().filter(|line| **line == round).count();
        assert!(
            (least..=most).contains(&ran),
            "round {round} ran {ran} times, promised {least} to {most}"
        );
    }
    // Otherwise the instants were badly chosen and nothing was shown.
    assert!(
        told.contains_key(&(1, 1)) && told.contains_key(&(0, 1)),
        "{told:?}"
    );
}
