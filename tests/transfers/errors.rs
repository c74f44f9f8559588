//! Failures name the path, the side and the reason. Nothing is left behind.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::world::{World, content, set_mode};
use testkit::eventually;
use testkit::temp_user::TempUser;

#[tokio::test]
async fn paths_that_cannot_be_used_are_named_with_their_side() {
    let mut world = World::start().await;
    fs::write(world.here("a"), "a").unwrap();
    fs::write(world.there("a"), "a").unwrap();
    for root in [world.here("d"), world.there("d")] {
        fs::create_dir_all(root.join("a")).unwrap();
        fs::write(root.join("file"), "x").unwrap();
    }
    let none = || json!({});
    world
        .upload_fails(
            "none",
            "x",
            none(),
            "localPathError",
            &["none", "no such file"],
        )
        .await;
    world
        .download_fails(
            "none",
            "x",
            none(),
            "remotePathError",
            &["none", "no such file"],
        )
        .await;
    world
        .upload_fails(
            "a",
            "p/q/x",
            none(),
            "remotePathError",
            &["no directory", "p/q", "recursive: true"],
        )
        .await;
    world
        .download_fails(
            "a",
            "p/q/x",
            none(),
            "localPathError",
            &["no such directory", "p/q"],
        )
        .await;
    world
        .upload_fails(
            "a",
            "d",
            none(),
            "remotePathError",
            &["d/a", "a directory is in the way"],
        )
        .await;
    world
        .download_fails(
            "a",
            "d",
            none(),
            "localPathError",
            &["d/a", "a directory is in the way"],
        )
        .await;
    world
        .upload_fails("a", "d/file/x", none(), "remotePathError", &["d/file"])
        .await;
    world
        .download_fails("a", "d/file/x", none(), "localPathError", &["d/file"])
        .await;
    let long = "n".repeat(256);
    world
        .upload_fails("a", &long, none(), "remotePathError", &["too long"])
        .await;
    world
        .download_fails("a", &long, none(), "localPathError", &["too long"])
        .await;
    let empty = json!({"localPath": "", "remotePath": world.there("x")});
    world
        .fails("ssh_upload", empty, "localPathError", &["empty"])
        .await;
    let empty = json!({"localPath": world.here("a"), "remotePath": ""});
    world
        .fails("ssh_upload", empty, "remotePathError", &["empty"])
        .await;
    let nul = json!({"localPath": world.here("a"), "remotePath": "/tmp/a\u{0}b"});
    world
        .fails("ssh_upload", nul, "remotePathError", &["NUL"])
        .await;
    assert!(world.litter().is_empty(), "{:?}", world.litter());
}

#[tokio::test]
async fn what_another_user_may_not_do_is_permission_denied() {
    let user = TempUser::create("/bin/sh").expect("this test makes a user, which takes root");
    let mut world = World::start().await;
    world
        .connect("user", json!({"username": user.name()}))
        .await;
    fs::write(world.here("a"), "a").unwrap();
    set_mode(&world.there(""), 0o755);
    fs::write(world.there("secret"), "x").unwrap();
    set_mode(&world.there("secret"), 0o600);
    let session = json!({"session": "user"});
    world
        .upload_fails(
            "a",
            "x",
            session.clone(),
            "remotePathError",
            &["permission denied"],
        )
        .await;
    world
        .download_fails(
            "secret",
            "x",
            session,
            "remotePathError",
            &["secret", "permission denied"],
        )
        .await;
    assert!(!world.there("x").exists() && !world.here("x").exists());
    assert!(world.litter().is_empty(), "{:?}", world.litter());
    // A file that was never made is not promised to be removed.
    let arguments = world.upload_arguments("a", "x", json!({"session": "user"}));
    let result = world.client.call("ssh_upload", arguments).await;
    let said = testkit::client::text(&result);
    assert!(!said.contains("temporary file"), "{said}");
}

