//! Directories with all that is in them.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::json;

use crate::world::{World, content, mode_and_time, set_mode, set_time};
use testkit::client::text;

/// Two levels, an empty directory, links of every kind, odd names.
fn plant(root: &Path) {
    fs::create_dir_all(root.join("sub/deep")).unwrap();
    fs::create_dir(root.join("empty")).unwrap();
    fs::write(root.join("a"), "a").unwrap();
    fs::write(root.join("sub/zero"), "").unwrap();
    fs::write(root.join("sub/deep/b c\n'd"), content(300_000)).unwrap();
    fs::write(root.join("large"), content(1_500_000)).unwrap();
    symlink("a", root.join("to-a")).unwrap();
    symlink("/etc/passwd", root.join("outside")).unwrap();
    symlink("nowhere", root.join("sub/dangling")).unwrap();
    symlink("sub", root.join("to-sub")).unwrap();
    set_mode(&root.join("sub/deep"), 0o750);
    set_mode(&root.join("a"), 0o640);
    set_time(&root.join("a"), 1_111_111_111);
    set_time(&root.join("empty"), 1_222_222_222);
    set_time(&root.join("sub/deep"), 1_333_333_333);
}

/// Everything below a directory: type and content.
fn listing(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_owned();
            let (mode, time) = mode_and_time(&path);
            lines.push(if path.is_symlink() {
                format!("{name:?} -> {:?}", fs::read_link(&path).unwrap())
            } else if path.is_dir() {
                waiting.push(path.clone());
                format!("{name:?} directory {mode:o} {time}")
            } else {
                let bytes = fs::read(&path).unwrap();
                let sum = bytes
                    .iter()
                    .fold(0_u64, |sum, byte| sum.wrapping_mul(31) + u64::from(*byte));
                format!("{name:?} {mode:o} {time} {} {sum:x}", bytes.len())
            });
        }
    }
    lines.sort();
    lines
}

#[tokio::test]
async fn a_tree_comes_out_as_it_was_both_ways() {
    let mut world = World::start().await;
    fs::create_dir(world.here("tree")).unwrap();
    plant(&world.here("tree"));
    let before = listing(&world.here("tree"));
    let recursive = json!({"recursive": true, "verify": "sha256"});
    let record = world.upload("tree", "copy", recursive.clone()).await;
    assert_eq!(listing(&world.there("copy")), before);
    assert_eq!(
        (&record["files"], &record["directories"], &record["skipped"]),
        (&json!(8), &json!(4), &json!(0)),
        "{record}"
    );
    assert_eq!(record["bytes"], 1_800_001);
    let record = world.download("copy", "back", recursive).await;
    assert_eq!(listing(&world.here("back")), before);
    assert_eq!(
        (&record["files"], &record["directories"]),
        (&json!(8), &json!(4)),
        "{record}"
    );
    assert!(world.litter().is_empty(), "{:?}", world.litter());
}

#[tokio::test]
async fn a_tree_is_merged_into_what_is_there() {
    let mut world = World::start().await;
    fs::create_dir(world.here("tree")).unwrap();
    plant(&world.here("tree"));
    fs::create_dir_all(world.there("copy/sub")).unwrap();
    fs::write(world.there("copy/own"), "own").unwrap();
    fs::write(world.there("copy/a"), "old").unwrap();
    symlink("x", world.there("copy/to-a")).unwrap();
    world
        .upload("tree", "copy", json!({"recursive": true}))
        .await;
    assert_eq!(fs::read(world.there("copy/own")).unwrap(), b"own");
    assert_eq!(fs::read(world.there("copy/a")).unwrap(), b"a");
    assert_eq!(
        fs::read_link(world.there("copy/to-a")).unwrap(),
        Path::new("a")
    );
    fs::write(world.here("tree/own"), "mine").unwrap();
    world
        .download("copy", "tree", json!({"recursive": true}))
        .await;
    assert_eq!(fs::read(world.here("tree/own")).unwrap(), b"own");
    let no = json!({"recursive": true, "overwrite": false});
    world
        .upload_fails("tree", "copy", no.clone(), "remotePathError", &["exists"])
        .await;
    world
        .download_fails("copy", "tree", no, "localPathError", &["exists"])
        .await;
}

