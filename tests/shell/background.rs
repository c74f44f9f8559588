//! Processes that a command leaves in the background.

use std::time::Duration;

use serde_json::json;

use crate::support::{assert_ran, assert_says, shell, stream};
use testkit::world::{Answer, World, poll, timed};

const BACKGROUND_META: &str = "mcp-ssh-sessions/background";

fn background(answer: &Answer) -> String {
    let blocks = answer.result["content"].as_array().unwrap().iter();
    blocks
        .filter(|block| block["_meta"][BACKGROUND_META].is_object())
        .map(|block| block["text"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_job_that_holds_the_streams_delays_nothing() {
    let world = World::start().await;
    let (answer, took) = timed(shell(&world, "sleep 1000 & echo here; (exit 5)")).await;
    assert_ran(&answer, 5, "here\n", "");
    assert!(took < Duration::from_secs(5), "{took:?}");
    let (ended, took) = timed(shell(&world, "echo last; exit 6")).await;
    assert_ran(&ended, 6, "last\n", "");
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(world.processes("sleep 1000").len(), 1, "it lives on");
}

#[tokio::test]
async fn what_comes_late_is_shown_apart_from_the_next_output() {
    let world = World::start().await;
    let dir = shell(&world, "cd \"$HOME\"; pwd").await.text();
    let go = std::path::Path::new(dir.trim_end()).join("go");
    let done = std::path::Path::new(dir.trim_end()).join("done");
    let answer = shell(
        &world,
        "(while [ ! -e go ]; do sleep 0.02; done; echo late; echo later >&2; touch done) &",
    )
    .await;
    assert_ran(&answer, 0, "", "");
    std::fs::write(go, "").unwrap();
    testkit::eventually("the background job", || done.exists()).await;
    // It has been written; its way here is short, and a probe behind it comes later.
    let seen = poll("the late output", async || {
        let answer = shell(&world, "echo mine").await;
        assert_eq!(answer.meta("exitCode"), 0, "{}", answer.status());
        let late = background(&answer);
        (!late.is_empty()).then_some((answer, late))
    })
    .await;
    let (answer, late) = seen;
    assert_eq!(late, "late\nlater\n");
    assert_eq!(stream(&answer, "stdout"), "mine\n");
    assert_says(
        &answer,
        &["background processes had printed 11 bytes", "shown last"],
    );
    assert_eq!(background(&shell(&world, ":").await), "", "shown once");
}

#[tokio::test]
async fn much_that_comes_late_is_bounded() {
    let world = World::start().await;
    shell(&world, "(sleep 0.1; seq 1 100000) &").await;
    let answer = poll("the late output", async || {
        let answer = world
            .call("ssh_exec", json!({"command": "sleep 0.3"}))
            .await;
        assert_eq!(answer.meta("exitCode"), 0);
        let answer = shell(&world, ":").await;
        (!background(&answer).is_empty()).then_some(answer)
    })
    .await;
    assert!(background(&answer).len() <= 4096);
    assert!(answer.text().is_empty() || answer.meta("exitCode") == 0);
}
