//! Waits, progress, stopping, and other calls meanwhile.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::world::{World, content};
use testkit::client::text;
use testkit::eventually;

const META: &str = "mcp-ssh-sessions/result";

/// A transfer that takes a while: over a link with a delay.
async fn slow_upload(world: &mut World, megabytes: usize, more: Value) -> Value {
    fs::write(world.here("big"), content(megabytes * 1_000_000)).unwrap();
    let link = &world.link.as_ref().expect("a link").link;
    link.set_delay(Duration::from_millis(20));
    let mut arguments = world.upload_arguments("big", "big", more);
    arguments["waitMs"] = json!(0);
    let record = world.client.succeed("ssh_upload", arguments).await;
    assert_eq!(record["structuredContent"]["state"], "running", "{record}");
    record["structuredContent"].clone()
}

#[tokio::test]
async fn a_transfer_over_its_wait_goes_on_as_a_job() {
    let mut world = World::linked().await;
    let record = slow_upload(&mut world, 60, json!({})).await;
    let job = record["job"].as_str().unwrap().to_owned();
    assert!(job.starts_with("web-"), "{job}");
    let sessions = world.client.succeed("ssh_sessions", json!({})).await;
    let listed = &sessions["structuredContent"]["sessions"][0]["jobs"][0];
    assert_eq!(listed["job"], job.as_str());
    assert!(
        listed["command"].as_str().unwrap().starts_with("upload "),
        "{listed}"
    );
    let end = world
        .client
        .succeed("ssh_output", json!({"job": job, "waitMs": 25000}))
        .await;
    let meta = &end["_meta"][META];
    assert_eq!(meta["outcome"], "exited", "{end}");
    assert_eq!(
        (&meta["state"], &meta["bytes"]),
        (&json!("done"), &json!(60_000_000)),
        "{end}"
    );
    assert!(text(&end).starts_with("uploaded "), "{end}");
    assert!(fs::read(world.there("big")).unwrap() == content(60_000_000));
    // The report can be requested again.
    let again = world
        .client
        .succeed("ssh_output", json!({"job": job}))
        .await;
    assert_eq!(again["_meta"][META]["state"], "done");
}

#[tokio::test]
async fn a_job_is_stopped_by_a_signal_and_leaves_nothing() {
    let mut world = World::linked().await;
    let record = slow_upload(&mut world, 200, json!({})).await;
    let job = record["job"].as_str().unwrap().to_owned();
    world
        .client
        .succeed("ssh_input", json!({"job": job, "signal": "TERM"}))
        .await;
    let started = Instant::now();
    let end = world
        .client
        .succeed("ssh_output", json!({"job": job, "waitMs": 20000}))
        .await;
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(end["_meta"][META]["outcome"], "cancelled", "{end}");
    assert!(!world.there("big").exists());
    eventually("the temporary file to be removed", || {
        world.litter().is_empty()
    })
    .await;
}

#[tokio::test]
async fn a_cancelled_call_stops_and_leaves_nothing() {
    for tool in ["ssh_upload", "ssh_download"] {
        let mut world = World::linked().await;
        let link = &world.link.as_ref().expect("a link").link;
        link.set_delay(Duration::from_millis(20));
        fs::write(world.here("up"), content(200_000_000)).unwrap();
        fs::write(world.there("down"), content(200_000_000)).unwrap();
        let arguments = match tool {
            "ssh_upload" => world.upload_arguments("up", "target", json!({})),
            _ => world.download_arguments("down", "target", json!({})),
        };
        let id = world.client.begin_call(tool, arguments).await;
        eventually("the transfer to begin", || !world.litter().is_empty()).await;
        let parameters = json!({"requestId": id, "reason": "a test"});
        world
            .client
            .notify("notifications/cancelled", parameters)
            .await;
        let started = Instant::now();
        eventually("everything to be removed", || world.litter().is_empty()).await;
        assert!(
            started.elapsed() < Duration::from_secs(3),
            "{:?}",
            started.elapsed()
        );
        assert!(!world.there("target").exists() && !world.here("target").exists());
        let result = world
            .client
            .succeed("ssh_exec", json!({"command": "echo alive"}))
            .await;
        assert!(text(&result).contains("alive"));
    }
}

