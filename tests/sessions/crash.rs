//! A defect in one session, played by a fail point: restarted within an intensity, parked beyond it, and no
//! other session harmed.

use std::sync::Arc;
use std::time::Duration;

use mcp_ssh_sessions::actors::SessionError;
use mcp_ssh_sessions::actors::request::ExecRequest;
use mcp_ssh_sessions::error::{ErrorCode, Fate};
use mcp_ssh_sessions::limits;

use crate::world::{World, answer, command, name, request, request_with_password, settle};
use testkit::ssh_server::MemoryHost;
use testkit::virtually_bounded;

const PASSWORD: &str = "correct horse battery staple";

async fn two() -> World {
    let world = World::with_hosts(&["web", "db"]).await;
    world.connect("web").await;
    world.connect("db").await;
    world
}

async fn crash(world: &World, session: &str) {
    let session = name(session);
    virtually_bounded("a crash", world.supervisor.crash(&session)).await;
    settle().await;
}

async fn park(world: &World, session: &str) {
    for _ in 0..=limits::RESTART_INTENSITY {
        crash(world, session).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_callers_of_a_session_that_crashes_are_answered() {
    let world = two().await;
    let site = world.web();
    let running = world.start("web", "hang");
    site.host.runner.wait_live(1).await;
    crash(&world, "web").await;
    let error = answer(running).await.unwrap_err();
    assert_eq!(
        (error.code(), error.fate()),
        (ErrorCode::Internal, Fate::Unknown),
        "{error}"
    );
    assert!(error.to_string().contains("was not run again"), "{error}");
    // The commands of the session are ended, and the connection goes.
    site.host.runner.wait_live(0).await;
    settle().await;
    assert_eq!(site.host.link.live(), 0);
}

/// Nobody is left waiting for a job that has no actor any more.
#[tokio::test(start_paused = true)]
async fn the_jobs_of_a_session_that_crashes_end_with_it() {
    let world = two().await;
    let request = ExecRequest {
        wait: Duration::from_secs(1),
        ..command("hang")
    };
    let job = world.run("web", request).await.unwrap().record.unwrap();
    let waiting = {
        let job = Arc::clone(&job);
        tokio::spawn(async move { job.wait_ended().await })
    };
    settle().await;
    crash(&world, "web").await;
    answer(waiting).await;
    let error = job.report().unwrap_err();
    assert_eq!(
        (error.code(), error.fate()),
        (ErrorCode::Internal, Fate::Unknown)
    );
    world.web().host.runner.wait_live(0).await;
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_for_a_connect_are_answered_too() {
    let world = two().await;
    let site = world.web();
    site.drop_syn();
    site.host.link.cut();
    world.until_state("web", "connecting").await;
    let connect = world.start_connect(request("web", "web"));
    let command = world.start("web", "echo never");
    settle().await;
    crash(&world, "web").await;
    assert_eq!(
        answer(connect).await.unwrap_err().code(),
        ErrorCode::Internal
    );
    assert_eq!(
        answer(command).await.unwrap_err().code(),
        ErrorCode::Internal
    );
    site.answer();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(site.host.runner.total_runs(), 0);
    assert_eq!(
        site.host.link.live(),
        0,
        "the dial of a session that is gone"
    );
}

#[tokio::test(start_paused = true)]
async fn a_session_that_crashed_is_started_anew() {
    let world = two().await;
    crash(&world, "web").await;
    let status = world.status("web").await;
    assert_eq!(
        (status.state.as_str(), status.host.as_str()),
        ("saved", "web")
    );
    let report = world.exec("web", "echo back").await.unwrap();
    assert!(report.reconnected);
    assert_eq!(world.state("web").await, "ready");
    assert!(world.connect("web").await.reused);
}

#[tokio::test(start_paused = true)]
async fn the_others_still_answer() {
    let world = two().await;
    let db = world.site("db");
    let running = world.start("db", "sleep 5000; echo unharmed");
    db.host.runner.wait_live(1).await;
    park(&world, "web").await;
    assert_eq!(world.output_of("db", "echo here").await, "here\n");
    let report = answer(running).await.unwrap();
    assert_eq!(report.outcome.as_str(), "exited");
    assert_eq!((world.state("db").await, db.dials()), ("ready", 1));
    crash(&world, "db").await;
    assert_eq!(
        world.output_of("db", "echo restarted").await,
        "restarted\n",
        "counted by itself"
    );
}

#[tokio::test(start_paused = true)]
async fn more_crashes_than_the_intensity_park_a_session() {
    let world = two().await;
    for _ in 0..limits::RESTART_INTENSITY {
        crash(&world, "web").await;
        world.exec("web", "echo mended").await.unwrap();
    }
    crash(&world, "web").await;
    let dials = world.web().dials();
    let errors = [
        world.exec("web", "echo").await.unwrap_err(),
        world.reconnect("web").await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, SessionError::Parked(_)), "{error}");
        assert_eq!(
            (error.code(), error.state().map(|state| state.as_str())),
            (ErrorCode::NotConnected, Some("failed"))
        );
    }
    let status = world.status("web").await;
    assert_eq!(status.state.as_str(), "failed");
    assert!(status.last_error.unwrap().contains("failed too often"));
    assert_eq!(
        status.host, "web",
        "what it is a session of is still worth a word"
    );
    tokio::time::sleep(limits::RESTART_PERIOD * 10).await;
    assert_eq!(
        (world.state("web").await, world.web().dials()),
        ("failed", dials)
    );
}

#[tokio::test(start_paused = true)]
async fn crashes_that_are_rare_are_mended_for_ever() {
    let world = two().await;
    for _ in 0..10 {
        crash(&world, "web").await;
        world.exec("web", "echo mended").await.unwrap();
        tokio::time::sleep(limits::RESTART_PERIOD / 2).await;
    }
    assert_eq!(world.state("web").await, "ready");
}

#[tokio::test(start_paused = true)]
async fn connecting_anew_revives_a_parked_session() {
    let world = two().await;
    park(&world, "web").await;
    assert_eq!(world.state("web").await, "failed");
    assert!(!world.connect("web").await.reused);
    assert_eq!(world.output_of("web", "echo alive").await, "alive\n");
    // With its intensity whole again.
    for _ in 0..limits::RESTART_INTENSITY {
        crash(&world, "web").await;
    }
    world.exec("web", "echo").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_parked_session_can_be_disconnected_and_forgotten() {
    let world = two().await;
    park(&world, "web").await;
    let report = world.disconnect("web").await;
    assert!(!report.forgotten);
    assert_eq!(world.state("web").await, "saved");
    park(&world, "db").await;
    assert!(world.forget("db").await.forgotten);
    assert!(
        world
            .list()
            .await
            .sessions
            .iter()
            .all(|status| status.session != name("db"))
    );
}

/// The name was given to another host meanwhile. A restart must not take it back to the first one.
#[tokio::test(start_paused = true)]
async fn a_session_that_crashed_still_means_the_same_host() {
    let world = two().await;
    world.disconnect("web").await;
    world.ask(request("web", "db")).await.unwrap();
    crash(&world, "web").await;
    assert_eq!(world.status("web").await.host, "db");
    world.output_of("web", "echo where").await;
    assert_eq!(
        world.web().host.runner.total_runs(),
        0,
        "it ran on another host"
    );
    assert_eq!(world.site("db").host.runner.runs("echo where"), 1);
}

/// A name that was a key session's at first, and is a password session's when it crashes.
#[tokio::test(start_paused = true)]
async fn a_password_session_that_crashed_says_that_it_needs_its_password() {
    let host = MemoryHost::with(|options| options.password = Some(PASSWORD.to_owned()));
    let world = World::with_host("web", host).await;
    world.connect("web").await;
    world.disconnect("web").await;
    let site = world.web();
    site.configure(|resolved| resolved.identity_files.clear());
    let by_password = request_with_password("web", PASSWORD);
    assert_eq!(world.ask(by_password).await.unwrap().auth, "password");
    let (dials, attempts) = (site.dials(), site.host.auth_attempts());
    crash(&world, "web").await;
    let error = world.exec("web", "echo").await.unwrap_err();
    assert!(matches!(error, SessionError::PasswordNeeded(_)), "{error}");
    assert_eq!((site.dials(), site.host.auth_attempts()), (dials, attempts));
}

/// A session that was never up leaves nothing behind, whoever is to blame.
#[tokio::test(start_paused = true)]
async fn a_first_connect_that_crashes_leaves_nothing_behind() {
    let world = World::new().await;
    let site = world.web();
    site.drop_syn();
    let connect = world.start_connect(request("web", "web"));
    settle().await;
    crash(&world, "web").await;
    assert_eq!(
        answer(connect).await.unwrap_err().code(),
        ErrorCode::Internal
    );
    assert!(world.list().await.sessions.is_empty());
    site.answer();
    world.connect("web").await;
}

/// Commands that wait in the session during a crash were not sent: nothing of them runs later.
#[tokio::test(start_paused = true)]
async fn waiting_commands_do_not_run_after_a_crash() {
    let host = MemoryHost::with(|options| options.max_sessions = 100);
    let world = World::with_host("web", host).await;
    world.connect("web").await;
    let calls: Vec<_> = (0..60).map(|_| world.start("web", "hang")).collect();
    let runner = &world.web().host.runner;
    runner.wait_live(limits::JOBS_RUNNING_MAX).await;
    crash(&world, "web").await;
    for call in calls {
        assert_eq!(answer(call).await.unwrap_err().code(), ErrorCode::Internal);
    }
    runner.wait_live(0).await;
    assert_eq!(runner.runs("hang"), limits::JOBS_RUNNING_MAX);
}
