//! Timeouts, cancelled calls and signals: the command goes, the shell stays.

use std::time::Duration;

use serde_json::json;

use crate::support::{assert_ran, assert_says, begin, shell, shell_with};
use testkit::eventually;
use testkit::world::{World, timed};

/// Commands that run for ever, and the last signal that each takes.
const ENDLESS: &[(&str, &str)] = &[
    ("sleep 1000", "INT"),
    ("sleep 1000; echo no", "INT"),
    ("while :; do sleep 1; done; echo no", "INT"),
    ("while :; do :; done; echo no", "INT"),
    ("until false; do sleep 1000; done; echo no", "INT"),
    ("for i in 1 2 3; do sleep 1000; done; echo no", "INT"),
    ("for ((;;)); do :; done; echo no", "INT"),
    ("g() { while :; do sleep 1; done; }; g; echo no", "INT"),
    (
        "g() { while :; do :; done; }; while :; do g; done; echo no",
        "INT",
    ),
    ("sleep 1000 | cat; echo no", "INT"),
    ("(sleep 1000; echo no); echo no", "INT"),
    ("x=$(sleep 1000); echo no", "INT"),
    ("if sleep 1000; then echo no; else echo no; fi", "INT"),
    ("sleep 1000 & wait; echo no", "TERM"),
    ("eval 'eval \"sleep 1000\"; echo no'; echo no", "INT"),
    (
        "sh -c 'trap \"\" INT; sleep 1000; sleep 1000'; echo no",
        "TERM",
    ),
    (
        "(trap '' INT TERM; sleep 1000; sleep 1000); echo no",
        "KILL",
    ),
    ("yes >/dev/null; echo no", "INT"),
    ("setsid -w sleep 1000; echo no", "INT"),
];

#[tokio::test]
async fn a_command_over_its_time_goes_and_the_shell_stays() {
    let world = World::start().await;
    shell(&world, "cd /usr; V=kept; f() { echo f; }").await;
    for (command, signal) in ENDLESS {
        let (answer, took) = timed(shell_with(&world, command, json!({"timeoutMs": 300}))).await;
        assert_eq!(
            answer.meta("outcome"),
            "timedOut",
            "{command}: {}",
            answer.status()
        );
        assert_says(&answer, &["timed out after 0.30 s", "gone"]);
        assert_eq!(
            answer.meta("signal"),
            *signal,
            "{command}: {}",
            answer.status()
        );
        assert!(
            !answer.text().contains("no\n"),
            "{command}: {}",
            answer.text()
        );
        assert!(took < Duration::from_secs(12), "{command}: {took:?}");
        let next = shell(
            &world,
            "pwd; echo $V; f; shopt extdebug | tr -d ' \\t'; trap -p DEBUG",
        )
        .await;
        assert_ran(&next, 0, "/usr\nkept\nf\nextdebugoff\n", "");
        assert_eq!(
            next.meta("shellGeneration"),
            1,
            "{command}: {}",
            next.status()
        );
        assert!(world.processes("sleep 1000").is_empty(), "{command}");
    }
}

#[tokio::test]
async fn a_shell_that_ignores_signals_is_stopped_all_the_same() {
    let world = World::start().await;
    shell(&world, "cd /usr; V=kept; trap '' INT TERM").await;
    for command in [
        "sleep 1000; echo no",
        "while :; do sleep 1000; done",
        "while :; do :; done",
    ] {
        let answer = shell_with(&world, command, json!({"timeoutMs": 300})).await;
        assert_eq!(
            answer.meta("outcome"),
            "timedOut",
            "{command}: {}",
            answer.status()
        );
        let next = shell(&world, "pwd; echo $V").await;
        assert_ran(&next, 0, "/usr\nkept\n", "");
        assert!(world.processes("sleep 1000").is_empty(), "{command}");
    }
}

#[tokio::test]
async fn what_cannot_be_given_up_takes_the_shell_with_it_and_that_is_said() {
    let world = World::start().await;
    shell(&world, "mkfifo \"$HOME/fifo\"; cd /usr").await;
    let (answer, took) = timed(shell_with(
        &world,
        "read x <\"$HOME/fifo\"; echo no",
        json!({"timeoutMs": 300}),
    ))
    .await;
    assert_eq!(answer.meta("outcome"), "timedOut", "{}", answer.status());
    assert_says(&answer, &["the shell ended"]);
    assert!(took < Duration::from_secs(15), "{took:?}");
    assert_ran(&shell(&world, "pwd").await, 0, "/usr\n", "");
}

#[tokio::test]
async fn background_jobs_of_earlier_commands_are_spared() {
    let world = World::start().await;
    let started = shell(
        &world,
        "sleep 2000 & disown; sleep 2001 & sleep 2002 | cat &",
    )
    .await;
    assert_eq!(started.meta("exitCode"), 0, "{}", started.status());
    let command = "sleep 1000 & sleep 1001";
    let answer = shell_with(&world, command, json!({"timeoutMs": 300})).await;
    assert_says(&answer, &["timed out", "gone"]);
    for (line, left) in [
        ("sleep 1000", 0),
        ("sleep 1001", 0),
        ("sleep 2000", 1),
        ("sleep 2001", 1),
        ("sleep 2002", 1),
    ] {
        assert_eq!(world.processes(line).len(), left, "{line}");
    }
}

#[tokio::test]
async fn a_cancelled_call_stops_its_command() {
    let world = World::start().await;
    shell(&world, "cd /usr").await;
    let call = begin(&world, "sleep 1000; echo no", json!({"waitMs": 50000})).await;
    eventually("the command to start", || {
        !world.processes("sleep 1000").is_empty()
    })
    .await;
    let ((), took) = timed(async {
        world.server.cancel(&call).await;
        eventually("the command to end", || {
            world.processes("sleep 1000").is_empty()
        })
        .await;
    })
    .await;
    assert!(took < Duration::from_secs(3), "{took:?}");
    let next = shell(&world, "pwd").await;
    assert_ran(&next, 0, "/usr\n", "");
    assert_eq!(next.meta("shellGeneration"), 1);
}

#[tokio::test]
async fn a_call_that_is_cancelled_while_it_waits_never_runs() {
    let world = World::start().await;
    let first = shell_with(&world, "sleep 1000", json!({"waitMs": 0})).await;
    let waiting = begin(&world, "touch \"$HOME/canary\"", json!({"waitMs": 50000})).await;
    world.server.cancel(&waiting).await;
    eventually("the command to start", || {
        !world.processes("sleep 1000").is_empty()
    })
    .await;
    let job = first.meta("job").as_str().unwrap().to_owned();
    world.input(&job, json!({"signal": "KILL"})).await;
    let next = shell(&world, "ls \"$HOME\"").await;
    assert_eq!(next.meta("exitCode"), 0, "{}", next.status());
    assert!(!next.text().contains("canary"));
}
