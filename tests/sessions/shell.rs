//! The session's shell on a paused clock: who waits for how long.

use std::sync::Arc;
use std::time::Duration;

use mcp_ssh_sessions::actors::SessionError;
use mcp_ssh_sessions::actors::job::outcome::Outcome;
use mcp_ssh_sessions::actors::job::report::CommandReport;
use mcp_ssh_sessions::actors::request::ExecRequest;
use mcp_ssh_sessions::error::{ErrorCode, Fate};
use mcp_ssh_sessions::limits::{
    KILL_TIMEOUT, SHELL_LOOK_AFTER, SHELL_RETURN_TIMEOUT, SHELL_START_TIMEOUT,
};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::framed_shell::FramedHost;
use crate::world::{ExecResult, World, answer, command, name, settle, stdout};
use testkit::virtually_bounded;

fn start(world: &World, request: ExecRequest) -> JoinHandle<ExecResult> {
    let supervisor = world.supervisor.clone();
    tokio::spawn(async move { supervisor.shell(Some(name("web")), request).await })
}

async fn run(world: &World, request: ExecRequest) -> (ExecResult, Duration) {
    let began = Instant::now();
    let running = world.supervisor.shell(Some(name("web")), request);
    let result = virtually_bounded("a command of the shell", running).await;
    (result, began.elapsed())
}

