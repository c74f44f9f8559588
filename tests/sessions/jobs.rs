//! Commands that go on without their caller: handed over as jobs, found by name, ended with their session.

use std::sync::Arc;
use std::time::Duration;

use mcp_ssh_sessions::actors::SessionError;
use mcp_ssh_sessions::actors::job::outcome::Outcome;
use mcp_ssh_sessions::actors::job::record::JobRecord;
use mcp_ssh_sessions::actors::request::ExecRequest;
use mcp_ssh_sessions::error::{ErrorCode, Fate};
use mcp_ssh_sessions::limits;
use mcp_ssh_sessions::output::Stream;
use mcp_ssh_sessions::ssh::ending::Signal;
use mcp_ssh_sessions::ssh::exec::Input;
use tokio::time::Instant;

use crate::network::DEAD_PEER_KNOWN;
use crate::world::{World, answer, command, settle, stdout};
use testkit::virtually_bounded;

const WAIT: Duration = Duration::from_secs(2);

/// A command that is not over when its call is.
async fn hand_over(world: &World, request: ExecRequest) -> Arc<JobRecord> {
    let request = ExecRequest {
        wait: WAIT,
        ..request
    };
    let report = world.run("web", request).await.unwrap();
    assert_eq!(report.outcome, Outcome::Running);
    report.record.expect("a job")
}

async fn connected() -> World {
    let world = World::new().await;
    world.connect("web").await;
    world
}

async fn job(world: &World, name: &str) -> Result<Arc<JobRecord>, SessionError> {
    virtually_bounded("a job", world.supervisor.job(name)).await
}

async fn outcome_of(job: &Arc<JobRecord>) -> Outcome {
    virtually_bounded("the end of a job", job.wait_ended()).await;
    job.report().unwrap().outcome
}

