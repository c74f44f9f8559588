//! Calls on a session that is not up: they dial at once, wait for the dial, and are all answered.

use std::time::Duration;

use mcp_ssh_sessions::actors::job::outcome::Outcome;
use mcp_ssh_sessions::actors::request::{ConnectRequest, ExecRequest};
use mcp_ssh_sessions::error::{ErrorCode, Fate};
use mcp_ssh_sessions::limits;
use tokio::time::Instant;

use crate::world::{World, answer, command, name, request, settle};
use testkit::virtually_bounded;

/// A session in backoff whose next dial is at least this far away.
async fn far_from_its_next_dial() -> World {
    let world = World::new().await;
    world.connect("web").await;
    let host = &world.web().host;
    host.refuse_connects(true);
    host.link.cut();
    let waiting = async {
        loop {
            settle().await;
            let next = world.status("web").await.next_attempt_in;
            if next.is_some_and(|next| next > Duration::from_secs(30)) {
                return;
            }
        }
    };
    virtually_bounded("a long delay", waiting).await;
    world
}

#[tokio::test(start_paused = true)]
async fn a_call_in_backoff_dials_at_once() {
    let world = far_from_its_next_dial().await;
    let site = world.web();
    site.host.refuse_connects(false);
    let (start, dials) = (Instant::now(), site.dials());
    let report = world.exec("web", "echo now").await.unwrap();
    assert!(report.reconnected);
    assert_eq!(report.outcome, Outcome::Exited(0));
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(
        (site.dials(), site.host.runner.runs("echo now")),
        (dials + 1, 1)
    );
    let status = world.status("web").await;
    assert_eq!((status.state.as_str(), status.reconnects), ("ready", 1));
    // The delay that was cut short ends without a dial of its own.
    tokio::time::sleep(limits::BACKOFF_MAX * 2).await;
    assert_eq!(site.dials(), dials + 1);
    assert!(!world.exec("web", "echo").await.unwrap().reconnected);
}

#[tokio::test(start_paused = true)]
async fn a_call_in_backoff_that_finds_nobody_is_told_when_the_next_dial_is() {
    let world = far_from_its_next_dial().await;
    let dials = world.web().dials();
    let error = world.exec("web", "echo").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ConnectFailed);
    assert_eq!(
        (error.state().map(|state| state.as_str()), error.fate()),
        (Some("backoff"), Fate::NotSent)
    );
    assert!(error.is_retryable());
    let next = world.status("web").await.next_attempt_in.unwrap();
    let told = error.retry_after().unwrap();
    assert!(
        told.abs_diff(next) < Duration::from_millis(100),
        "{told:?} {next:?}"
    );
    assert_eq!(world.web().dials(), dials + 1);
}

#[tokio::test(start_paused = true)]
async fn every_caller_of_a_dial_that_fails_is_answered() {
    let world = far_from_its_next_dial().await;
    let site = world.web();
    site.drop_syn();
    let dials = site.dials();
    let commands: Vec<_> = (0..10).map(|_| world.start("web", "echo never")).collect();
    settle().await;
    let connects: Vec<_> = (0..3)
        .map(|_| world.start_connect(request("web", "web")))
        .collect();
    let supervisor = world.supervisor.clone();
    let reconnect = tokio::spawn(async move { supervisor.reconnect(Some(name("web"))).await });
    settle().await;
    site.answer();
    for call in commands {
        let error = answer(call).await.unwrap_err();
        assert_eq!(
            (error.code(), error.fate()),
            (ErrorCode::ConnectFailed, Fate::NotSent)
        );
    }
    for call in connects.into_iter().chain([reconnect]) {
        assert_eq!(
            answer(call).await.unwrap_err().code(),
            ErrorCode::ConnectFailed
        );
    }
    assert_eq!(
        (site.dials(), site.host.runner.total_runs()),
        (dials + 1, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_as_long_as_a_connect_may_take() {
    let world = far_from_its_next_dial().await;
    world.web().drop_syn();
    let start = Instant::now();
    let error = world.exec("web", "echo").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::TimedOut, "{error}");
    let off = start.elapsed().abs_diff(limits::CONNECT_TIMEOUT_DEFAULT);
    assert!(off < Duration::from_millis(100), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_connect_timeout_of_the_session_is_that_of_its_calls() {
    let world = World::new().await;
    let quick = ConnectRequest {
        connect_timeout: Some(Duration::from_secs(3)),
        ..request("web", "web")
    };
    world.ask(quick).await.unwrap();
    let site = world.web();
    site.drop_syn();
    site.host.link.cut();
    let start = Instant::now();
    assert!(world.exec("web", "echo").await.is_err());
    let off = start.elapsed().abs_diff(Duration::from_secs(3));
    assert!(off < Duration::from_millis(100), "{:?}", start.elapsed());
}

/// The wait of a call does not cut its connect short: the command is sent, and goes on as a job.
#[tokio::test(start_paused = true)]
async fn a_command_whose_connect_outlasts_its_wait_is_handed_over() {
    let world = World::new().await;
    world.connect("web").await;
    world.disconnect("web").await;
    let site = world.web();
    site.host.link.set_delay(Duration::from_millis(200));
    let impatient = ExecRequest {
        wait: Duration::from_millis(500),
        ..command("echo late")
    };
    let start = Instant::now();
    let report = world.run("web", impatient).await.unwrap();
    assert!(start.elapsed() < limits::CONNECT_TIMEOUT_DEFAULT);
    assert_eq!(report.outcome, Outcome::Running);
    let job = report.record.expect("a job");
    virtually_bounded("its end", job.wait_ended()).await;
    assert_eq!(job.report().unwrap().outcome, Outcome::Exited(0));
    assert_eq!(site.host.runner.runs("echo late"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_session_refuses_calls_without_a_dial() {
    let world = World::new().await;
    world.connect("web").await;
    let site = world.web();
    site.host
        .set_host_key(mcp_ssh_sessions::demo::generate_key());
    site.host.link.cut();
    world.until_state("web", "failed").await;
    let dials = site.dials();
    for _ in 0..5 {
        let error = world.exec("web", "echo").await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::HostKeyChanged);
        assert_eq!(
            (
                error.state().map(|state| state.as_str()),
                error.is_retryable()
            ),
            (Some("failed"), false)
        );
        assert_eq!(error.fate(), Fate::NotSent);
    }
    assert_eq!(site.dials(), dials);
}

/// A caller that has given up is not worth a dial, and its command is not run when the link is back.
#[tokio::test(start_paused = true)]
async fn a_call_that_was_cancelled_while_it_waited_does_not_run() {
    let world = far_from_its_next_dial().await;
    let site = world.web();
    site.drop_syn();
    let request = command("echo cancelled");
    let cancel = request.cancel.clone();
    let cancelled = world.start_run("web", request);
    let other = world.start("web", "echo wanted");
    settle().await;
    cancel.cancel();
    site.host.refuse_connects(false);
    site.answer();
    assert!(answer(other).await.unwrap().reconnected);
    assert!(answer(cancelled).await.is_err());
    let runner = &site.host.runner;
    assert_eq!(
        (runner.runs("echo cancelled"), runner.runs("echo wanted")),
        (0, 1)
    );
}
