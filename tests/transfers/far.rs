//! Long links, where round trips are saved: early temporary files, further channels, the end in one step.

use std::fs;

use serde_json::json;

use crate::world::{World, content, mode_and_time, set_mode, set_time};
use testkit::eventually;

const MEBIBYTE: usize = 1024 * 1024;

#[tokio::test]
async fn files_arrive_whole_with_mode_and_time() {
    let mut world = World::far("").await;
    for (round, size) in [0, 1, 255 * 1024, 5 * MEBIBYTE, 24 * MEBIBYTE + 7]
        .into_iter()
        .enumerate()
    {
        let bytes = content(size);
        fs::write(world.here("source.bin"), &bytes).unwrap();
        set_mode(&world.here("source.bin"), 0o640);
        set_time(&world.here("source.bin"), 1_400_000_000);
        // A name like the source's, one with its ending, and one that tells nothing.
        for target in ["source.bin", "other.bin", "plain"] {
            let verify = if round % 2 == 0 { "sha256" } else { "size" };
            let record = world
                .upload("source.bin", target, json!({"verify": verify}))
                .await;
            assert_eq!(record["bytes"], size, "{record}");
            let there = world.there(target);
            assert!(fs::read(&there).unwrap() == bytes, "{target}, {size} bytes");
            assert_eq!(mode_and_time(&there), (0o640, 1_400_000_000));
        }
    }
    assert!(world.litter().is_empty(), "{:?}", world.litter());
}

#[tokio::test]
async fn a_directory_with_a_file_s_name_gets_the_file_into_it() {
    let mut world = World::far("").await;
    fs::create_dir(world.there("app.bin")).unwrap();
    for size in [10, 6 * MEBIBYTE] {
        let bytes = content(size);
        fs::write(world.here("app.bin"), &bytes).unwrap();
        world.upload("app.bin", "app.bin", json!({})).await;
        assert!(fs::read(world.there("app.bin/app.bin")).unwrap() == bytes);
        assert!(world.litter().is_empty(), "{:?}", world.litter());
    }
    let names = fs::read_dir(world.there("")).unwrap().count();
    assert_eq!(names, 1, "nothing is left beside the directory");
}

#[tokio::test]
async fn errors_are_those_of_a_short_link() {
    let mut world = World::far("").await;
    fs::write(world.here("a.bin"), content(5 * MEBIBYTE)).unwrap();
    fs::write(world.there("old.bin"), "old").unwrap();
    let keep = json!({"overwrite": false});
    let words = ["exists already"];
    world
        .upload_fails("a.bin", "old.bin", keep, "remotePathError", &words)
        .await;
    assert_eq!(fs::read(world.there("old.bin")).unwrap(), b"old");
    let words = ["no directory", "recursive"];
    world
        .upload_fails("a.bin", "no/a.bin", json!({}), "remotePathError", &words)
        .await;
    world
        .upload("a.bin", "no/a.bin", json!({"recursive": true}))
        .await;
    fs::create_dir_all(world.there("dir.bin/a.bin")).unwrap();
    let words = ["a directory is in the way"];
    world
        .upload_fails("a.bin", "dir.bin", json!({}), "remotePathError", &words)
        .await;
    eventually("the early file to be removed", || world.litter().is_empty()).await;
}

#[tokio::test]
async fn zeros_at_the_end_and_holes_arrive() {
    let mut world = World::far("").await;
    let mut bytes = content(5 * MEBIBYTE);
    bytes.resize(12 * MEBIBYTE, 0);
    fs::write(world.here("zeros.bin"), &bytes).unwrap();
    world.upload("zeros.bin", "zeros.bin", json!({})).await;
    assert!(fs::read(world.there("zeros.bin")).unwrap() == bytes);
}

#[tokio::test]
async fn a_server_with_few_channels_gets_the_file_over_those() {
    for sessions in ["MaxSessions 2", "MaxSessions 4"] {
        let mut world = World::far(sessions).await;
        let bytes = content(30 * MEBIBYTE);
        for _ in 0..2 {
            world.there_and_back(&bytes).await;
        }
    }
}

#[tokio::test]
async fn resume_goes_on_over_all_channels() {
    let mut world = World::far("").await;
    let bytes = content(60 * MEBIBYTE);
    fs::write(world.here("a.bin"), &bytes).unwrap();
    let call = world.upload_arguments("a.bin", "a.bin", json!({"resume": true}));
    let link = world.link.as_ref().expect("a link").link.clone();
    let id = world.client.begin_call("ssh_upload", call.clone()).await;
    let arrived = || {
        let mut sizes = world
            .litter()
            .into_iter()
            .filter_map(|path| fs::metadata(path).ok());
        sizes.any(|file| file.len() > 20 * MEBIBYTE as u64)
    };
    eventually("a part to arrive", arrived).await;
    link.cut();
    world.client.result(&id).await;
    let result = world.client.succeed("ssh_upload", call).await;
    assert_eq!(result["structuredContent"]["resumed"], true, "{result}");
    assert!(fs::read(world.there("a.bin")).unwrap() == bytes);
    assert!(world.litter().is_empty(), "{:?}", world.litter());
}
