//! Commands on a session that is up: output, end, parameters.

use std::collections::BTreeMap;
use std::time::Duration;

use mcp_ssh_sessions::actors::SessionError;
use mcp_ssh_sessions::actors::job::outcome::Outcome;
use mcp_ssh_sessions::actors::request::ExecRequest;
use mcp_ssh_sessions::error::{ErrorCode, Fate};
use mcp_ssh_sessions::limits;
use mcp_ssh_sessions::ssh::ending::Signal;
use tokio::time::Instant;

use crate::world::{World, answer, command, stderr, stdout};
use testkit::ssh_server::FLOOD_LINE;

#[tokio::test(start_paused = true)]
async fn streams_and_status_of_a_command_are_told_apart() {
    let world = World::new().await;
    world.connect("web").await;
    let report = world
        .exec("web", "echo out; err bad; echo more; exit 3")
        .await
        .unwrap();
    assert_eq!(report.outcome, Outcome::Exited(3));
    assert_eq!(report.outcome.fate(), Fate::Completed);
    assert_eq!(stdout(&report), "out\nmore\n");
    assert_eq!(stderr(&report), "bad\n");
    assert!(!report.held_by_background && !report.reconnected);
    assert_eq!(
        (report.session.as_str(), report.job.as_str()),
        ("web", "web-1")
    );
    assert_eq!(world.exec("web", "echo").await.unwrap().job, "web-2");
}

