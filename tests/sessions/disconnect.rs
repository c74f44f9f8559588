//! `ssh_disconnect`: jobs that end, callers that are answered, and nothing comes back by itself.

use std::time::Duration;

use mcp_ssh_sessions::actors::SessionError;
use mcp_ssh_sessions::actors::job::outcome::Outcome;
use mcp_ssh_sessions::error::{ErrorCode, Fate};
use mcp_ssh_sessions::limits;
use mcp_ssh_sessions::ssh::ending::Signal;
use tokio::time::Instant;

use crate::world::{World, answer, name, request, settle, stdout};

#[tokio::test(start_paused = true)]
async fn ends_the_jobs_and_names_them() {
    let world = World::new().await;
    world.connect("web").await;
    let site = world.web();
    let calls: Vec<_> = (0..3)
        .map(|_| world.start("web", "echo begun; hang"))
        .collect();
    site.host.runner.wait_live(3).await;
    settle().await;
    let report = world.disconnect("web").await;
    assert_eq!(report.ended_jobs, ["web-1", "web-2", "web-3"]);
    assert!(
        site.host.runner.live().is_empty(),
        "they are gone when the answer comes"
    );
    for call in calls {
        let report = answer(call).await.unwrap();
        assert!(
            matches!(&report.outcome, Outcome::Cancelled(Some(kill)) if kill.signal == Signal::Int),
            "{report:?}"
        );
        assert_eq!(stdout(&report), "begun\n");
    }
    settle().await;
    assert_eq!(site.host.link.live(), 0);
    assert!(world.status("web").await.jobs.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_job_that_does_not_die_does_not_hold_it_up_for_ever() {
    let world = World::new().await;
    world.connect("web").await;
    let site = world.web();
    let call = world.start("web", "hang");
    site.host.runner.wait_live(1).await;
    site.host.link.stall();
    let start = Instant::now();
    let report = world.disconnect("web").await;
    assert_eq!(report.ended_jobs, ["web-1"]);
    let limit = limits::KILL_TIMEOUT + Duration::from_secs(2);
    assert!(start.elapsed() < limit, "{:?}", start.elapsed());
    let outcome = answer(call).await.unwrap().outcome;
    assert_eq!(outcome.fate(), Fate::Unknown, "{outcome:?}");
    assert_eq!(world.state("web").await, "saved");
}

#[tokio::test(start_paused = true)]
async fn callers_that_wait_for_the_connection_are_answered_at_once() {
    let world = World::new().await;
    world.connect("web").await;
    let site = world.web();
    site.drop_syn();
    site.host.link.cut();
    world.until_state("web", "connecting").await;
    let command = world.start("web", "echo never");
    let connect = world.start_connect(request("web", "web"));
    settle().await;
    let start = Instant::now();
    world.disconnect("web").await;
    let error = answer(command).await.unwrap_err();
    assert!(
        matches!(
            error,
            SessionError::Ended {
                fate: Fate::NotSent,
                ..
            }
        ),
        "{error}"
    );
    let error = answer(connect).await.unwrap_err();
    assert!(matches!(error, SessionError::Ended { .. }), "{error}");
    assert!(
        start.elapsed() < Duration::from_millis(10),
        "{:?}",
        start.elapsed()
    );
    site.answer();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(site.host.runner.total_runs(), 0);
    assert_eq!(world.state("web").await, "saved");
}

#[tokio::test(start_paused = true)]
async fn commands_that_wait_for_their_turn_do_not_run_afterwards() {
    let world = World::new().await;
    world.connect("web").await;
    let site = world.web();
    site.host.link.set_delay(Duration::from_millis(20));
    let calls: Vec<_> = (0..60)
        .map(|n| world.start("web", &format!("hang {n}")))
        .collect();
    settle().await;
    world.disconnect("web").await;
    for call in calls {
        match answer(call).await {
            Ok(report) => assert!(
                matches!(report.outcome, Outcome::Cancelled(_)),
                "{report:?}"
            ),
            Err(error) => assert_eq!(error.fate(), Fate::NotSent, "{error}"),
        }
    }
    let runs = site.host.runner.total_runs();
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!((site.host.runner.total_runs(), site.dials()), (runs, 1));
    assert_eq!(world.state("web").await, "saved");
}

/// A command that was not sent when the link was cut goes back to its session. If that was disconnected in
/// the same moment, the command is over, and dials nobody.
#[tokio::test(start_paused = true)]
async fn a_command_that_comes_back_unsent_does_not_connect_a_disconnected_session() {
    for moment in 0..40 {
        let world = World::new().await;
        world.connect("web").await;
        let site = world.web();
        site.host.link.set_delay(Duration::from_millis(100));
        let _first = world.start("web", "hang");
        tokio::task::yield_now().await;
        let call = world.start("web", "echo unsent");
        tokio::time::sleep(Duration::from_millis(50)).await;
        let supervisor = world.supervisor.clone();
        let disconnect =
            tokio::spawn(async move { supervisor.disconnect(Some(name("web")), false).await });
        site.host.link.cut();
        for _ in 0..moment {
            tokio::task::yield_now().await;
        }
        answer(disconnect).await.unwrap();
        let after = world.state("web").await;
        if let Ok(report) = answer(call).await {
            panic!("at {moment}: it ran after all: {report:?}");
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(
            (after, world.state("web").await),
            ("saved", "saved"),
            "at {moment}"
        );
        assert_eq!(site.host.runner.runs("echo unsent"), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_only_saved_can_be_disconnected_and_forgotten() {
    let world = World::new().await;
    world.connect("web").await;
    let other = world.another_process().await;
    let report = other.disconnect("web").await;
    assert!(!report.forgotten && report.ended_jobs.is_empty());
    assert_eq!(other.state("web").await, "saved");
    let report = other.forget("web").await;
    assert!(report.forgotten && report.notes.is_empty(), "{report:?}");
    assert!(other.list().await.sessions.is_empty());
    assert!(other.stored().sessions.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_session_can_be_connected_anew() {
    let world = World::new().await;
    world.connect("web").await;
    let call = world.start("web", "hang");
    world.web().host.runner.wait_live(1).await;
    let report = world.forget("web").await;
    assert!(report.forgotten);
    assert_eq!(report.ended_jobs, ["web-1"]);
    assert!(matches!(
        answer(call).await.unwrap().outcome,
        Outcome::Cancelled(_)
    ));
    let error = world.exec("web", "echo").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::NoSuchSession);
    assert!(!world.connect("web").await.reused);
    assert_eq!(world.output_of("web", "echo anew").await, "anew\n");
    assert_eq!(world.status("web").await.reconnects, 0);
}
