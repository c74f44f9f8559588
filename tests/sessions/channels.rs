//! The channels of a connection: one opened ahead, and servers that allow only a few.

use std::time::Duration;

use mcp_ssh_sessions::actors::job::outcome::Outcome;
use mcp_ssh_sessions::actors::request::ExecRequest;
use mcp_ssh_sessions::error::{ErrorCode, Fate};
use mcp_ssh_sessions::limits;
use tokio::time::Instant;

use crate::world::{World, answer, command, settle};
use testkit::ssh_server::MemoryHost;
use testkit::virtually_bounded;

const ONE_WAY: Duration = Duration::from_millis(25);
const ROUND_TRIP: Duration = Duration::from_millis(50);

async fn with_sessions(max: usize) -> World {
    let host = MemoryHost::with(|options| options.max_sessions = max);
    let world = World::with_host("web", host).await;
    world.connect("web").await;
    world
}

fn patient(line: &str) -> ExecRequest {
    ExecRequest {
        wait: limits::WAIT_MAX,
        ..command(line)
    }
}

#[tokio::test(start_paused = true)]
async fn a_warm_command_costs_one_round_trip() {
    let world = World::new().await;
    world.connect("web").await;
    settle().await;
    world.web().host.link.set_delay(ONE_WAY);
    for round in 0..10 {
        let start = Instant::now();
        assert_eq!(world.output_of("web", "echo near").await, "near\n");
        let took = start.elapsed();
        assert!(took >= ROUND_TRIP, "faster than light: {took:?}");
        assert!(took <= ROUND_TRIP.mul_f64(1.2), "round {round}: {took:?}");
        // Calls of an agent are further apart than a round trip, in which the next channel is opened.
        tokio::time::sleep(ROUND_TRIP * 2).await;
    }
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let start = Instant::now();
    world.output_of("web", "echo near").await;
    assert!(
        start.elapsed() <= ROUND_TRIP.mul_f64(1.2),
        "after an idle hour: {:?}",
        start.elapsed()
    );
}

/// The first command after a connect finds the spare channel on its way at worst.
#[tokio::test(start_paused = true)]
async fn a_command_right_behind_another_costs_no_more_than_two_round_trips() {
    let world = World::new().await;
    world.connect("web").await;
    settle().await;
    world.web().host.link.set_delay(ONE_WAY);
    for _ in 0..10 {
        let start = Instant::now();
        world.output_of("web", "echo").await;
        assert!(
            start.elapsed() <= ROUND_TRIP.mul_f64(2.2),
            "{:?}",
            start.elapsed()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_session_holds_one_channel() {
    let world = World::new().await;
    world.connect("web").await;
    let host = &world.web().host;
    settle().await;
    assert_eq!(host.channels(), 1, "opened ahead of the first command");
    for _ in 0..20 {
        world.output_of("web", "echo").await;
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(host.channels(), 22, "one for each, two ahead");
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(host.channels(), 22);
    world.output_of("web", "echo").await;
    settle().await;
    assert_eq!(host.channels(), 24, "one had been closed");
}

#[tokio::test(start_paused = true)]
async fn commands_beyond_the_servers_bound_queue_and_are_served() {
    for max in [1, 2, 3, 10] {
        let world = with_sessions(max).await;
        let runner = &world.web().host.runner;
        let calls: Vec<_> = (0..20)
            .map(|_| world.start_run("web", patient("sleep 500; echo served")))
            .collect();
        let watching = {
            let runner = std::sync::Arc::clone(runner);
            tokio::spawn(async move {
                let mut most = 0;
                while runner.runs("sleep 500; echo served") < 20 {
                    most = most.max(runner.live().len());
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                most
            })
        };
        for (n, call) in calls.into_iter().enumerate() {
            let report = answer(call).await;
            let report = report.unwrap_or_else(|error| {
                panic!("command {n} of a server that allows {max}: {error}")
            });
            assert_eq!(report.outcome, Outcome::Exited(0));
        }
        let most = answer(watching).await;
        assert!(most <= max, "{most} of {max}");
        assert!(
            most + 1 >= max,
            "no more than {most} at once where {max} are allowed"
        );
        assert_eq!(runner.runs("sleep 500; echo served"), 20);
        assert_eq!(world.web().dials(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_allows_one_channel_serves_one_command_after_the_other() {
    let world = with_sessions(1).await;
    for n in 0..20 {
        let report = world.exec("web", &format!("echo {n}")).await;
        let report = report.unwrap_or_else(|error| panic!("command {n}: {error}"));
        assert_eq!(report.outcome, Outcome::Exited(0));
    }
}

/// The first command is asked for before the spare channel is there.
#[tokio::test(start_paused = true)]
async fn the_spare_channel_does_not_take_the_only_one() {
    let host = MemoryHost::with(|options| options.max_sessions = 1);
    let world = World::with_host("web", host).await;
    world.connect("web").await;
    world.disconnect("web").await;
    world.web().host.link.set_delay(ONE_WAY);
    let report = world.exec("web", "echo first").await.unwrap();
    assert_eq!(report.outcome, Outcome::Exited(0));
}

#[tokio::test(start_paused = true)]
async fn a_command_that_gets_no_channel_in_time_is_told_why() {
    let world = with_sessions(2).await;
    let runner = &world.web().host.runner;
    let _busy: Vec<_> = (0..2)
        .map(|_| world.start_run("web", patient("hang")))
        .collect();
    settle().await;
    assert!(!runner.live().is_empty());
    let start = Instant::now();
    let assert_took = |expected: Duration| {
        let off = start.elapsed().abs_diff(expected);
        assert!(off < Duration::from_millis(600), "{:?}", start.elapsed());
    };
    // It waits longer than its caller, as a job that has not begun.
    let wait = Duration::from_secs(5);
    let request = ExecRequest {
        wait,
        ..command("echo never")
    };
    let report = world.run("web", request).await.unwrap();
    assert_took(wait);
    assert_eq!(report.outcome, Outcome::Running);
    let job = report.record.expect("a job");
    assert!(!job.is_sent());
    // The time of the command itself is over.
    let timeout = Duration::from_secs(3);
    let request = ExecRequest {
        timeout: Some(timeout),
        ..patient("echo never")
    };
    let error = world.run("web", request).await.unwrap_err();
    assert_took(wait + timeout);
    assert_eq!(
        (error.code(), error.fate()),
        (ErrorCode::TimedOut, Fate::NotSent)
    );
    assert!(error.to_string().contains("no free channel"), "{error}");
    // A channel is waited for as long as a client would wait for its call.
    virtually_bounded("the end of the job", job.wait_ended()).await;
    assert_took(limits::WAIT_MAX);
    let error = job.report().unwrap_err();
    assert_eq!(
        (error.code(), error.fate()),
        (ErrorCode::LimitExceeded, Fate::NotSent)
    );
    assert!(error.is_retryable());
    assert!(error.to_string().contains("MaxSessions"), "{error}");
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(runner.runs("echo never"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_without_session_channels_is_told_at_once() {
    let world = with_sessions(0).await;
    let start = Instant::now();
    let error = world.exec("web", "echo").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unsupported, "{error}");
    assert!(!error.is_retryable());
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(world.state("web").await, "ready");
}
