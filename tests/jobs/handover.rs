//! From a call to a job.

use std::time::Duration;

use serde_json::{Value, json};

use testkit::eventually;
use testkit::world::{World, poll, timed};

/// Prints a line, and another line on request.
const TWO_LINES: &str = "echo first; read line; echo \"second $line\"";

#[tokio::test]
async fn a_command_over_its_wait_becomes_a_job() {
    let world = World::start().await;
    let arguments = json!({"command": TWO_LINES, "interactive": true, "waitMs": 700});
    let (answer, took) = timed(world.call("ssh_exec", arguments)).await;
    assert!(took >= Duration::from_millis(700), "{took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(!answer.is_error());
    let job = answer.meta("job").as_str().unwrap();
    assert_eq!(answer.meta("outcome"), "running");
    assert_eq!(answer.meta("session"), "web");
    assert!(answer.meta("fate").is_null() && answer.meta("exitCode").is_null());
    assert!(job.starts_with("web-"), "{job}");
    let status = answer.status();
    assert!(status.starts_with("still running after "), "{status}");
    assert!(status.contains(&format!("as job {job};")), "{status}");
    let next = format!("ssh_output(job: \"{job}\", waitMs: 25000)");
    assert!(status.contains(&next), "{status}");
    assert!(status.contains("session web"), "{status}");
    assert!(!status.contains('\n'), "one line: {status}");
    assert_eq!(
        answer.streams(),
        [("stdout".to_owned(), "first\n".to_owned())]
    );

    let jobs = world.jobs("web").await;
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    assert_eq!(jobs[0]["job"], job);
    assert_eq!(jobs[0]["command"], TWO_LINES);
    // The wait counts from the call, this from the start of the command.
    assert_eq!(
        (&jobs[0]["kind"], &jobs[0]["state"]),
        (&json!("exec"), &json!("running"))
    );
    assert!(jobs[0]["runningForMs"].as_u64() >= Some(400), "{jobs:?}");

    // The job continues, and only new output comes.
    world.input(job, json!({"text": "line\n"})).await;
    let end = world.output(job, json!({"waitMs": 20000})).await;
    assert_eq!(end.meta("outcome"), "exited", "{}", end.status());
    assert_eq!(end.meta("exitCode"), 0);
    assert_eq!(end.meta("fate"), "completed");
    assert_eq!(end.text(), "second line\n");
    assert!(world.jobs("web").await.is_empty());
}

#[tokio::test]
async fn a_job_that_waits_for_a_channel_is_called_waiting() {
    let world = World::start().await;
    world.sshd.pause();
    for _ in 0..6 {
        world.job("exec sleep 1000", json!({})).await;
    }
    let jobs = world.jobs("web").await;
    assert_eq!(jobs.len(), 6, "{jobs:?}");
    // Channels that were open before the host froze carry some of them.
    assert_eq!(jobs[5]["state"], "waiting", "{jobs:?}");
    let list = world.call("ssh_sessions", json!({})).await;
    let text = list.status();
    assert!(text.contains("exec job web-6 is waiting for "), "{text}");
    world.sshd.resume();
    poll("all to run", async || {
        let jobs = world.jobs("web").await;
        jobs.iter()
            .all(|job| job["state"] == "running")
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_wait_of_zero_hands_over_at_once() {
    let world = World::start().await;
    let (answer, took) =
        timed(world.call("ssh_exec", json!({"command": "sleep 1000", "waitMs": 0}))).await;
    assert_eq!(answer.meta("outcome"), "running");
    assert!(took < Duration::from_secs(1), "{took:?}");
    let running = || world.processes("sleep 1000").len() == 1;
    eventually("the command to start", running).await;
}

#[tokio::test]
async fn the_names_of_jobs_count_up_and_stay() {
    let world = World::start().await;
    let first = world.job("sleep 1000", json!({})).await;
    let second = world.job("sleep 1000", json!({})).await;
    let number = |job: &str| job.strip_prefix("web-").unwrap().parse::<u64>().unwrap();
    assert_eq!(number(&second), number(&first) + 1);
    let listed: Vec<Value> = world.jobs("web").await;
    let names: Vec<_> = listed
        .iter()
        .map(|job| job["job"].as_str().unwrap())
        .collect();
    assert_eq!(names, [first.as_str(), second.as_str()]);
    world.input(&second, json!({"signal": "KILL"})).await;
    world.ended(&second).await;
    let third = world.job("sleep 1000", json!({})).await;
    assert_eq!(number(&third), number(&first) + 2, "no name is used twice");
}

#[tokio::test]
async fn a_cancelled_call_kills_its_command() {
    let world = World::start().await;
    let arguments = json!({"command": "exec sleep 1000", "waitMs": 50000});
    let mut call = world.server.begin("ssh_exec", arguments).await;
    let running = || !world.processes("sleep 1000").is_empty();
    eventually("the command to start", running).await;
    let ((), took) = timed(async {
        world.server.cancel(&call).await;
        eventually("the command to end", || {
            world.processes("sleep 1000").is_empty()
        })
        .await;
    })
    .await;
    // INT ends the job; a second, and the delay of a busy machine.
    assert!(took < Duration::from_secs(3), "{took:?}");
    // A later call is answered, so an answer to the cancelled one would be there by now.
    let answer = world.call("ssh_exec", json!({"command": "echo on"})).await;
    assert_eq!(answer.text(), "on\n");
    poll("the job to be gone", async || {
        world.jobs("web").await.is_empty().then_some(())
    })
    .await;
    assert!(!call.is_answered(), "a cancelled call is not answered");
}

#[tokio::test]
async fn a_cancelled_look_kills_nothing_and_reads_nothing() {
    let world = World::start().await;
    let job = world.job(TWO_LINES, json!({"interactive": true})).await;
    // The unread line is seen by an explicit offset, which does not move the mark.
    testkit::world::poll("the first line", async || {
        let look = world.output(&job, json!({"offsetBytes": 0})).await;
        (look.text() == "first\n").then_some(())
    })
    .await;
    let arguments = json!({"job": job, "waitMs": 50000});
    let mut call = world.server.begin("ssh_output", arguments).await;
    // The calls of a client are taken in order; this one is answered when the other waits.
    world.call("ssh_sessions", json!({})).await;
    world.server.cancel(&call).await;
    world.call("ssh_sessions", json!({})).await;
    assert!(!call.is_answered(), "a cancelled call is not answered");
    assert_eq!(world.jobs("web").await.len(), 1, "the job goes on");
    let look = world.output(&job, json!({})).await;
    assert_eq!(look.text(), "first\n", "what nobody got is still unread");
    world.input(&job, json!({"text": "line\n"})).await;
    let end = world.output(&job, json!({"waitMs": 20000})).await;
    assert_eq!(end.text(), "second line\n");
    assert_eq!(end.meta("exitCode"), 0, "{}", end.status());
}
