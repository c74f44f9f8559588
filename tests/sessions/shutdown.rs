//! The end of the process: within its bound, with the hosts told, and with every caller answered.

use std::time::Duration;

use mcp_ssh_sessions::actors::SessionError;
use mcp_ssh_sessions::actors::job::outcome::Outcome;
use mcp_ssh_sessions::error::{ErrorCode, Fate};
use mcp_ssh_sessions::limits;
use tokio::time::Instant;

use crate::shell_host::ShellRunner;
use crate::world::{ExecResult, World, answer, request, settle};
use testkit::ssh_server::MemoryHost;
use testkit::virtually_bounded;

async fn shut_down(world: &World) {
    let start = Instant::now();
    virtually_bounded("the end", world.supervisor.shut_down()).await;
    let took = start.elapsed();
    let limit = limits::SHUTDOWN_TIMEOUT + Duration::from_millis(50);
    assert!(took <= limit, "{took:?}");
}

/// A command that was sent may have been ended, lost or cut off; that it was is said, one way or another.
fn assert_told(result: ExecResult) {
    match result {
        Ok(report) => assert!(
            matches!(
                report.outcome,
                Outcome::ConnectionLost(_) | Outcome::Cancelled(_) | Outcome::Signaled(_)
            ),
            "{report:?}"
        ),
        Err(error) => assert_eq!(error.fate(), Fate::Unknown, "{error}"),
    }
}

#[tokio::test(start_paused = true)]
async fn ends_what_runs_on_every_host() {
    let world = World::with_hosts(&["web", "db"]).await;
    let runners = [
        ShellRunner::at(&world.web()),
        ShellRunner::at(&world.site("db")),
    ];
    let mut calls = Vec::new();
    for (host, runner) in ["web", "db"].into_iter().zip(&runners) {
        world.connect(host).await;
        calls.extend((0..3).map(|_| world.start(host, "hang-stubborn")));
        runner.scripts.wait_live(3).await;
    }
    settle().await;
    shut_down(&world).await;
    // The host has begun, and goes on by itself: all of it within the second that there is.
    tokio::time::sleep(Duration::from_millis(700)).await;
    for runner in &runners {
        assert!(
            runner.scripts.live().is_empty(),
            "{:?}",
            runner.scripts.live()
        );
    }
    for call in calls {
        assert_told(answer(call).await);
    }
    settle().await;
    assert_eq!(
        (
            world.web().host.link.live(),
            world.site("db").host.link.live()
        ),
        (0, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn ends_what_runs_on_a_host_without_a_shell() {
    let world = World::new().await;
    world.connect("web").await;
    // Within the time that there is, no more than INT can be sent to each.
    let calls: Vec<_> = (0..3).map(|_| world.start("web", "hang")).collect();
    let runner = &world.web().host.runner;
    runner.wait_live(3).await;
    settle().await;
    shut_down(&world).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(
        runner.live().is_empty(),
        "{:?} were left behind",
        runner.live()
    );
    for call in calls {
        assert_told(answer(call).await);
    }
}

#[tokio::test(start_paused = true)]
async fn ends_what_runs_on_a_host_that_has_no_channel_left() {
    let host = MemoryHost::with(|options| options.max_sessions = 1);
    let world = World::with_host("web", host).await;
    world.connect("web").await;
    let calls = vec![world.start("web", "hang")];
    let runner = &world.web().host.runner;
    runner.wait_live(1).await;
    settle().await;
    shut_down(&world).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(
        runner.live().is_empty(),
        "{:?} were left behind",
        runner.live()
    );
    for call in calls {
        assert_told(answer(call).await);
    }
}

#[tokio::test(start_paused = true)]
async fn is_bounded_whatever_the_hosts_do() {
    let world = World::with_hosts(&["silent", "deaf", "unreachable", "waiting"]).await;
    for host in ["silent", "deaf", "unreachable"] {
        world.connect(host).await;
    }
    let mut calls: Vec<_> = ["silent", "deaf"]
        .into_iter()
        .map(|host| world.start(host, "hang"))
        .collect();
    world.site("silent").host.runner.wait_live(1).await;
    world.site("deaf").host.runner.wait_live(1).await;
    settle().await;
    world.site("silent").host.link.stall();
    world.site("deaf").clog();
    world.site("unreachable").drop_syn();
    world.site("unreachable").host.link.cut();
    world.site("waiting").drop_syn();
    calls.push(world.start("unreachable", "echo never"));
    let connect = world.start_connect(request("waiting", "waiting"));
    settle().await;
    shut_down(&world).await;
    for call in calls {
        let start = Instant::now();
        let _ = answer(call).await;
        assert!(
            start.elapsed() < Duration::from_millis(100),
            "{:?}",
            start.elapsed()
        );
    }
    assert!(answer(connect).await.is_err());
    settle().await;
    assert_eq!(world.site("waiting").waiting(), 0, "a dial goes on");
    assert_eq!(world.site("unreachable").waiting(), 0, "a dial goes on");
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_are_told_that_it_ends() {
    let world = World::new().await;
    world.connect("web").await;
    let site = world.web();
    site.drop_syn();
    site.host.link.cut();
    world.until_state("web", "connecting").await;
    let command = world.start("web", "echo never");
    let connect = world.start_connect(request("web", "web"));
    settle().await;
    shut_down(&world).await;
    let errors = [
        answer(command).await.unwrap_err(),
        answer(connect).await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, SessionError::ShuttingDown), "{error}");
        assert_eq!(
            (error.code(), error.fate()),
            (ErrorCode::NotConnected, Fate::NotSent)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_come_afterwards_are_refused_and_dial_nobody() {
    let world = World::new().await;
    world.connect("web").await;
    shut_down(&world).await;
    let errors = [
        world.exec("web", "echo").await.unwrap_err(),
        world.reconnect("web").await.unwrap_err(),
        world.ask(request("web", "web")).await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, SessionError::ShuttingDown), "{error}");
    }
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(
        (world.web().dials(), world.web().host.runner.total_runs()),
        (1, 0)
    );
    // A second end is as good as the first.
    shut_down(&world).await;
}

#[tokio::test(start_paused = true)]
async fn idle_sessions_are_hung_up_at_once() {
    let world = World::with_hosts(&["web", "db"]).await;
    world.connect("web").await;
    world.connect("db").await;
    settle().await;
    let start = Instant::now();
    shut_down(&world).await;
    assert!(
        start.elapsed() < Duration::from_millis(50),
        "{:?}",
        start.elapsed()
    );
    settle().await;
    assert_eq!(
        (
            world.web().host.link.live(),
            world.site("db").host.link.live()
        ),
        (0, 0)
    );
    assert_eq!(
        world.web().host.runner.total_runs(),
        0,
        "there was nothing to end"
    );
}
