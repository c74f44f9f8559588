//! One file, both ways: whole, right, and with its mode and times.

use std::fs;
use std::os::unix::fs::{FileExt, symlink};

use serde_json::json;

use crate::world::{World, content, mode_and_time, set_mode, set_time};
use testkit::client::{error_code, text};

const BLOCK: usize = 255 * 1024;

#[tokio::test]
async fn files_of_every_size_arrive_byte_for_byte() {
    let mut world = World::start().await;
    for size in [
        0,
        1,
        32_767,
        32_768,
        BLOCK - 1,
        BLOCK,
        BLOCK + 1,
        3 * BLOCK + 5,
    ] {
        let bytes = content(size);
        fs::write(world.here("up"), &bytes).unwrap();
        let record = world
            .upload("up", "file", json!({"verify": "sha256"}))
            .await;
        assert_eq!(record["state"], "done");
        assert_eq!(record["bytes"], size, "{record}");
        assert_eq!(record["totalBytes"], size, "{record}");
        assert_eq!(record["files"], 1);
        assert_eq!(record["verified"], "sha256");
        assert_eq!(record["resumed"], false);
        assert!(
            fs::read(world.there("file")).unwrap() == bytes,
            "up, {size} bytes"
        );
        let record = world
            .download("file", "down", json!({"verify": "sha256"}))
            .await;
        assert_eq!(
            (&record["bytes"], &record["verified"]),
            (&json!(size), &json!("sha256"))
        );
        assert!(
            fs::read(world.here("down")).unwrap() == bytes,
            "down, {size} bytes"
        );
    }
    assert!(world.litter().is_empty(), "{:?}", world.litter());
}

#[tokio::test]
async fn modes_and_times_are_kept_and_mode_overrides() {
    let mut world = World::start().await;
    fs::write(world.here("a"), "a").unwrap();
    set_time(&world.here("a"), 1_000_000_007);
    set_mode(&world.here("a"), 0o4751);
    world.upload("a", "b", json!({})).await;
    // Modes that would run with the rights of another user are not carried over.
    assert_eq!(mode_and_time(&world.there("b")), (0o751, 1_000_000_007));
    set_mode(&world.there("b"), 0o640);
    world.download("b", "c", json!({})).await;
    assert_eq!(mode_and_time(&world.here("c")), (0o640, 1_000_000_007));
    world.upload("a", "d", json!({"mode": "0600"})).await;
    world.download("b", "d", json!({"mode": "444"})).await;
    assert_eq!(mode_and_time(&world.there("d")).0, 0o600);
    assert_eq!(mode_and_time(&world.here("d")).0, 0o444);
    let arguments = world.upload_arguments("a", "e", json!({"mode": "rw"}));
    world
        .fails("ssh_upload", arguments, "invalidParameter", &["octal"])
        .await;
}

#[tokio::test]
async fn a_directory_takes_the_file_in() {
    let mut world = World::start().await;
    fs::create_dir(world.there("into")).unwrap();
    fs::create_dir(world.here("into")).unwrap();
    symlink(world.there("into"), world.there("link")).unwrap();
    fs::write(world.here("a"), "a").unwrap();
    let record = world.upload("a", "into", json!({})).await;
    let path = world.there("into/a");
    assert_eq!(record["remotePath"], path.to_str().unwrap());
    world.upload("a", "link/", json!({"overwrite": true})).await;
    let record = world.download("into/a", "into", json!({})).await;
    assert_eq!(
        record["localPath"],
        world
            .here("into/a")
            .canonicalize()
            .unwrap()
            .to_str()
            .unwrap()
    );
    assert_eq!(fs::read(world.here("into/a")).unwrap(), b"a");
    // A name with a final slash is a directory or an error.
    world
        .upload_fails(
            "a",
            "none/",
            json!({}),
            "remotePathError",
            &["no such directory"],
        )
        .await;
    world
        .download_fails(
            "into/a",
            "none/",
            json!({}),
            "localPathError",
            &["no such directory"],
        )
        .await;
}