/// A small file system of its own; it is unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path, options: &str) -> Self {
        fs::create_dir_all(at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "small"]).arg(at);
        let status = mount.status().expect("mount runs");
        assert!(
            status.success(),
            "this test mounts a file system, which takes root"
        );
        fs::set_permissions(at, fs::Permissions::from_mode(0o755)).unwrap();
        Self(at.to_owned())
    }

    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let mut mount = Command::new("mount");
        let status = mount.args(["-o", &options]).arg(&self.0).status();
        assert!(status.expect("mount runs").success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: whatever still has a file open there lets go of it later.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_full_disk_is_told_and_leaves_the_target_as_it_was() {
    let mut world = World::start().await;
    let there = SmallDisk::mount(&world.there("disk"), "size=2m");
    let here = SmallDisk::mount(&world.here("disk"), "size=2m");
    for disk in [&there, &here] {
        fs::write(disk.0.join("target"), "old").unwrap();
    }
    let big = content(4 * 1024 * 1024);
    fs::write(world.here("big"), &big).unwrap();
    fs::write(world.there("big"), &big).unwrap();
    world
        .upload_fails(
            "big",
            "disk/target",
            json!({}),
            "diskFull",
            &["remote", "no space"],
        )
        .await;
    world
        .download_fails(
            "big",
            "disk/target",
            json!({}),
            "diskFull",
            &["local", "are free"],
        )
        .await;
    for disk in [&there, &here] {
        assert_eq!(fs::read(disk.0.join("target")).unwrap(), b"old");
        let names: Vec<_> = fs::read_dir(&disk.0).unwrap().collect();
        assert_eq!(names.len(), 1, "{names:?}");
    }
    // With `resume` the room is not looked at first, because a part may be there.
    let resume = json!({"resume": true});
    world
        .download_fails("big", "disk/target", resume, "diskFull", &["no space"])
        .await;
    let part = fs::read_dir(&here.0).unwrap().map(Result::unwrap);
    for entry in part.filter(|entry| entry.file_name() != "target") {
        fs::remove_file(entry.path()).unwrap();
    }
    // A tree of small files fills it up just as well.
    fs::create_dir(world.here("many")).unwrap();
    fs::create_dir(world.there("many")).unwrap();
    for file in 0..60 {
        for root in [world.here("many"), world.there("many")] {
            fs::write(root.join(file.to_string()), content(100_000)).unwrap();
        }
    }
    let recursive = json!({"recursive": true});
    world
        .upload_fails(
            "many",
            "disk/many",
            recursive.clone(),
            "diskFull",
            &["remote"],
        )
        .await;
    world
        .download_fails("many", "disk/many", recursive, "diskFull", &["local"])
        .await;
    assert!(world.litter().is_empty(), "{:?}", world.litter());
}

#[tokio::test]
async fn a_read_only_disk_is_told() {
    let mut world = World::start().await;
    let there = SmallDisk::mount(&world.there("disk"), "size=1m");
    let here = SmallDisk::mount(&world.here("disk"), "size=1m");
    there.remount("ro");
    here.remount("ro");
    fs::write(world.here("a"), "a").unwrap();
    fs::write(world.there("a"), "a").unwrap();
    world
        .upload_fails("a", "disk/a", json!({}), "remotePathError", &["read-only"])
        .await;
    world
        .download_fails("a", "disk/a", json!({}), "localPathError", &["read-only"])
        .await;
}

#[tokio::test]
async fn a_host_without_sftp_says_so() {
    for config in [
        "Subsystem sftp /nonexistent/sftp-server",
        "ForceCommand echo hello and nothing else",
    ] {
        let mut world = World::with(config).await;
        fs::write(world.here("a"), "a").unwrap();
        world
            .upload_fails("a", "x", json!({}), "unsupported", &["sftp subsystem"])
            .await;
        world
            .download_fails("a", "x", json!({}), "unsupported", &["sftp subsystem"])
            .await;
    }
}

/// A quota answers alike: the write fails, and the disk has room.
#[tokio::test]
async fn a_limit_on_the_size_of_files_is_told_and_leaves_nothing() {
    let config = "Subsystem sftp trap '' XFSZ; ulimit -f 1024; exec /usr/lib/openssh/sftp-server";
    for size in [200_000, 8_000_000] {
        let mut world = World::with(config).await;
        fs::write(world.here("a"), content(size)).unwrap();
        fs::write(world.there("x"), "old").unwrap();
        if size < 512 * 1024 {
            world.upload("a", "x", json!({})).await;
            assert!(fs::read(world.there("x")).unwrap() == content(size));
            continue;
        }
        let words = ["quota", "limit on the size of files"];
        world
            .upload_fails("a", "x", json!({}), "remotePathError", &words)
            .await;
        assert_eq!(fs::read(world.there("x")).unwrap(), b"old");
        assert!(world.litter().is_empty(), "{:?}", world.litter());
    }
}

#[tokio::test]
async fn an_account_that_may_only_use_sftp_can_do_all_of_it() {
    let mut world = World::with("ForceCommand internal-sftp").await;
    let bytes = content(2_000_000);
    fs::write(world.here("a"), &bytes).unwrap();
    let arguments = world.upload_arguments("a", "b", json!({"verify": "sha256"}));
    let result = world.client.succeed("ssh_upload", arguments).await;
    let said = testkit::client::text(&result);
    assert!(said.contains("reading the file back"), "{said}");
    world.download("b", "c", json!({"verify": "sha256"})).await;
    assert!(fs::read(world.here("c")).unwrap() == bytes);
}

#[tokio::test]
async fn a_single_channel_is_enough() {
    let mut world = World::with("MaxSessions 1").await;
    fs::write(world.here("a"), content(1_000_000)).unwrap();
    world.upload("a", "b", json!({})).await;
    world.download("b", "c", json!({"verify": "sha256"})).await;
    // The warm channel is given back to a command that needs it.
    let result = world
        .client
        .succeed("ssh_exec", json!({"command": "echo free"}))
        .await;
    assert!(testkit::client::text(&result).contains("free"));
}

/// Writes to a file as soon as its copy has begun, until it is told that it was enough.
async fn disturbed(
    world: &mut World,
    tool: &str,
    arguments: Value,
    source: &Path,
    target: &Path,
) -> Value {
    let id = world.client.begin_call(tool, arguments).await;
    let directory = target.parent().unwrap().to_owned();
    eventually("the transfer to begin", || {
        fs::read_dir(&directory).unwrap().any(|entry| {
            let entry = entry.unwrap();
            let is_part = entry.file_name().to_string_lossy().ends_with(".part");
            is_part && entry.metadata().is_ok_and(|metadata| metadata.len() > 0)
        })
    })
    .await;
    let file = fs::OpenOptions::new().append(true).open(source).unwrap();
    std::io::Write::write_all(&mut &file, b"more").unwrap();
    world.client.result(&id).await
}

#[tokio::test]
async fn a_source_that_changes_meanwhile_is_an_error() {
    let mut world = World::start().await;
    let big = content(300_000_000);
    fs::write(world.here("up"), &big).unwrap();
    fs::write(world.there("down"), &big).unwrap();
    drop(big);
    let (source, target) = (world.here("up"), world.there("x"));
    let arguments = world.upload_arguments("up", "x", json!({}));
    let result = disturbed(&mut world, "ssh_upload", arguments, &source, &target).await;
    let said = testkit::client::text(&result);
    assert_eq!(
        testkit::client::error_code(&result),
        "localPathError",
        "{said}"
    );
    assert!(said.contains("changed while it was read"), "{said}");
    let (source, target) = (world.there("down"), world.here("x"));
    let arguments = world.download_arguments("down", "x", json!({}));
    let result = disturbed(&mut world, "ssh_download", arguments, &source, &target).await;
    let said = testkit::client::text(&result);
    assert_eq!(
        testkit::client::error_code(&result),
        "remotePathError",
        "{said}"
    );
    assert!(said.contains("changed while it was read"), "{said}");
    assert!(!world.there("x").exists() && !world.here("x").exists());
    assert!(world.litter().is_empty(), "{:?}", world.litter());
}

#[tokio::test]
async fn a_link_that_leads_in_a_circle_is_told() {
    let mut world = World::start().await;
    symlink("loop", world.here("loop")).unwrap();
    symlink("loop", world.there("loop")).unwrap();
    world
        .upload_fails("loop", "x", json!({}), "localPathError", &["loop"])
        .await;
    world
        .download_fails("loop", "x", json!({}), "remotePathError", &["loop"])
        .await;
}
