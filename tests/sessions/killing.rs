//! Ending commands: INT, then TERM, then KILL, two seconds apart, by a helper on the host or by requests.

use std::time::Duration;

use mcp_ssh_sessions::actors::job::outcome::Outcome;
use mcp_ssh_sessions::actors::job::report::CommandReport;
use mcp_ssh_sessions::actors::request::ExecRequest;
use mcp_ssh_sessions::error::Fate;
use mcp_ssh_sessions::limits::KILL_STEP;
use mcp_ssh_sessions::ssh::ending::{KillReport, Signal};
use tokio::time::Instant;

use crate::shell_host::ShellRunner;
use crate::world::{World, answer, command, settle, stdout};

const TIMEOUT: Duration = Duration::from_secs(1);

fn with_timeout(line: &str) -> ExecRequest {
    ExecRequest {
        timeout: Some(TIMEOUT),
        ..command(line)
    }
}

fn kill_of(report: &CommandReport) -> &KillReport {
    match &report.outcome {
        Outcome::TimedOut {
            after: TIMEOUT,
            kill: Some(kill),
        } => kill,
        other => panic!("{other:?}"),
    }
}

fn assert_about(took: Duration, expected: Duration) {
    let off = took.abs_diff(expected);
    assert!(
        off < Duration::from_millis(200),
        "{took:?} instead of {expected:?}"
    );
}