async fn must(world: &World, line: &str) -> CommandReport {
    let (result, _) = run(world, command(line)).await;
    result.unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn waiting(line: &str, wait: Duration) -> ExecRequest {
    ExecRequest {
        wait,
        ..command(line)
    }
}

#[track_caller]
fn assert_about(took: Duration, expected: Duration) {
    let off = took.abs_diff(expected);
    assert!(
        off < Duration::from_millis(400),
        "{took:?} instead of {expected:?}"
    );
}

/// A session with a host that runs shells.
async fn framed() -> (World, Arc<FramedHost>) {
    let world = World::new().await;
    let host = FramedHost::at(&world.web());
    world.connect("web").await;
    (world, host)
}

#[tokio::test(start_paused = true)]
async fn commands_run_in_one_shell() {
    let (world, host) = framed().await;
    for _ in 0..5 {
        let report = must(&world, "echo hi").await;
        assert_eq!(report.outcome, Outcome::Exited(0));
        assert_eq!(stdout(&report), "hi\n");
        let facts = report.shell.expect("of a shell");
        assert_eq!((facts.generation, facts.restarted), (1, false));
        assert_eq!(facts.cwd.as_deref(), Some("/home"));
    }
    assert_eq!(host.shells(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_says_nothing_is_waited_for_as_long_as_a_shell_may_take() {
    let (world, host) = framed().await;
    host.be_silent(true);
    let (result, took) = run(&world, command("echo no")).await;
    let error = result.expect_err("there is no shell");
    assert_eq!(
        (error.code(), error.fate()),
        (ErrorCode::Unsupported, Fate::NotSent)
    );
    assert!(took >= SHELL_START_TIMEOUT, "{took:?}");
    assert!(
        took < SHELL_START_TIMEOUT + KILL_TIMEOUT + Duration::from_secs(10),
        "{took:?}"
    );
    host.be_silent(false);
    assert_eq!(stdout(&must(&world, "echo yes").await), "yes\n");
    assert_eq!(host.ran(), ["echo yes"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_its_command_as_long_as_it_said() {
    let (world, _host) = framed().await;
    must(&world, "echo up").await;
    let wait = Duration::from_secs(3);
    let (result, took) = run(&world, waiting("sleep 10000", wait)).await;
    let report = result.unwrap();
    assert_eq!(report.outcome, Outcome::Running);
    assert_about(took, wait);
    // The next one waits its turn, which comes after seven more seconds.
    let (result, took) = run(&world, waiting("echo next", Duration::from_secs(20))).await;
    assert_eq!(stdout(&result.unwrap()), "next\n");
    assert_about(took, Duration::from_secs(7));
    let ended = report.record.expect("a job").ended().expect("it has ended");
    assert_eq!(ended.outcome.unwrap(), Outcome::Exited(0));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_gets_no_turn_is_refused_after_its_own_wait() {
    let (world, host) = framed().await;
    let _ = run(&world, waiting("hang", Duration::ZERO))
        .await
        .0
        .unwrap();
    for seconds in [0, 1, 25, 50] {
        let wait = Duration::from_secs(seconds);
        let (result, took) = run(&world, waiting("echo no", wait)).await;
        let error = result.expect_err("the shell is busy");
        assert!(matches!(error, SessionError::ShellBusy { .. }), "{error}");
        assert_eq!(
            (error.code(), error.fate()),
            (ErrorCode::Busy, Fate::NotSent)
        );
        assert!(
            error.is_retryable() && error.to_string().contains("hang has been running"),
            "{error}"
        );
        assert_about(took, wait);
    }
    assert_eq!(host.ran(), ["hang"]);
    // Commands on their own channels do not wait for it.
    assert_eq!(world.output_of("web", "echo beside").await, "beside\n");
}

#[tokio::test(start_paused = true)]
async fn a_command_over_its_time_is_given_up_and_the_shell_goes_on() {
    let (world, host) = framed().await;
    must(&world, "echo up").await;
    let after = Duration::from_secs(5);
    let request = ExecRequest {
        timeout: Some(after),
        ..command("hang")
    };
    let (result, took) = run(&world, request).await;
    let report = result.unwrap();
    assert!(
        matches!(&report.outcome, Outcome::TimedOut { kill: Some(kill), .. } if kill.gone == Some(true)),
        "{report:?}"
    );
    assert_eq!(report.shell.unwrap().ended, None);
    assert_about(took, after);
    assert_eq!(must(&world, "echo on").await.shell.unwrap().generation, 1);
    assert_eq!(host.shells(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_command_that_nothing_ends_takes_its_shell_with_it_in_bounded_time() {
    let (world, host) = framed().await;
    must(&world, "echo up").await;
    host.be_stubborn();
    let after = Duration::from_secs(1);
    let request = ExecRequest {
        timeout: Some(after),
        ..command("hang")
    };
    let (result, took) = run(&world, request).await;
    let report = result.unwrap();
    assert!(
        matches!(report.outcome, Outcome::TimedOut { .. }),
        "{report:?}"
    );
    assert!(report.shell.unwrap().ended.is_some());
    let bound = after + 3 * KILL_TIMEOUT + SHELL_RETURN_TIMEOUT;
    assert!(took < bound, "{took:?}");
    let next = must(&world, "echo on").await.shell.unwrap();
    assert_eq!((next.generation, next.restarted), (2, true));
}

#[tokio::test(start_paused = true)]
async fn a_shell_that_lost_its_command_is_found_out() {
    let (world, host) = framed().await;
    must(&world, "echo up").await;
    let request = waiting("lose", Duration::from_secs(50));
    let (result, took) = run(&world, request).await;
    let report = result.unwrap();
    assert_eq!(report.outcome.fate(), Fate::Unknown, "{report:?}");
    let ended = report.shell.unwrap().ended.expect("it ended");
    assert!(ended.contains("lost the command"), "{ended}");
    assert_eq!(host.looks(), 2);
    assert!(took >= SHELL_LOOK_AFTER, "{took:?}");
    assert!(took < SHELL_LOOK_AFTER + 2 * KILL_TIMEOUT, "{took:?}");
    assert_eq!(must(&world, "echo on").await.shell.unwrap().generation, 2);
}

#[tokio::test(start_paused = true)]
async fn a_long_command_is_looked_at_ever_more_seldom() {
    let (world, host) = framed().await;
    let report = run(&world, waiting("sleep 3600000", Duration::ZERO))
        .await
        .0
        .unwrap();
    let record = report.record.unwrap();
    virtually_bounded("the end", record.wait_ended()).await;
    assert_eq!(record.ended().unwrap().outcome.unwrap(), Outcome::Exited(0));
    let looks = host.looks();
    assert!((40..=70).contains(&looks), "{looks} looks in an hour");
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_cut_ends_the_command_with_an_unknown_fate() {
    let (world, host) = framed().await;
    must(&world, "echo up").await;
    let running = start(&world, command("hang"));
    let waiting = start(&world, command("echo later"));
    settle().await;
    world.web().host.link.cut();
    let report = answer(running).await.unwrap();
    assert!(
        matches!(report.outcome, Outcome::ConnectionLost(_)),
        "{report:?}"
    );
    // The one that had not been sent runs on the next link, once.
    let later = answer(waiting).await.unwrap();
    assert_eq!(stdout(&later), "later\n");
    let facts = later.shell.unwrap();
    assert_eq!((facts.generation, facts.restarted), (2, true));
    assert_eq!(
        host.ran()
            .iter()
            .filter(|line| *line == "echo later")
            .count(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn a_shell_that_exits_is_replaced_by_the_next_command() {
    let (world, host) = framed().await;
    for generation in 1..=3 {
        let report = must(&world, "echo up").await;
        assert_eq!(report.shell.unwrap().generation, generation);
        let report = must(&world, "exit 4").await;
        assert_eq!(report.outcome, Outcome::Exited(4));
        assert_eq!(report.shell.unwrap().ended.as_deref(), Some("exit 4"));
    }
    assert_eq!(host.shells(), 3);
}
