//! A link that is cut or goes silent: who notices, who is answered, and that nothing runs twice.

use std::time::Duration;

use mcp_ssh_sessions::actors::SessionError;
use mcp_ssh_sessions::actors::job::outcome::Outcome;
use mcp_ssh_sessions::actors::request::ExecRequest;
use mcp_ssh_sessions::error::{ErrorCode, Fate};
use mcp_ssh_sessions::limits;
use mcp_ssh_sessions::ssh::disconnect::Disconnect;
use rand::Rng;
use tokio::time::Instant;

use crate::network::{DEAD_PEER_KNOWN, KEEPALIVE};
use crate::world::{World, answer, command, settle, stdout};
use testkit::ssh_server::MemoryHost;

/// How long a caller may wait once the end of the link is known.
const TOLD_WITHIN: Duration = Duration::from_millis(1_100);

#[tokio::test(start_paused = true)]
async fn cut_while_idle_the_next_command_runs_once() {
    let world = World::new().await;
    world.connect("web").await;
    let site = world.web();
    site.host.link.cut();
    let report = world.exec("web", "echo once").await.unwrap();
    assert_eq!(report.outcome, Outcome::Exited(0));
    assert_eq!((site.dials(), site.host.runner.runs("echo once")), (2, 1));

    // The same when the cut is known before the call.
    site.host.link.cut();
    world.until_state("web", "ready").await;
    world.exec("web", "echo again").await.unwrap();
    assert_eq!(site.host.runner.runs("echo again"), 1);
}

#[tokio::test(start_paused = true)]
async fn cut_in_the_middle_of_a_command_its_fate_is_unknown_and_it_is_not_run_again() {
    let world = World::new().await;
    world.connect("web").await;
    let site = world.web();
    let call = world.start("web", "echo begun; hang");
    site.host.runner.wait_live(1).await;
    settle().await;
    let start = Instant::now();
    site.host.link.cut();
    let report = answer(call).await.unwrap();
    assert!(
        start.elapsed() < Duration::from_millis(100),
        "{:?}",
        start.elapsed()
    );
    let Outcome::ConnectionLost(reason) = &report.outcome else {
        panic!("{report:?}");
    };
    assert_eq!(*reason, Disconnect::ServerClosed);
    assert_eq!(report.outcome.fate(), Fate::Unknown);
    assert_eq!(stdout(&report), "begun\n");
    world.until_state("web", "ready").await;
    assert_eq!(world.output_of("web", "echo next").await, "next\n");
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(site.host.runner.runs("echo begun; hang"), 1);
    assert!(world.status("web").await.jobs.is_empty());
}