#[tokio::test(start_paused = true)]
async fn a_command_that_a_signal_ended_names_it() {
    let world = World::new().await;
    world.connect("web").await;
    for signal in [Signal::Kill, Signal::Segv, Signal::Term] {
        let line = format!("echo up; signal {}", signal.as_str());
        let report = world.exec("web", &line).await.unwrap();
        assert_eq!(report.outcome, Outcome::Signaled(signal));
        assert_eq!(stdout(&report), "up\n");
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_command_is_its_own() {
    let world = World::new().await;
    world.connect("web").await;
    let report = world.exec("web", "sleep 4000; echo done").await.unwrap();
    assert_eq!(report.outcome, Outcome::Exited(0));
    let off = report.elapsed.abs_diff(Duration::from_secs(4));
    assert!(off < Duration::from_millis(20), "{:?}", report.elapsed);
}

#[tokio::test(start_paused = true)]
async fn stdin_arrives_whole_and_ends() {
    let world = World::new().await;
    world.connect("web").await;
    let text = String::from_utf8(FLOOD_LINE.repeat(200_000 / FLOOD_LINE.len())).unwrap();
    let request = ExecRequest {
        stdin: Some(text.clone()),
        ..command("cat; echo end")
    };
    let report = world.run("web", request).await.unwrap();
    assert_eq!(report.outcome, Outcome::Exited(0));
    assert!(stdout(&report) == format!("{text}end\n"));
}

#[tokio::test(start_paused = true)]
async fn stdin_without_text_is_at_its_end() {
    let world = World::new().await;
    world.connect("web").await;
    let report = world.exec("web", "cat; echo end").await.unwrap();
    assert_eq!(report.outcome, Outcome::Exited(0));
    assert_eq!(stdout(&report), "end\n");
}

/// The largest stdin while nobody reads it: the command still ends, and can still be ended.
#[tokio::test(start_paused = true)]
async fn stdin_that_nobody_reads_holds_nothing_up() {
    let world = World::new().await;
    world.connect("web").await;
    let stdin = Some("x".repeat(limits::STDIN_MAX_BYTES));
    let deaf = ExecRequest {
        stdin: stdin.clone(),
        ..command("sleep 1000; exit 5")
    };
    let deaf = world.run("web", deaf).await.unwrap();
    assert_eq!(deaf.outcome, Outcome::Exited(5));
    let hanging = ExecRequest {
        stdin,
        timeout: Some(Duration::from_secs(1)),
        ..command("hang")
    };
    let hanging = world.run("web", hanging).await.unwrap();
    assert!(
        matches!(hanging.outcome, Outcome::TimedOut { .. }),
        "{hanging:?}"
    );
    assert_eq!(world.output_of("web", "echo alive").await, "alive\n");
}

#[tokio::test(start_paused = true)]
async fn a_background_process_that_holds_the_streams_is_not_waited_for() {
    let world = World::new().await;
    world.connect("web").await;
    let start = Instant::now();
    let report = world.exec("web", "echo hi; hold 8000; exit 3").await;
    let (report, took) = (report.unwrap(), start.elapsed());
    assert_eq!(report.outcome, Outcome::Exited(3));
    assert!(report.held_by_background);
    assert_eq!(stdout(&report), "hi\n");
    let off = took.abs_diff(limits::STREAM_DRAIN);
    assert!(off < Duration::from_millis(20), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn streams_that_end_in_time_are_waited_for() {
    let world = World::new().await;
    world.connect("web").await;
    let report = world.exec("web", "hold 100; exit 3").await.unwrap();
    assert_eq!(report.outcome, Outcome::Exited(3));
    assert!(!report.held_by_background, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn streams_that_end_before_the_command_do_not_end_it() {
    let world = World::new().await;
    world.connect("web").await;
    let report = world.exec("web", "eof; sleep 3000; exit 4").await.unwrap();
    assert_eq!(report.outcome, Outcome::Exited(4));
    assert!(report.elapsed >= Duration::from_secs(3), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn commands_of_one_session_run_side_by_side() {
    let world = World::new().await;
    world.connect("web").await;
    let start = Instant::now();
    let first = world.start("web", "sleep 3000; echo first");
    let second = world.start("web", "sleep 3000; echo second");
    world.web().host.runner.wait_live(2).await;
    assert_eq!(stdout(&answer(first).await.unwrap()), "first\n");
    assert_eq!(stdout(&answer(second).await.unwrap()), "second\n");
    assert!(start.elapsed() < Duration::from_secs(4));
}

#[tokio::test(start_paused = true)]
async fn running_commands_are_listed_with_the_beginning_of_their_text() {
    let world = World::new().await;
    world.connect("web").await;
    let line = format!("hang; echo {}", "é".repeat(200));
    let hanging = world.start("web", &line);
    world.web().host.runner.wait_live(1).await;
    tokio::time::sleep(Duration::from_secs(7)).await;
    let status = world.status("web").await;
    let [job] = status.jobs.as_slice() else {
        panic!("{status:?}");
    };
    assert_eq!(job.job, "web-1");
    assert_eq!(job.command, line.chars().take(80).collect::<String>());
    assert!(job.running_for >= Duration::from_secs(7), "{job:?}");
    world.disconnect("web").await;
    let ended = answer(hanging).await.unwrap();
    assert!(
        matches!(ended.outcome, Outcome::Cancelled(Some(_))),
        "{ended:?}"
    );
    assert!(world.status("web").await.jobs.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_sent_is_refused_and_dials_nobody() {
    let world = World::new().await;
    world.connect("web").await;
    world.disconnect("web").await;
    let requests = [
        command(" \n"),
        command("echo a\0b"),
        command(&"x".repeat(limits::EXEC_LINE_MAX_BYTES + 1)),
        ExecRequest {
            cwd: Some("/\0".to_owned()),
            ..command("echo")
        },
        ExecRequest {
            env: BTreeMap::from([("A;B".to_owned(), String::new())]),
            ..command("echo")
        },
    ];
    for request in requests {
        let error = world.run("web", request).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidParameter, "{error}");
        assert_eq!(error.fate(), Fate::NotSent);
    }
    let site = world.web();
    assert_eq!((site.dials(), site.host.runner.total_runs()), (1, 0));
}

/// The wrapper's token on stderr tells a directory that cannot be entered from a command that exits with 1.
#[tokio::test(start_paused = true)]
async fn a_missing_directory_is_told_from_a_command_that_fails() {
    let world = World::new().await;
    world.connect("web").await;
    let site = world.web();
    let in_nowhere = || ExecRequest {
        cwd: Some("/nowhere".to_owned()),
        ..command("exit 1")
    };
    site.host.runner.unwrap_with(|line| {
        let token = line.rsplit(' ').nth(3).expect("the wrapper");
        format!("err cd: /nowhere: \x1b[2Jgone; err {token}; exit 1")
    });
    let error = world.run("web", in_nowhere()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::RemotePathError);
    assert!(
        matches!(&error, SessionError::BadDirectory { cwd, reason }
            if cwd == "/nowhere" && reason.contains("gone") && !reason.contains('\x1b')),
        "{error}"
    );
    site.host.runner.unwrap_with(|_| "err oops; exit 1".into());
    let report = world.run("web", in_nowhere()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Exited(1));
    assert_eq!(report.cwd.as_deref(), Some("/nowhere"));
}