#[tokio::test]
async fn a_directory_needs_recursive_and_missing_parents_are_made_with_it() {
    let mut world = World::start().await;
    fs::create_dir(world.here("tree")).unwrap();
    fs::write(world.here("tree/a"), "a").unwrap();
    fs::create_dir(world.there("tree")).unwrap();
    world
        .upload_fails(
            "tree",
            "x",
            json!({}),
            "localPathError",
            &["directory", "recursive: true"],
        )
        .await;
    world
        .download_fails(
            "tree",
            "x",
            json!({}),
            "remotePathError",
            &["directory", "recursive: true"],
        )
        .await;
    world
        .upload("tree", "p/q/r", json!({"recursive": true}))
        .await;
    world
        .upload("tree/a", "s/t/file", json!({"recursive": true}))
        .await;
    world
        .download("p/q", "p/q", json!({"recursive": true}))
        .await;
    world
        .download("s/t/file", "u/v/file", json!({"recursive": true}))
        .await;
    for path in [
        world.there("p/q/r/a"),
        world.there("s/t/file"),
        world.here("p/q/r/a"),
        world.here("u/v/file"),
    ] {
        assert_eq!(fs::read(&path).unwrap(), b"a", "{path:?}");
    }
}

#[tokio::test]
async fn what_is_no_file_is_skipped_counted_and_told() {
    let mut world = World::start().await;
    for root in [world.here("tree"), world.there("tree")] {
        fs::create_dir(&root).unwrap();
        fs::write(root.join("a"), "a").unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(root.join("pipe"))
            .status()
            .unwrap();
        assert!(made.success());
        let odd = std::ffi::OsStr::from_bytes(b"odd\xff");
        fs::write(root.join(odd), "x").unwrap();
    }
    for (tool, arguments) in [
        (
            "ssh_upload",
            world.upload_arguments("tree", "copy", json!({"recursive": true})),
        ),
        (
            "ssh_download",
            world.download_arguments("tree", "copy", json!({"recursive": true})),
        ),
    ] {
        let result = world.client.succeed(tool, arguments).await;
        assert_eq!(result["structuredContent"]["skipped"], 2, "{result}");
        assert_eq!(result["structuredContent"]["files"], 1);
        let said = text(&result);
        assert!(
            said.contains("special file") && said.contains("odd\\xff"),
            "{said}"
        );
    }
    for copy in [world.here("copy"), world.there("copy")] {
        assert_eq!(fs::read_dir(copy).unwrap().count(), 1);
    }
    let arguments = json!({"localPath": world.here("tree/pipe"), "remotePath": world.there("x")});
    world
        .fails("ssh_upload", arguments, "localPathError", &["special file"])
        .await;
    let arguments = json!({"localPath": world.here("x"), "remotePath": world.there("tree/pipe")});
    world
        .fails(
            "ssh_download",
            arguments,
            "remotePathError",
            &["special file"],
        )
        .await;
}

#[tokio::test]
async fn links_on_the_way_lead_nowhere() {
    let mut world = World::start().await;
    for root in [world.here(""), world.there("")] {
        fs::create_dir_all(root.join("tree/sub")).unwrap();
        fs::write(root.join("tree/sub/evil"), "evil").unwrap();
        fs::create_dir(root.join("elsewhere")).unwrap();
        fs::create_dir(root.join("copy")).unwrap();
        symlink(root.join("elsewhere"), root.join("copy/sub")).unwrap();
    }
    let recursive = json!({"recursive": true});
    world
        .upload_fails(
            "tree",
            "copy",
            recursive.clone(),
            "remotePathError",
            &["copy/sub", "link"],
        )
        .await;
    world
        .download_fails(
            "tree",
            "copy",
            recursive,
            "localPathError",
            &["copy/sub", "link"],
        )
        .await;
    for elsewhere in [world.here("elsewhere"), world.there("elsewhere")] {
        assert_eq!(fs::read_dir(elsewhere).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn a_thousand_small_files_arrive() {
    let mut world = World::start().await;
    for directory in 0..10 {
        fs::create_dir_all(world.here(&format!("tree/d{directory}"))).unwrap();
        for file in 0..100 {
            let path = world.here(&format!("tree/d{directory}/f{file}"));
            fs::write(path, content(directory * 100 + file)).unwrap();
        }
    }
    let before = listing(&world.here("tree"));
    let record = world
        .upload("tree", "copy", json!({"recursive": true}))
        .await;
    assert_eq!(
        (&record["files"], &record["directories"]),
        (&json!(1000), &json!(11)),
        "{record}"
    );
    let record = world
        .download("copy", "back", json!({"recursive": true}))
        .await;
    assert_eq!(record["files"], 1000);
    let no_times = |lines: &[String]| {
        lines
            .iter()
            .filter(|line| !line.contains("directory"))
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(no_times(&listing(&world.here("back"))), no_times(&before));
}