#[tokio::test(start_paused = true)]
async fn cut_with_many_commands_under_way_every_caller_is_answered() {
    let world = World::new().await;
    world.connect("web").await;
    let site = world.web();
    let calls: Vec<_> = (0..8)
        .map(|n| world.start("web", &format!("sleep 9000; echo {n}")))
        .collect();
    site.host.runner.wait_live(8).await;
    site.host.link.cut();
    for call in calls {
        let report = answer(call).await.unwrap();
        assert!(
            matches!(report.outcome, Outcome::ConnectionLost(_)),
            "{report:?}"
        );
    }
    assert_eq!(site.host.runner.total_runs(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_black_hole_is_noticed_after_the_unanswered_keepalives() {
    let world = World::new().await;
    world.connect("web").await;
    let link = &world.web().host.link;
    // Not at a keepalive's own moment.
    tokio::time::sleep(KEEPALIVE * 10 + KEEPALIVE / 2).await;
    assert_eq!(world.state("web").await, "ready", "keepalives are answered");
    link.stall();
    tokio::time::sleep(DEAD_PEER_KNOWN - KEEPALIVE).await;
    assert_eq!(world.state("web").await, "ready", "too early to tell");
    tokio::time::sleep(KEEPALIVE).await;
    let status = world.status("web").await;
    assert_ne!(status.state.as_str(), "ready");
    let error = status.last_error.unwrap();
    assert!(error.contains("stopped answering keepalives"), "{error}");
    link.pass();
    world.until_state("web", "ready").await;
}

#[tokio::test(start_paused = true)]
async fn without_any_configuration_a_dead_peer_is_known_within_15_and_a_half_seconds() {
    let world = World::new().await;
    world.web().configure(|resolved| {
        resolved.server_alive_interval = None;
        resolved.server_alive_count_max = limits::KEEPALIVE_COUNT as u32;
    });
    world.connect("web").await;
    settle().await;
    world.web().host.link.stall();
    tokio::time::sleep(limits::KEEPALIVE_INTERVAL * 2).await;
    assert_eq!(world.state("web").await, "ready");
    tokio::time::sleep(Duration::from_millis(5_500)).await;
    assert_ne!(world.state("web").await, "ready");
}

#[tokio::test(start_paused = true)]
async fn callers_on_a_black_hole_are_answered_when_it_is_noticed() {
    let world = World::new().await;
    world.connect("web").await;
    let site = world.web();
    let running = world.start("web", "echo begun; hang");
    site.host.runner.wait_live(1).await;
    settle().await;
    site.host.link.stall();
    let start = Instant::now();
    // The first of these takes the spare channel and is sent; the others wait for channels of their own.
    let late: Vec<_> = (0..3)
        .map(|n| world.start("web", &format!("echo late {n}")))
        .collect();
    let report = answer(running).await.unwrap();
    assert!(
        matches!(report.outcome, Outcome::ConnectionLost(_)),
        "{report:?}"
    );
    assert_eq!(stdout(&report), "begun\n");
    assert!(
        start.elapsed() < DEAD_PEER_KNOWN + TOLD_WITHIN,
        "{:?}",
        start.elapsed()
    );
    site.host.link.pass();
    let (mut lost, mut run) = (0, 0);
    for (n, call) in late.into_iter().enumerate() {
        let line = format!("echo late {n}");
        let report = answer(call).await.unwrap();
        match &report.outcome {
            // It had gone out: whether it ran is not known, and it may have, when the link passed again.
            Outcome::ConnectionLost(_) => lost += 1,
            Outcome::Exited(0) => {
                run += 1;
                assert!(report.reconnected);
                assert_eq!(site.host.runner.runs(&line), 1);
            }
            other => panic!("{other:?}"),
        }
        assert!(site.host.runner.runs(&line) <= 1);
    }
    assert_eq!((lost, run), (1, 2));
}

/// The spare channel is taken, so that the command still waits for a channel of its own when the link dies.
#[tokio::test(start_paused = true)]
async fn cut_before_the_exec_request_went_out_the_command_runs_once_on_the_next_link() {
    let world = World::new().await;
    world.connect("web").await;
    let site = world.web();
    site.host.link.set_delay(Duration::from_millis(100));
    let first = world.start("web", "hang");
    tokio::task::yield_now().await;
    let second = world.start("web", "echo unsent");
    tokio::time::sleep(Duration::from_millis(50)).await;
    let channels = site.host.channels();
    site.host.link.cut();
    site.host.link.set_delay(Duration::ZERO);
    let report = answer(second).await.unwrap();
    assert_eq!(report.outcome, Outcome::Exited(0));
    assert!(report.reconnected);
    assert_eq!(site.host.runner.runs("echo unsent"), 1);
    assert_eq!(site.dials(), 2);
    assert!(site.host.channels() > channels);
    let first = answer(first).await.unwrap();
    assert_eq!(first.outcome.fate(), Fate::Unknown);
    assert!(site.host.runner.runs("hang") <= 1);
}

#[tokio::test(start_paused = true)]
async fn cut_twice_before_the_exec_request_went_out_the_command_is_given_up() {
    let world = World::new().await;
    world.connect("web").await;
    let site = world.web();
    site.host.link.set_delay(Duration::from_millis(100));
    let _first = world.start("web", "hang");
    tokio::task::yield_now().await;
    let call = world.start("web", "echo unsent");
    tokio::time::sleep(Duration::from_millis(50)).await;
    site.host.link.cut();
    world.until_state("web", "ready").await;
    // The spare channel of the new link is still on its way too.
    site.host.link.cut();
    let error = answer(call).await.unwrap_err();
    assert!(matches!(error, SessionError::LostBeforeSend(_)), "{error}");
    assert_eq!(
        (error.code(), error.fate()),
        (ErrorCode::ConnectionLost, Fate::NotSent)
    );
    assert!(error.is_retryable());
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(site.host.runner.runs("echo unsent"), 0);
}

#[tokio::test(start_paused = true)]
async fn cut_with_nobody_there_a_call_that_was_not_sent_gets_the_failure_of_the_dial() {
    let world = World::new().await;
    world.connect("web").await;
    let site = world.web();
    site.host.link.set_delay(Duration::from_millis(100));
    let _first = world.start("web", "hang");
    tokio::task::yield_now().await;
    let call = world.start("web", "echo unsent");
    tokio::time::sleep(Duration::from_millis(50)).await;
    site.host.refuse_connects(true);
    site.host.link.cut();
    let error = answer(call).await.unwrap_err();
    assert_eq!(
        (error.code(), error.fate()),
        (ErrorCode::ConnectFailed, Fate::NotSent)
    );
    assert_eq!(error.state().map(|state| state.as_str()), Some("backoff"));
}

/// A peer that takes no more bytes fills the send buffer, and data that waits to be written keeps no clock.
#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_no_bytes_is_noticed_as_well_as_a_silent_one() {
    let world = World::new().await;
    world.connect("web").await;
    let site = world.web();
    let running = world.start("web", "hang");
    site.host.runner.wait_live(1).await;
    settle().await;
    site.clog();
    let start = Instant::now();
    let request = ExecRequest {
        stdin: Some("x".repeat(1024 * 1024)),
        wait: limits::WAIT_MAX,
        ..command("cat")
    };
    let writing = world.start_run("web", request);
    let report = answer(running).await.unwrap();
    assert!(
        matches!(report.outcome, Outcome::ConnectionLost(_)),
        "{report:?}"
    );
    let took = start.elapsed();
    assert!(took < DEAD_PEER_KNOWN + TOLD_WITHIN, "{took:?}");
    let report = answer(writing).await.unwrap();
    assert!(
        matches!(report.outcome, Outcome::ConnectionLost(_)),
        "{report:?}"
    );
}

/// Cuts at moments of all kinds around a command. The report of the command fits the observations of the host.
#[tokio::test(start_paused = true)]
async fn a_command_runs_at_most_once_whenever_the_link_is_cut() {
    const ONE_WAY: Duration = Duration::from_millis(5);
    let (mut exited, mut lost, mut unsent) = (0, 0, 0);
    let world = World::with_host("web", MemoryHost::new()).await;
    world.connect("web").await;
    let site = world.web();
    for number in 0..250 {
        // Long enough for the link to prove itself: no backoff to wait for.
        tokio::time::sleep(limits::LINK_PROVEN_AFTER).await;
        // Every second one finds the spare channel taken.
        let other = (number % 2 == 0).then(|| world.start("web", "sleep 30"));
        site.host.link.set_delay(ONE_WAY);
        let line = format!("echo {number}");
        let call = world.start("web", &line);
        let moment = rand::rng().random_range(0..35_000);
        tokio::time::sleep(Duration::from_micros(moment)).await;
        site.host.link.cut();
        let result = answer(call).await;
        site.host.link.set_delay(Duration::ZERO);
        let runs = site.host.runner.runs(&line);
        assert!(runs <= 1, "{line} ran {runs} times");
        match result {
            Ok(report) => match report.outcome.fate() {
                Fate::Completed => {
                    assert_eq!((report.outcome, runs), (Outcome::Exited(0), 1));
                    exited += 1;
                }
                Fate::Unknown => lost += 1,
                Fate::NotSent => unreachable!("a report of a command that was not sent"),
            },
            Err(error) => {
                assert_eq!((error.fate(), runs), (Fate::NotSent, 0), "{error}");
                unsent += 1;
            }
        }
        if let Some(other) = other {
            answer(other).await.expect("an answer");
        }
        world.until_state("web", "ready").await;
        assert_eq!(site.host.runner.runs(&line), runs, "it ran afterwards");
    }
    // All kinds came up, or the moments are not those that matter. Unsent commands are sent on the next link.
    assert!(
        exited > 20 && lost > 20,
        "{exited} exited, {lost} lost, {unsent} unsent"
    );
}