#[tokio::test]
async fn what_is_there_is_replaced_or_left_alone() {
    let mut world = World::start().await;
    fs::write(world.here("new"), "new").unwrap();
    fs::write(world.there("old"), "a longer old one").unwrap();
    fs::write(world.here("mine"), "a longer old one").unwrap();
    let no = json!({"overwrite": false});
    world
        .upload_fails("new", "old", no.clone(), "remotePathError", &["exists"])
        .await;
    world
        .download_fails("old", "mine", no.clone(), "localPathError", &["exists"])
        .await;
    assert_eq!(fs::read(world.there("old")).unwrap(), b"a longer old one");
    world.upload("new", "old", json!({})).await;
    world.download("old", "mine", json!({})).await;
    assert_eq!(fs::read(world.there("old")).unwrap(), b"new");
    assert_eq!(fs::read(world.here("mine")).unwrap(), b"new");
    world.upload("new", "fresh", no.clone()).await;
    world.download("old", "fresh", no).await;
    assert!(world.litter().is_empty(), "{:?}", world.litter());
}

#[tokio::test]
async fn a_link_at_the_target_is_replaced_and_not_followed() {
    let mut world = World::start().await;
    fs::write(world.here("new"), "new").unwrap();
    for side in [world.there("x"), world.here("x")] {
        let directory = side.parent().unwrap();
        fs::write(directory.join("precious"), "precious").unwrap();
        symlink(directory.join("precious"), directory.join("link")).unwrap();
        symlink("nowhere", directory.join("dangling")).unwrap();
    }
    fs::write(world.there("new"), "new").unwrap();
    for name in ["link", "dangling"] {
        world.upload("new", name, json!({})).await;
        world.download("new", name, json!({})).await;
        for path in [world.there(name), world.here(name)] {
            assert!(
                !path.is_symlink() && fs::read(&path).unwrap() == b"new",
                "{path:?}"
            );
        }
    }
    for path in [world.there("precious"), world.here("precious")] {
        assert_eq!(fs::read(path).unwrap(), b"precious");
    }
}

#[tokio::test]
async fn names_are_taken_as_they_are() {
    let mut world = World::start().await;
    let names = [
        "with space",
        "quo'te\"s",
        "new\nline",
        "-rf",
        "$(touch x)`id`",
        "*?[a]",
        "back\\slash",
        "ünï\u{202e}cödé",
        "~",
        ".hidden",
        &"n".repeat(255),
        "a.part",
    ];
    for name in names {
        fs::write(world.here(name), name).unwrap();
        let check = json!({"verify": "sha256"});
        world.upload(name, name, check.clone()).await;
        assert_eq!(fs::read(world.there(name)).unwrap(), name.as_bytes());
        fs::remove_file(world.here(name)).unwrap();
        world.download(name, name, check).await;
        assert_eq!(fs::read(world.here(name)).unwrap(), name.as_bytes());
    }
    // A large one goes through a command on the host.
    let bytes = content(900_000);
    fs::write(world.here("-big\n'\"$x"), &bytes).unwrap();
    let arguments =
        world.upload_arguments("-big\n'\"$x", "-big\n'\"$x", json!({"verify": "sha256"}));
    let result = world.client.succeed("ssh_upload", arguments).await;
    let said = testkit::client::text(&result);
    assert!(said.contains("on the host by sha256sum"), "{said}");
    assert!(fs::read(world.there("-big\n'\"$x")).unwrap() == bytes);
}