#[tokio::test(start_paused = true)]
async fn a_command_that_outlasts_its_call_goes_on() {
    let world = connected().await;
    let start = Instant::now();
    let running = hand_over(&world, command("echo begun; sleep 60000; echo end; exit 3")).await;
    let off = start.elapsed().abs_diff(WAIT);
    assert!(off < Duration::from_millis(50), "{:?}", start.elapsed());
    assert_eq!((running.name.as_str(), running.is_sent()), ("web-1", true));
    let found = job(&world, "web-1").await.unwrap();
    assert!(Arc::ptr_eq(&running, &found));
    assert_eq!(stdout(&found.report().unwrap()), "begun\n");
    assert_eq!(world.status("web").await.jobs.len(), 1);
    assert_eq!(outcome_of(&found).await, Outcome::Exited(3));
    let report = found.report().unwrap();
    assert_eq!(stdout(&report), "begun\nend\n");
    assert!(report.elapsed.abs_diff(Duration::from_secs(60)) < Duration::from_millis(50));
    settle().await;
    assert!(world.status("web").await.jobs.is_empty());
    assert!(
        job(&world, "web-1").await.is_ok(),
        "an ended job can be read"
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_does_not_end_with_its_caller() {
    let world = connected().await;
    let request = command("sleep 60000; echo done");
    let cancel = request.cancel.clone();
    let running = hand_over(&world, request).await;
    cancel.cancel();
    assert_eq!(outcome_of(&running).await, Outcome::Exited(0));
}

#[tokio::test(start_paused = true)]
async fn a_job_has_its_own_time() {
    let world = connected().await;
    let after = Duration::from_secs(30);
    let request = ExecRequest {
        timeout: Some(after),
        ..command("hang")
    };
    let running = hand_over(&world, request).await;
    assert!(
        matches!(outcome_of(&running).await, Outcome::TimedOut { after: had, .. } if had == after)
    );
    let elapsed = running.report().unwrap().elapsed;
    assert!(
        elapsed.abs_diff(after) < Duration::from_millis(200),
        "{elapsed:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_takes_input_until_it_is_closed() {
    let world = connected().await;
    let request = ExecRequest {
        stdin: Some("first\n".to_owned()),
        interactive: true,
        ..command("cat; exit 4")
    };
    let running = hand_over(&world, request).await;
    let input = running.input().expect("an open input");
    input.send(Input::Data("second\n".into())).await.unwrap();
    drop(input);
    settle().await;
    assert_eq!(stdout(&running.report().unwrap()), "first\nsecond\n");
    assert!(running.close_input());
    assert!(!running.close_input() && running.input().is_none());
    assert_eq!(outcome_of(&running).await, Outcome::Exited(4));
    assert!(!running.signal(Signal::Int), "it is over");
}

#[tokio::test(start_paused = true)]
async fn a_job_takes_signals() {
    let world = connected().await;
    for signal in [Signal::Term, Signal::Usr1, Signal::Kill] {
        let running = hand_over(&world, command("hang")).await;
        assert!(running.signal(signal));
        assert_eq!(outcome_of(&running).await, Outcome::Signaled(signal));
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_ends_with_its_link() {
    let world = connected().await;
    let site = world.web();
    let running = hand_over(&world, command("echo begun; hang")).await;
    site.host.link.cut();
    let lost = outcome_of(&running).await;
    assert!(matches!(lost, Outcome::ConnectionLost(_)), "{lost:?}");
    assert_eq!(lost.fate(), Fate::Unknown);
    world.until_state("web", "ready").await;
    // It is still there to be read, and it does not come back.
    let found = job(&world, "web-1").await.unwrap();
    assert_eq!(stdout(&found.report().unwrap()), "begun\n");
    assert_eq!(site.host.runner.runs("echo begun; hang"), 1);

    let running = hand_over(&world, command("hang")).await;
    assert_eq!(running.name, "web-2");
    site.host.link.stall();
    let start = Instant::now();
    assert!(matches!(
        outcome_of(&running).await,
        Outcome::ConnectionLost(_)
    ));
    assert!(start.elapsed() < DEAD_PEER_KNOWN + Duration::from_millis(1_100));
}

#[tokio::test(start_paused = true)]
async fn a_job_ends_with_a_disconnect() {
    let world = connected().await;
    let running = hand_over(&world, command("echo begun; hang")).await;
    let report = world.disconnect("web").await;
    assert_eq!(report.ended_jobs, ["web-1"]);
    assert!(matches!(
        outcome_of(&running).await,
        Outcome::Cancelled(Some(_))
    ));
    let found = job(&world, "web-1").await.unwrap();
    assert_eq!(stdout(&found.report().unwrap()), "begun\n");
    assert!(world.web().host.runner.live().is_empty());
    // A number is never given twice, for the old one can still be asked for.
    let next = hand_over(&world, command("sleep 3000")).await;
    assert_eq!(next.name, "web-2");
    world.forget("web").await;
    assert_eq!(
        job(&world, "web-1").await.unwrap_err().code(),
        ErrorCode::NoSuchJob
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_not_known_is_told() {
    let world = connected().await;
    world.exec("web", "echo short").await.unwrap();
    for name in ["web-2", "web-0", "web", "db-1", "web-x", "-1", "", "web--1"] {
        let error = job(&world, name).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::NoSuchJob, "{name}: {error}");
        assert!(!error.to_string().contains("dropped"), "{error}");
    }
    // All of its output was in the answer: there is nothing left to ask for.
    let error = job(&world, "web-1").await.unwrap_err();
    assert!(error.to_string().contains("dropped"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn output_that_did_not_fit_into_the_answer_can_be_read_later() {
    let world = connected().await;
    let request = ExecRequest {
        shown_bytes: 1000,
        ..command("flood 16000; exit 2")
    };
    let report = world.run("web", request).await.unwrap();
    assert_eq!(report.outcome, Outcome::Exited(2));
    let record = report.record.expect("a job");
    let found = job(&world, &record.name).await.unwrap();
    assert_eq!(found.output.lock().len(Some(Stream::Stdout)), 16000);
}

#[tokio::test(start_paused = true)]
async fn the_newest_ended_jobs_are_kept() {
    let world = connected().await;
    for _ in 0..limits::JOBS_ENDED_KEPT + 5 {
        let request = ExecRequest {
            shown_bytes: 0,
            ..command("echo kept")
        };
        assert!(world.run("web", request).await.unwrap().record.is_some());
    }
    settle().await;
    for number in 1..=limits::JOBS_ENDED_KEPT + 5 {
        let found = job(&world, &format!("web-{number}")).await;
        assert_eq!(found.is_ok(), number > 5, "web-{number}");
        if let Err(error) = found {
            assert!(error.to_string().contains("dropped"), "{error}");
        }
    }
}

/// A caller that waits for its channel is handed a job too. If the link is lost then, that job was not sent,
/// and it is not sent behind the back of somebody who was told that it runs.
#[tokio::test(start_paused = true)]
async fn a_job_that_was_not_sent_when_its_link_was_lost_says_so() {
    let host = testkit::ssh_server::MemoryHost::with(|options| options.max_sessions = 2);
    let world = World::with_host("web", host).await;
    world.connect("web").await;
    let site = world.web();
    let busy: Vec<_> = (0..2).map(|_| world.start("web", "hang")).collect();
    settle().await;
    let waiting = hand_over(&world, command("echo never")).await;
    assert!(!waiting.is_sent());
    site.host.link.cut();
    for call in busy {
        drop(answer(call).await);
    }
    virtually_bounded("its end", waiting.wait_ended()).await;
    let error = waiting.report().unwrap_err();
    assert_eq!(
        (error.code(), error.fate()),
        (ErrorCode::ConnectionLost, Fate::NotSent)
    );
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(site.host.runner.runs("echo never"), 0);
}
