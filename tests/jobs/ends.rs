//! How the end of a job is told, and for how long.

use std::time::Duration;

use serde_json::json;

use testkit::eventually;
use testkit::world::{World, timed};

#[tokio::test]
async fn an_exit_status_is_told_as_often_as_asked() {
    let world = World::start().await;
    let job = world.job("echo out; exit 7", json!({})).await;
    let end = world.output(&job, json!({"waitMs": 20000})).await;
    assert!(end.status().starts_with("exit 7 in "), "{}", end.status());
    assert!(end.status().contains(&format!("job {job}")));
    assert_eq!(end.meta("outcome"), "exited");
    assert_eq!(end.meta("exitCode"), 7);
    assert_eq!(end.meta("fate"), "completed");
    assert_eq!(end.text(), "out\n");
    assert!(!end.is_error(), "a status is a normal result");
    let again = world.output(&job, json!({"waitMs": 20000})).await;
    assert_eq!(again.meta("exitCode"), 7);
    assert_eq!(again.text(), "");
}

#[tokio::test]
async fn a_signal_is_told_by_name() {
    let world = World::start().await;
    let job = world.job("echo out; kill -SEGV $$", json!({})).await;
    let end = world.ended(&job).await;
    assert!(
        end.status().starts_with("killed by SIGSEGV in "),
        "{}",
        end.status()
    );
    assert_eq!(end.meta("outcome"), "signaled");
    assert_eq!(end.meta("signal"), "SEGV");
    assert!(end.meta("exitCode").is_null());
}

#[tokio::test]
async fn a_timeout_goes_on_counting_after_the_handover() {
    let world = World::start().await;
    let more = json!({"timeoutMs": 1500});
    let job = world.job("exec sleep 1000", more).await;
    let end = world.ended(&job).await;
    assert_eq!(end.meta("outcome"), "timedOut", "{}", end.status());
    assert!(
        end.status().starts_with("timed out after 1.50 s"),
        "{}",
        end.status()
    );
    eventually("the command to be gone", || {
        world.processes("sleep 1000").is_empty()
    })
    .await;
}

#[tokio::test]
async fn a_lost_connection_is_told_with_the_output_so_far() {
    let world = World::start().await;
    let job = world.job("echo before; exec sleep 1000", json!({})).await;
    testkit::world::poll("the output", async || {
        let look = world.output(&job, json!({"offsetBytes": 0})).await;
        (look.text() == "before\n").then_some(())
    })
    .await;
    // From the start: output that the handover has shown already counts as read.
    let waiting = json!({"job": job, "waitMs": 50000, "offsetBytes": 0});
    let waiting = world.server.begin("ssh_output", waiting).await;
    world.sshd.kill_sessions().await;
    for end in [
        waiting.answer().await,
        world.output(&job, json!({"offsetBytes": 0})).await,
    ] {
        assert!(end.is_error());
        assert!(
            end.status().starts_with("connection lost after "),
            "{}",
            end.status()
        );
        assert!(end.status().contains("it was not run again"));
        assert_eq!(end.code(), "connectionLost");
        assert_eq!(end.meta("outcome"), "connectionLost");
        assert_eq!(end.meta("fate"), "unknown");
        assert_eq!(end.text(), "before\n");
    }
    let late = world.try_input(&job, json!({"text": "x"})).await;
    late.assert_error("jobEnded", &[&job]);
}

#[tokio::test]
async fn unknown_jobs_are_refused() {
    let world = World::start().await;
    world.connect("other").await;
    world.job("sleep 1000", json!({"session": "web"})).await;
    for job in ["web-99", "other-1", "nobody-1", "web", "", "web-0", "web-x"] {
        for tool in ["ssh_output", "ssh_input"] {
            let arguments = match tool {
                "ssh_output" => json!({"job": job}),
                _ => json!({"job": job, "signal": "TERM"}),
            };
            let answer = world.call(tool, arguments).await;
            assert_eq!(
                answer.code(),
                "noSuchJob",
                "{tool} {job:?}: {}",
                answer.status()
            );
            assert!(answer.status().contains(job), "{}", answer.status());
        }
    }
}

#[tokio::test]
async fn the_oldest_of_more_than_a_hundred_ended_jobs_is_gone() {
    let world = World::start().await;
    // More output than is shown makes a job of a command that has ended.
    let arguments = json!({"command": "echo some text", "maxOutputBytes": 1});
    let mut jobs = Vec::new();
    for _ in 0..101 {
        let answer = world.call("ssh_exec", arguments.clone()).await;
        assert_eq!(answer.meta("outcome"), "exited");
        jobs.push(answer.meta("job").as_str().expect("a job").to_owned());
    }
    let first = world.output(&jobs[0], json!({})).await;
    first.assert_error("noSuchJob", &[&jobs[0]]);
    assert!(
        first.status().contains("newer") || first.status().contains("dropped"),
        "the text says why: {}",
        first.status()
    );
    for job in [&jobs[1], &jobs[100]] {
        let kept = world.output(job, json!({"offsetBytes": 0})).await;
        assert_eq!(kept.text(), "some text\n", "{job}");
    }
}

