//! Links that are cut in the middle, and going on from there.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{World, content, set_time};
use testkit::client::{error_code, text};
use testkit::eventually;

const SIZE: usize = 120_000_000;

/// Begins a transfer over a slow link and cuts the link when some data has arrived.
async fn cut(world: &mut World, tool: &str, arguments: Value) -> Value {
    let link = world.link.as_ref().expect("a link").link.clone();
    link.set_delay(Duration::from_millis(20));
    let id = world.client.begin_call(tool, arguments).await;
    let arrived = || {
        let sizes = world.litter().into_iter();
        sizes
            .filter_map(|path| fs::metadata(path).ok())
            .any(|file| file.len() > 40_000_000)
    };
    eventually("a part to arrive", arrived).await;
    link.cut();
    link.set_delay(Duration::ZERO);
    world.client.result(&id).await
}

fn arguments(world: &World, tool: &str, more: Value) -> Value {
    match tool {
        "ssh_upload" => world.upload_arguments("source", "target", more),
        _ => world.download_arguments("source", "target", more),
    }
}

fn plant(world: &World, bytes: &[u8]) {
    for path in [world.here("source"), world.there("source")] {
        fs::write(&path, bytes).unwrap();
        set_time(&path, 1_500_000_000);
    }
    for path in [world.here("target"), world.there("target")] {
        fs::write(path, "old").unwrap();
    }
}

#[tokio::test]
async fn a_cut_link_leaves_the_target_as_it_was() {
    for tool in ["ssh_upload", "ssh_download"] {
        let mut world = World::linked().await;
        plant(&world, &content(SIZE));
        let call = arguments(&world, tool, json!({}));
        let result = cut(&mut world, tool, call).await;
        assert_eq!(error_code(&result), "connectionLost", "{}", text(&result));
        for path in [world.here("target"), world.there("target")] {
            assert_eq!(fs::read(path).unwrap(), b"old");
        }
        // Files that could not be removed over the old link are removed over the next one.
        let swept = || world.litter().is_empty();
        eventually("the session to come back and clean up", swept).await;
        let call = arguments(&world, tool, json!({}));
        world.client.succeed(tool, call).await;
    }
}

#[tokio::test]
async fn resume_goes_on_where_the_link_was_cut() {
    for tool in ["ssh_upload", "ssh_download"] {
        let mut world = World::linked().await;
        let bytes = content(SIZE);
        plant(&world, &bytes);
        let call = arguments(&world, tool, json!({"resume": true}));
        let result = cut(&mut world, tool, call.clone()).await;
        assert_eq!(error_code(&result), "connectionLost", "{}", text(&result));
        assert!(text(&result).contains("resume: true"), "{}", text(&result));
        assert_eq!(world.litter().len(), 1);
        let result = world.client.succeed(tool, call).await;
        let record = &result["structuredContent"];
        assert_eq!(record["resumed"], true, "{}", text(&result));
        assert_eq!(record["bytes"], SIZE);
        assert!(
            text(&result).contains("from an earlier call"),
            "{}",
            text(&result)
        );
        let target = match tool {
            "ssh_upload" => world.there("target"),
            _ => world.here("target"),
        };
        assert!(fs::read(target).unwrap() == bytes, "{tool}");
        assert!(world.litter().is_empty(), "{:?}", world.litter());
    }
}

#[tokio::test]
async fn a_source_that_changed_since_is_copied_anew() {
    for tool in ["ssh_upload", "ssh_download"] {
        // Another time shows the change, and where the time is the same the content does.
        for (time, words) in [
            (1_600_000_000, "source changed"),
            (1_500_000_000, "not the beginning"),
        ] {
            let mut world = World::linked().await;
            let mut bytes = content(SIZE);
            plant(&world, &bytes);
            let call = arguments(&world, tool, json!({"resume": true}));
            let result = cut(&mut world, tool, call.clone()).await;
            assert_eq!(error_code(&result), "connectionLost", "{}", text(&result));
            bytes[5] ^= 1;
            for path in [world.here("source"), world.there("source")] {
                fs::write(&path, &bytes).unwrap();
                set_time(&path, time);
            }
            let result = world.client.succeed(tool, call).await;
            assert_eq!(
                result["structuredContent"]["resumed"],
                false,
                "{}",
                text(&result)
            );
            assert!(text(&result).contains(words), "{}", text(&result));
            let target = match tool {
                "ssh_upload" => world.there("target"),
                _ => world.here("target"),
            };
            assert!(fs::read(target).unwrap() == bytes, "{tool}");
            assert!(world.litter().is_empty(), "{:?}", world.litter());
        }
    }
}

#[tokio::test]
async fn a_link_that_was_dead_before_is_replaced_first() {
    let mut world = World::linked().await;
    fs::write(world.here("source"), "new").unwrap();
    world.link.as_ref().expect("a link").link.cut();
    world.upload("source", "target", json!({})).await;
    assert_eq!(fs::read(world.there("target")).unwrap(), b"new");
}

#[tokio::test]
async fn a_server_that_is_killed_is_a_lost_link() {
    let mut world = World::linked().await;
    plant(&world, &content(SIZE));
    let link = world.link.as_ref().expect("a link").link.clone();
    link.set_delay(Duration::from_millis(20));
    let call = arguments(&world, "ssh_upload", json!({}));
    let id = world.client.begin_call("ssh_upload", call).await;
    eventually("a part to arrive", || !world.litter().is_empty()).await;
    world.sshd.kill_sessions().await;
    link.set_delay(Duration::ZERO);
    let result = world.client.result(&id).await;
    assert_eq!(error_code(&result), "connectionLost", "{}", text(&result));
    assert_eq!(fs::read(world.there("target")).unwrap(), b"old");
    eventually("the session to come back and clean up", || {
        world.litter().is_empty()
    })
    .await;
}