#[tokio::test]
async fn relative_and_home_paths_start_in_the_login_directory() {
    let user = testkit::temp_user::TempUser::create("/bin/sh");
    let user = user.expect("this test makes a user, which takes root");
    let mut world = World::start().await;
    world
        .connect("user", json!({"username": user.name()}))
        .await;
    fs::write(world.here("a"), "a").unwrap();
    for remote in [
        "one",
        "./two",
        "~/three",
        "~",
        &format!("~{}/four", user.name()),
    ] {
        let arguments =
            json!({"session": "user", "localPath": world.here("a"), "remotePath": remote});
        world.client.succeed("ssh_upload", arguments).await;
    }
    for name in ["one", "two", "three", "a", "four"] {
        assert_eq!(fs::read(user.home().join(name)).unwrap(), b"a", "{name}");
    }
}

#[tokio::test]
async fn five_gigabytes_of_nothing_arrive_too() {
    let mut world = World::start().await;
    const SIZE: u64 = 5 * 1024 * 1024 * 1024;
    let file = fs::File::create(world.here("sparse")).unwrap();
    file.set_len(SIZE).unwrap();
    file.write_all_at(b"middle", 4 * 1024 * 1024 * 1024 + 17)
        .unwrap();
    let mut arguments = world.upload_arguments("sparse", "sparse", json!({"waitMs": 50000}));
    arguments["waitMs"] = json!(50000);
    let id = world.client.begin_call("ssh_upload", arguments).await;
    let result = loop {
        // Longer than one bounded wait: the answer comes after up to 50 s.
        if let Some(message) = world.client.next().await
            && message["id"] == id
        {
            break message["result"].clone();
        }
    };
    assert_ne!(result["isError"], true, "{result}");
    let there = fs::File::open(world.there("sparse")).unwrap();
    assert_eq!(there.metadata().unwrap().len(), SIZE);
    let mut middle = [0; 8];
    there
        .read_exact_at(&mut middle, 4 * 1024 * 1024 * 1024 + 16)
        .unwrap();
    assert_eq!(&middle, b"\0middle\0");
}

#[tokio::test]
async fn files_that_claim_to_be_empty_are_read_to_their_end() {
    let mut world = World::start().await;
    let expected = fs::read("/proc/version").unwrap();
    let arguments = json!({"localPath": "/proc/version", "remotePath": world.there("up")});
    world.client.succeed("ssh_upload", arguments).await;
    let arguments =
        json!({"localPath": world.here("down"), "remotePath": "/proc/version", "verify": "sha256"});
    world.client.succeed("ssh_download", arguments).await;
    assert_eq!(fs::read(world.there("up")).unwrap(), expected);
    assert_eq!(fs::read(world.here("down")).unwrap(), expected);
}

/// The host hashes the file at that moment: a file that changes at each reading never compares.
#[tokio::test]
async fn what_does_not_compare_leaves_the_target_as_it_was() {
    let mut world = World::start().await;
    fs::write(world.here("target"), "old").unwrap();
    let arguments = json!({
        "remotePath": "/proc/sys/kernel/random/uuid",
        "localPath": world.here("target"),
        "verify": "sha256",
    });
    let result = world.client.call("ssh_download", arguments).await;
    assert_eq!(error_code(&result), "verifyFailed", "{}", text(&result));
    assert_eq!(fs::read(world.here("target")).unwrap(), b"old");
}

#[tokio::test]
async fn a_reader_sees_the_old_bytes_or_the_new_ones() {
    let mut world = World::start().await;
    let versions = [content(700_000), content(900_001)];
    for (index, version) in versions.iter().enumerate() {
        fs::write(world.here(&format!("v{index}")), version).unwrap();
    }
    fs::write(world.there("target"), &versions[0]).unwrap();
    let (target, known) = (world.there("target"), versions.clone());
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = std::sync::Arc::clone(&stop);
    let reading = std::thread::spawn(move || {
        let mut reads = 0;
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            let seen = fs::read(&target).unwrap();
            assert!(known.contains(&seen), "a mixture of {} bytes", seen.len());
            reads += 1;
        }
        reads
    });
    for round in 0..20 {
        world
            .upload(&format!("v{}", round % 2), "target", json!({}))
            .await;
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(reading.join().unwrap() > 20);
}