/// The host of most tests has no shell: only signal requests reach its commands.
mod by_request {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_command_over_its_time_is_interrupted() {
        let world = World::new().await;
        world.connect("web").await;
        let report = world
            .run("web", with_timeout("echo begun; hang"))
            .await
            .unwrap();
        let kill = kill_of(&report);
        assert_eq!(
            (kill.signal, kill.gone),
            (Signal::Int, None),
            "nobody has looked"
        );
        assert_about(report.elapsed, TIMEOUT);
        assert_eq!(stdout(&report), "begun\n");
        assert!(world.web().host.runner.live().is_empty());
        assert_eq!(world.output_of("web", "echo next").await, "next\n");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stubborn_command_is_killed_in_the_end() {
        let world = World::new().await;
        world.connect("web").await;
        let report = world
            .run("web", with_timeout("hang-stubborn"))
            .await
            .unwrap();
        assert_eq!(kill_of(&report).signal, Signal::Kill);
        assert_about(report.elapsed, TIMEOUT + KILL_STEP * 2);
        assert!(world.web().host.runner.live().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_that_ends_in_time_is_left_alone() {
        let world = World::new().await;
        world.connect("web").await;
        let report = world
            .run("web", with_timeout("sleep 900; exit 7"))
            .await
            .unwrap();
        assert_eq!(report.outcome, Outcome::Exited(7));
        assert_eq!(world.web().host.runner.total_runs(), 1, "no helper");
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_command_in_question_is_ended() {
        let world = World::new().await;
        world.connect("web").await;
        let other = world.start("web", "sleep 8000; echo unharmed");
        let report = world
            .run("web", with_timeout("hang-stubborn"))
            .await
            .unwrap();
        assert_eq!(kill_of(&report).signal, Signal::Kill);
        let other = answer(other).await.unwrap();
        assert_eq!(other.outcome, Outcome::Exited(0));
        assert_eq!(stdout(&other), "unharmed\n");
    }

    /// The link dies while the command is being ended: the caller learns of one or the other, in time.
    #[tokio::test(start_paused = true)]
    async fn a_link_that_is_cut_meanwhile_ends_the_waiting() {
        let world = World::new().await;
        world.connect("web").await;
        let call = world.start_run("web", with_timeout("hang-stubborn"));
        let start = Instant::now();
        tokio::time::sleep(TIMEOUT + KILL_STEP / 2).await;
        world.web().host.link.cut();
        let report = answer(call).await.unwrap();
        assert_eq!(report.outcome.fate(), Fate::Unknown, "{report:?}");
        assert!(
            start.elapsed() < TIMEOUT + KILL_STEP + TIMEOUT,
            "{:?}",
            start.elapsed()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_helper_ends_a_command_and_sees_it_gone() {
    let world = World::new().await;
    let runner = ShellRunner::at(&world.web());
    world.connect("web").await;
    let lines = [
        ("hang", Signal::Int, TIMEOUT),
        ("hang-stubborn", Signal::Kill, TIMEOUT + KILL_STEP * 2),
    ];
    for (line, signal, expected) in lines {
        let report = world.run("web", with_timeout(line)).await.unwrap();
        let gone = KillReport {
            signal,
            gone: Some(true),
        };
        assert_eq!(kill_of(&report), &gone);
        assert_eq!(report.outcome.fate(), Fate::Completed);
        assert_about(report.elapsed, expected);
        assert!(runner.scripts.live().is_empty());
    }
    assert_eq!(runner.helpers(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_helper_ends_the_right_one_of_several() {
    let world = World::new().await;
    let runner = ShellRunner::at(&world.web());
    world.connect("web").await;
    let mut calls = Vec::new();
    for n in 0..5 {
        let request = command(&format!("echo {n}; hang"));
        let cancel = request.cancel.clone();
        calls.push((n, cancel, world.start_run("web", request)));
        runner.scripts.wait_live(n + 1).await;
    }
    for place in [2, 0, 1] {
        let (n, cancel, call) = calls.remove(place);
        cancel.cancel();
        let report = answer(call).await.unwrap();
        assert_eq!(stdout(&report), format!("{n}\n"));
        let gone = KillReport {
            signal: Signal::Int,
            gone: Some(true),
        };
        assert_eq!(report.outcome, Outcome::Cancelled(Some(gone)));
        let left: Vec<_> = calls
            .iter()
            .map(|(n, ..)| format!("echo {n}; hang"))
            .collect();
        assert_eq!(runner.scripts.live(), left);
    }
}

#[tokio::test(start_paused = true)]
async fn several_commands_can_be_ended_at_once() {
    let world = World::new().await;
    let runner = ShellRunner::at(&world.web());
    world.connect("web").await;
    let calls: Vec<_> = (0..4)
        .map(|_| world.start_run("web", with_timeout("hang")))
        .collect();
    let other = world.start("web", "sleep 20000; echo unharmed");
    for call in calls {
        let report = answer(call).await.unwrap();
        assert_eq!(kill_of(&report).signal, Signal::Int);
    }
    assert_eq!(runner.scripts.live(), ["sleep 20000; echo unharmed"]);
    assert_eq!(stdout(&answer(other).await.unwrap()), "unharmed\n");
}

/// Somebody else's process among ours: the helper touches nothing, and signal requests serve.
#[tokio::test(start_paused = true)]
async fn a_count_that_does_not_fit_leaves_everything_alone() {
    let world = World::new().await;
    let runner = ShellRunner::at(&world.web());
    runner.add_strangers(1);
    world.connect("web").await;
    let other = world.start("web", "sleep 20000; echo unharmed");
    runner.scripts.wait_live(1).await;
    let report = world.run("web", with_timeout("hang")).await.unwrap();
    let kill = kill_of(&report);
    assert_eq!((kill.signal, kill.gone), (Signal::Int, None));
    assert!(
        runner.helpers() > 1,
        "a count may be wrong for a moment only"
    );
    assert!(report.elapsed < TIMEOUT * 10, "{:?}", report.elapsed);
    assert!(!runner.order().contains(&"found".to_owned()));
    assert_eq!(stdout(&answer(other).await.unwrap()), "unharmed\n");
}

#[tokio::test(start_paused = true)]
async fn a_count_that_is_wrong_for_a_moment_is_taken_again() {
    let world = World::new().await;
    let runner = ShellRunner::at(&world.web());
    runner.add_strangers(1);
    world.connect("web").await;
    let call = world.start_run("web", with_timeout("hang"));
    tokio::time::sleep(TIMEOUT + Duration::from_millis(50)).await;
    assert_eq!(runner.helpers(), 1);
    runner.add_strangers(0);
    let report = answer(call).await.unwrap();
    assert_eq!(kill_of(&report).gone, Some(true));
    assert_eq!(runner.helpers(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_command_that_outlives_kill_is_told_as_that() {
    let world = World::new().await;
    let runner = ShellRunner::at(&world.web());
    world.connect("web").await;
    let report = world
        .run("web", with_timeout("undead; hang-stubborn"))
        .await
        .unwrap();
    let left = KillReport {
        signal: Signal::Kill,
        gone: Some(false),
    };
    assert_eq!(kill_of(&report), &left);
    assert_eq!(report.outcome.fate(), Fate::Unknown);
    assert_about(
        report.elapsed,
        TIMEOUT + KILL_STEP * 3 + Duration::from_secs(1),
    );
    assert_eq!(runner.scripts.live().len(), 1);
    assert_eq!(world.output_of("web", "echo next").await, "next\n");
}

/// A younger command could be taken for the target: it has to wait until the helper knows its own.
#[tokio::test(start_paused = true)]
async fn no_command_starts_while_a_helper_looks_for_its_target() {
    let world = World::new().await;
    let runner = ShellRunner::at(&world.web());
    world.connect("web").await;
    runner.hold_helpers(true);
    let ended = world.start_run("web", with_timeout("hang"));
    tokio::time::sleep(TIMEOUT + Duration::from_millis(100)).await;
    assert_eq!(runner.helpers(), 1);
    let younger = world.start("web", "echo younger");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(runner.order(), ["hang"]);
    runner.hold_helpers(false);
    assert_eq!(answer(younger).await.unwrap().outcome, Outcome::Exited(0));
    assert_eq!(kill_of(&answer(ended).await.unwrap()).gone, Some(true));
    assert_eq!(runner.order(), ["hang", "found", "echo younger"]);
}

/// A helper that finds nothing does not hold commands up for ever either.
#[tokio::test(start_paused = true)]
async fn a_helper_that_says_nothing_is_given_up() {
    let world = World::new().await;
    let runner = ShellRunner::at(&world.web());
    world.connect("web").await;
    runner.hold_helpers(true);
    let ended = world.start_run("web", with_timeout("hang"));
    tokio::time::sleep(TIMEOUT + Duration::from_millis(100)).await;
    let start = Instant::now();
    assert_eq!(world.output_of("web", "echo younger").await, "younger\n");
    assert!(
        start.elapsed() < Duration::from_secs(4),
        "{:?}",
        start.elapsed()
    );
    let report = answer(ended).await.unwrap();
    let kill = kill_of(&report);
    assert_eq!((kill.signal, kill.gone), (Signal::Int, None));
}

#[tokio::test(start_paused = true)]
async fn a_disconnect_ends_all_commands_by_helpers() {
    let world = World::new().await;
    let runner = ShellRunner::at(&world.web());
    world.connect("web").await;
    let calls: Vec<_> = (0..3).map(|_| world.start("web", "hang")).collect();
    runner.scripts.wait_live(3).await;
    settle().await;
    assert_eq!(world.disconnect("web").await.ended_jobs.len(), 3);
    assert!(runner.scripts.live().is_empty());
    for call in calls {
        let outcome = answer(call).await.unwrap().outcome;
        assert!(
            matches!(&outcome, Outcome::Cancelled(Some(kill)) if kill.gone == Some(true)),
            "{outcome:?}"
        );
    }
}