#[tokio::test]
async fn progress_is_told_at_most_once_a_second_and_grows() {
    let mut world = World::linked().await;
    let link = &world.link.as_ref().expect("a link").link;
    link.set_delay(Duration::from_millis(30));
    fs::write(world.here("big"), content(300_000_000)).unwrap();
    let parameters = json!({
        "name": "ssh_upload",
        "arguments": world.upload_arguments("big", "big", json!({"waitMs": 50000})),
        "_meta": {"progressToken": "p"},
    });
    let started = Instant::now();
    let id = world.client.begin("tools/call", parameters).await;
    let mut told = Vec::new();
    loop {
        let message = world.client.next().await.expect("the server lives");
        if message["method"] == "notifications/progress" {
            let note = &message["params"];
            assert_eq!(note["total"], 300_000_000.0, "{note}");
            told.push(note["progress"].as_f64().unwrap());
        }
        if message["id"] == id {
            assert_ne!(message["result"]["isError"], true, "{message}");
            break;
        }
    }
    assert!(!told.is_empty());
    assert!(told.is_sorted_by(|a, b| a < b), "{told:?}");
    assert!(
        told.len() as u64 <= started.elapsed().as_secs() + 1,
        "{told:?}"
    );
}

#[tokio::test]
async fn other_calls_stay_fast_meanwhile() {
    let mut world = World::start().await;
    fs::write(world.here("big"), content(600_000_000)).unwrap();
    let mut arguments = world.upload_arguments("big", "big", json!({}));
    arguments["waitMs"] = json!(0);
    let record = world.client.succeed("ssh_upload", arguments).await;
    let job = record["structuredContent"]["job"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut slowest = Duration::ZERO;
    let mut calls = 0;
    loop {
        let started = Instant::now();
        world
            .client
            .succeed("ssh_exec", json!({"command": "true"}))
            .await;
        slowest = slowest.max(started.elapsed());
        calls += 1;
        let state = world
            .client
            .succeed("ssh_output", json!({"job": job}))
            .await;
        if state["_meta"][META]["state"] == "done" {
            break;
        }
    }
    assert!(calls > 3, "{calls}");
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    assert!(world.client.peak_memory() < 140 * 1024 * 1024);
}

#[tokio::test]
async fn several_transfers_share_a_session() {
    let mut world = World::start().await;
    let mut calls = Vec::new();
    for number in 0..8 {
        fs::write(
            world.here(&format!("f{number}")),
            content(5_000_000 + number),
        )
        .unwrap();
        let arguments =
            world.upload_arguments(&format!("f{number}"), &format!("f{number}"), json!({}));
        calls.push(world.client.begin_call("ssh_upload", arguments).await);
    }
    for (number, id) in calls.iter().enumerate() {
        let result = world.client.result(id).await;
        assert_ne!(result["isError"], true, "{result}");
        assert!(
            fs::read(world.there(&format!("f{number}"))).unwrap() == content(5_000_000 + number)
        );
    }
}

#[tokio::test]
async fn the_end_of_the_program_leaves_nothing_behind() {
    let mut world = World::linked().await;
    let _ = slow_upload(&mut world, 200, json!({})).await;
    eventually("the transfer to begin", || !world.litter().is_empty()).await;
    world.client.close_input();
    eventually("the temporary file to be removed", || {
        world.litter().is_empty()
    })
    .await;
    assert!(!world.there("big").exists());
}

#[tokio::test]
async fn channels_of_a_transfer_give_way_to_commands() {
    // With four channels the transfer would take them all, but for the one that ends commands.
    let mut world = World::linked_with("MaxSessions 4").await;
    let record = slow_upload(&mut world, 300, json!({})).await;
    let job = record["job"].as_str().unwrap().to_owned();
    eventually("the transfer to begin", || !world.litter().is_empty()).await;
    for _ in 0..3 {
        let started = Instant::now();
        let result = world
            .client
            .succeed("ssh_exec", json!({"command": "echo there"}))
            .await;
        assert!(text(&result).contains("there"), "{result}");
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "{:?}",
            started.elapsed()
        );
    }
    let end = world
        .client
        .succeed("ssh_output", json!({"job": job, "waitMs": 25000}))
        .await;
    assert_eq!(end["_meta"][META]["state"], "done", "{end}");
    assert!(fs::read(world.there("big")).unwrap() == content(300_000_000));
}
