//! Bounds of a session: commands at once, waiting commands, and the fate of those that give up.

use std::time::Duration;

use mcp_ssh_sessions::actors::SessionError;
use mcp_ssh_sessions::actors::job::outcome::Outcome;
use mcp_ssh_sessions::actors::request::ExecRequest;
use mcp_ssh_sessions::error::{ErrorCode, Fate};
use mcp_ssh_sessions::limits::{JOBS_QUEUED_MAX, JOBS_RUNNING_MAX, WAIT_MAX};
use tokio::time::Instant;

use crate::world::{World, answer, command, settle};
use testkit::ssh_server::MemoryHost;

/// A host that allows more channels than a session ever uses.
async fn roomy() -> World {
    let host = MemoryHost::with(|options| options.max_sessions = 200);
    let world = World::with_host("web", host).await;
    world.connect("web").await;
    settle().await;
    world
}

fn patient(line: &str) -> ExecRequest {
    ExecRequest {
        wait: WAIT_MAX,
        ..command(line)
    }
}

#[tokio::test(start_paused = true)]
async fn as_many_as_the_limits_say_run_and_wait_and_one_more_is_refused() {
    let world = roomy().await;
    let runner = &world.web().host.runner;
    let line = "sleep 10000; echo done";
    let calls: Vec<_> = (0..JOBS_RUNNING_MAX + JOBS_QUEUED_MAX)
        .map(|_| world.start_run("web", patient(line)))
        .collect();
    runner.wait_live(JOBS_RUNNING_MAX).await;
    settle().await;
    assert_eq!(runner.live().len(), JOBS_RUNNING_MAX);
    let start = Instant::now();
    let error = world.exec("web", "echo one too many").await.unwrap_err();
    assert!(start.elapsed() < Duration::from_millis(10));
    assert!(
        matches!(error, SessionError::TooManyJobs { running, queued, .. }
            if (running, queued) == (JOBS_RUNNING_MAX, JOBS_QUEUED_MAX)),
        "{error}"
    );
    assert_eq!(
        (error.code(), error.fate()),
        (ErrorCode::LimitExceeded, Fate::NotSent)
    );
    assert!(error.is_retryable());
    assert_eq!(world.status("web").await.jobs.len(), JOBS_RUNNING_MAX);
    // Three rounds of ten seconds, and all of them have run.
    for call in calls {
        assert_eq!(answer(call).await.unwrap().outcome, Outcome::Exited(0));
    }
    assert!(
        start.elapsed() < Duration::from_secs(31),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(runner.runs(line), JOBS_RUNNING_MAX + JOBS_QUEUED_MAX);
    assert_eq!(runner.runs("echo one too many"), 0);
    world.output_of("web", "echo room again").await;
}

#[tokio::test(start_paused = true)]
async fn the_first_to_come_is_the_first_to_run() {
    let world = roomy().await;
    let runner = &world.web().host.runner;
    let mut busy: Vec<_> = (0..JOBS_RUNNING_MAX)
        .map(|n| world.start_run("web", patient(&format!("sleep {}", 1000 * (n + 1)))))
        .collect();
    runner.wait_live(JOBS_RUNNING_MAX).await;
    let waiting: Vec<_> = (0..5)
        .map(|n| world.start_run("web", patient(&format!("echo turn {n}; sleep 60000"))))
        .collect();
    settle().await;
    for n in 0..5 {
        answer(busy.remove(0)).await.unwrap();
        settle().await;
        for turn in 0..5 {
            let line = format!("echo turn {turn}; sleep 60000");
            assert_eq!(
                runner.runs(&line),
                usize::from(turn <= n),
                "turn {turn} after {n}"
            );
        }
    }
    drop(waiting);
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_its_turn_as_long_as_it_said() {
    let world = roomy().await;
    let runner = &world.web().host.runner;
    let _busy: Vec<_> = (0..JOBS_RUNNING_MAX)
        .map(|_| world.start_run("web", patient("hang")))
        .collect();
    runner.wait_live(JOBS_RUNNING_MAX).await;
    for seconds in [1, 5, 30] {
        let wait = Duration::from_secs(seconds);
        let call = ExecRequest {
            wait,
            ..command("echo never")
        };
        let start = Instant::now();
        let error = world.run("web", call).await.unwrap_err();
        assert!(
            matches!(
                error,
                SessionError::QueueTimeout {
                    running: JOBS_RUNNING_MAX,
                    ..
                }
            ),
            "{error}"
        );
        assert_eq!(
            (error.code(), error.fate()),
            (ErrorCode::LimitExceeded, Fate::NotSent)
        );
        let off = start.elapsed().abs_diff(wait);
        assert!(
            off < Duration::from_millis(100),
            "{:?} instead of {wait:?}",
            start.elapsed()
        );
    }
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(runner.runs("echo never"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_cancelled_commands_leave_room_for_the_next() {
    let world = World::new().await;
    world.connect("web").await;
    let runner = &world.web().host.runner;
    for round in 0..100 {
        let request = command("echo begun; hang");
        let cancel = request.cancel.clone();
        let call = world.start_run("web", request);
        runner.wait_live(1).await;
        cancel.cancel();
        let report = answer(call).await.unwrap();
        assert!(
            matches!(report.outcome, Outcome::Cancelled(_)),
            "{round}: {report:?}"
        );
        assert!(runner.live().is_empty(), "{round}");
    }
    assert_eq!(world.output_of("web", "echo room").await, "room\n");
    assert_eq!(runner.runs("echo begun; hang"), 100);
    assert_eq!(world.web().dials(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_command_frees_its_channel() {
    let host = MemoryHost::with(|options| options.max_sessions = 2);
    let world = World::with_host("web", host).await;
    world.connect("web").await;
    let runner = &world.web().host.runner;
    for _ in 0..10 {
        let request = patient("hang");
        let cancel = request.cancel.clone();
        let call = world.start_run("web", request);
        runner.wait_live(1).await;
        let next = world.start_run("web", patient("echo next"));
        settle().await;
        cancel.cancel();
        assert!(matches!(
            answer(call).await.unwrap().outcome,
            Outcome::Cancelled(_)
        ));
        assert_eq!(answer(next).await.unwrap().outcome, Outcome::Exited(0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_cancelled_in_the_queue_never_runs_and_takes_no_place() {
    let world = roomy().await;
    let runner = &world.web().host.runner;
    let busy: Vec<_> = (0..JOBS_RUNNING_MAX)
        .map(|_| world.start_run("web", patient("sleep 20000")))
        .collect();
    runner.wait_live(JOBS_RUNNING_MAX).await;
    for _ in 0..JOBS_QUEUED_MAX {
        let request = patient("echo cancelled");
        let cancel = request.cancel.clone();
        drop(world.start_run("web", request));
        settle().await;
        cancel.cancel();
    }
    let next = world.start_run("web", patient("echo next"));
    for call in busy {
        answer(call).await.unwrap();
    }
    let next = answer(next)
        .await
        .unwrap_or_else(|error| panic!("callers that are gone took its place: {error}"));
    assert_eq!(next.outcome, Outcome::Exited(0));
    assert_eq!(runner.runs("echo cancelled"), 0);
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_for_the_connection_are_bounded_too() {
    let world = World::new().await;
    world.connect("web").await;
    let site = world.web();
    site.drop_syn();
    site.host.link.cut();
    let calls: Vec<_> = (0..JOBS_QUEUED_MAX)
        .map(|_| world.start("web", "echo"))
        .collect();
    settle().await;
    let error = world.exec("web", "echo").await.unwrap_err();
    assert!(matches!(error, SessionError::TooManyJobs { .. }), "{error}");
    site.answer();
    for call in calls {
        assert!(answer(call).await.unwrap().reconnected);
    }
    assert_eq!(site.host.runner.runs("echo"), JOBS_QUEUED_MAX);
}
