//! One command at a time: jobs, turns, `busy`.

use std::time::Duration;

use serde_json::json;

use crate::support::{assert_ran, assert_says, begin, shell, shell_with};
use testkit::world::{World, timed};

#[tokio::test]
async fn a_long_command_goes_on_as_a_job_and_the_shell_is_busy() {
    let world = World::start().await;
    let answer = shell_with(
        &world,
        "cd /usr; echo one; sleep 1000",
        json!({"waitMs": 300}),
    )
    .await;
    assert_eq!(answer.meta("outcome"), "running");
    assert_says(
        &answer,
        &[
            "still running after",
            "as job web-1",
            "ssh_output(job: \"web-1\"",
        ],
    );
    let busy = shell_with(&world, "echo no", json!({"waitMs": 100})).await;
    busy.assert_error(
        "busy",
        &[
            "sleep 1000",
            "web-1",
            "has been running for",
            "ssh_input",
            "not sent",
        ],
    );
    let meta = &busy.result["_meta"]["mcp-ssh-sessions/error"];
    assert_eq!(
        (&meta["fate"], &meta["retryable"]),
        (&json!("notSent"), &json!(true))
    );
    let jobs = world.jobs("web").await;
    assert_eq!(jobs[0]["job"], "web-1");
    assert_eq!(jobs[0]["command"], "cd /usr; echo one; sleep 1000");
    // Other commands of the session are not concerned.
    let exec = world
        .call("ssh_exec", json!({"command": "echo beside"}))
        .await;
    assert_eq!(exec.text(), "beside\n");
    world.input("web-1", json!({"signal": "TERM"})).await;
    let end = world.output("web-1", json!({"waitMs": 20000})).await;
    assert_eq!(end.meta("outcome"), "exited", "{}", end.status());
    assert_eq!(end.meta("exitCode"), 143, "{}", end.status());
    assert_eq!(end.meta("shellGeneration"), 1);
    assert_ran(&shell(&world, "pwd").await, 0, "/usr\n", "");
}

#[tokio::test]
async fn a_signal_ends_the_whole_command_and_not_the_shell() {
    let world = World::start().await;
    for signal in ["INT", "TERM", "HUP", "QUIT", "KILL"] {
        let answer = shell_with(
            &world,
            "sleep 1000; sleep 1000; echo no",
            json!({"waitMs": 0}),
        )
        .await;
        let job = answer.meta("job").as_str().unwrap().to_owned();
        testkit::eventually("the command", || !world.processes("sleep 1000").is_empty()).await;
        let (end, took) = timed(async {
            world.input(&job, json!({"signal": signal})).await;
            world.ended(&job).await
        })
        .await;
        assert!(took < Duration::from_secs(4), "{signal}: {took:?}");
        assert_eq!(end.meta("outcome"), "exited", "{signal}: {}", end.status());
        let all = world
            .output(&job, json!({"offsetBytes": 0, "stream": "stdout"}))
            .await;
        assert_eq!(all.text(), "", "{signal}");
        assert_eq!(
            shell(&world, ":").await.meta("shellGeneration"),
            1,
            "{signal}"
        );
    }
    let command = "sh -c 'trap \"echo got\" USR1; while :; do sleep 0.1; done'";
    let answer = shell_with(&world, command, json!({"waitMs": 300})).await;
    let job = answer.meta("job").as_str().unwrap().to_owned();
    world.input(&job, json!({"signal": "USR1"})).await;
    let text = world.try_input(&job, json!({"text": "x\n"})).await;
    text.assert_error("invalidParameter", &["closed"]);
    world.input(&job, json!({"signal": "KILL"})).await;
    world.ended(&job).await;
}

#[tokio::test]
async fn calls_wait_for_their_turn_and_do_not_mix() {
    let world = World::start().await;
    shell(&world, "log=").await;
    let mut calls = Vec::new();
    for number in 0..20 {
        let command = format!("old=$log; sleep 0.02; log=${{old}}{number},; echo $log");
        calls.push(begin(&world, &command, json!({})).await);
    }
    let mut logs = Vec::new();
    for call in calls {
        let answer = call.answer().await;
        assert_eq!(answer.meta("exitCode"), 0, "{}", answer.status());
        logs.push(answer.text().trim_end().to_owned());
    }
    logs.sort_by_key(String::len);
    for (number, pair) in logs.windows(2).enumerate() {
        let one_more = pair[1].strip_prefix(&pair[0]).is_some();
        assert!(
            one_more && pair[0].matches(',').count() == number + 1,
            "{logs:?}"
        );
    }
}

#[tokio::test]
async fn a_call_waits_no_longer_than_it_said() {
    let world = World::start().await;
    shell_with(&world, "sleep 1000", json!({"waitMs": 0})).await;
    let (busy, took) = timed(shell_with(&world, "echo no", json!({"waitMs": 700}))).await;
    busy.assert_error("busy", &["sleep 1000"]);
    assert!(took >= Duration::from_millis(700), "{took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn two_sessions_have_two_shells() {
    let world = World::start().await;
    world.connect("other").await;
    world
        .call("ssh_set_default", json!({"session": "web"}))
        .await;
    shell(&world, "V=web; sleep 1000 & cd /usr").await;
    let other = shell_with(&world, "echo ${V-none}; cd /", json!({"session": "other"})).await;
    assert_ran(&other, 0, "none\n", "");
    assert_ran(&shell(&world, "echo $V; pwd").await, 0, "web\n/usr\n", "");
}