#[tokio::test]
async fn the_output_of_a_disconnected_session_can_be_read() {
    let world = World::start().await;
    world.connect("other").await;
    let more = json!({"session": "other"});
    let job = world.job("echo unread; exec sleep 1000", more).await;
    testkit::world::poll("the output", async || {
        let look = world.output(&job, json!({"offsetBytes": 0})).await;
        (look.text() == "unread\n").then_some(())
    })
    .await;
    let answer = world
        .call("ssh_disconnect", json!({"session": "other"}))
        .await;
    assert_eq!(
        answer.field("endedJobs"),
        &json!([job]),
        "{}",
        answer.status()
    );
    eventually("the command to be gone", || {
        world.processes("sleep 1000").is_empty()
    })
    .await;
    let look = world.output(&job, json!({})).await;
    assert_eq!(look.text(), "unread\n", "{}", look.status());
    assert_ne!(look.meta("outcome"), "running");
}

#[tokio::test]
async fn the_call_that_ended_a_job_is_named() {
    for (tool, by) in [
        ("ssh_disconnect", "disconnect"),
        ("ssh_reconnect", "reconnect"),
    ] {
        let world = World::start().await;
        let job = world.job("exec sleep 1000", json!({})).await;
        let waiting = json!({"command": "exec sleep 2000", "waitMs": 50000});
        let waiting = world.server.begin("ssh_exec", waiting).await;
        eventually("the commands", || {
            !world.processes("sleep 1000").is_empty() && !world.processes("sleep 2000").is_empty()
        })
        .await;
        let answer = world.call(tool, json!({})).await;
        assert!(!answer.is_error(), "{}", answer.status());
        for end in [world.ended(&job).await, waiting.answer().await] {
            let status = end.status();
            assert!(
                status.starts_with(&format!("ended by {tool} after ")),
                "{status}"
            );
            assert!(status.contains("sent INT, gone ("), "{status}");
            assert_eq!(end.meta("outcome"), "signaled", "{status}");
            assert_eq!(end.meta("signal"), "INT", "{status}");
            assert_eq!(end.meta("fate"), "completed", "{status}");
            assert_eq!(end.meta("endedBy"), by, "{status}");
        }
    }
}

#[tokio::test]
async fn a_disconnect_does_not_wait_for_a_host_that_does_not_answer() {
    let world = World::start().await;
    let job = world.job("exec sleep 1000", json!({})).await;
    eventually("the command", || !world.processes("sleep 1000").is_empty()).await;
    world.sshd.pause();
    let (answer, took) = timed(world.call("ssh_disconnect", json!({}))).await;
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(answer.field("endedJobs"), &json!([job]));
    assert_eq!(answer.field("unconfirmed"), &json!([job]));
    assert!(
        answer
            .status()
            .contains(&format!("end of {job}, which may still run")),
        "{}",
        answer.status()
    );
    world.sshd.resume();
    // The ending continues in the background and has an end itself.
    let end = world.ended(&job).await;
    assert_eq!(end.meta("endedBy"), "disconnect", "{}", end.status());
    let answer = world
        .call("ssh_disconnect", json!({"session": "web"}))
        .await;
    assert_eq!(answer.field("unconfirmed"), &json!([]));
}

#[tokio::test]
async fn a_reconnect_lists_the_jobs_that_it_ended() {
    let world = World::start().await;
    let job = world.job("exec sleep 1000", json!({})).await;
    let answer = world.call("ssh_reconnect", json!({})).await;
    assert_eq!(
        answer.field("endedJobs"),
        &json!([job]),
        "{}",
        answer.status()
    );
    assert!(
        answer.status().contains(&format!("; ended {job}")),
        "{}",
        answer.status()
    );
    let answer = world.call("ssh_reconnect", json!({})).await;
    assert_eq!(answer.field("endedJobs"), &json!([]), "{}", answer.status());
}

#[tokio::test]
async fn a_signal_of_ssh_input_and_a_time_limit_are_named_too() {
    let world = World::start().await;
    let job = world.job("exec sleep 1000", json!({})).await;
    eventually("the command", || !world.processes("sleep 1000").is_empty()).await;
    world.input(&job, json!({"signal": "TERM"})).await;
    let end = world.ended(&job).await;
    assert_eq!(end.meta("outcome"), "signaled", "{}", end.status());
    assert_eq!(end.meta("endedBy"), "input", "{}", end.status());
    assert!(
        end.status().contains("; ended by ssh_input"),
        "{}",
        end.status()
    );
    let timed = json!({"command": "exec sleep 1000", "timeoutMs": 300});
    let end = world.call("ssh_exec", timed).await;
    assert_eq!(end.meta("outcome"), "timedOut", "{}", end.status());
    assert_eq!(end.meta("endedBy"), "timeout", "{}", end.status());
    let end = world.call("ssh_exec", json!({"command": "exit 3"})).await;
    assert!(end.meta("endedBy").is_null(), "{}", end.status());
}
