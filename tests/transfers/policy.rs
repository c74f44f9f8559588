//! Local paths that are out of reach.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn nothing_is_written_where_it_would_run_code_or_add_tools() {
    let mut world = World::start().await;
    let home = world.client.home();
    let home = home.path().to_owned();
    fs::create_dir_all(home.join(".ssh")).unwrap();
    fs::write(home.join(".ssh/authorized_keys"), "mine").unwrap();
    symlink(home.join(".ssh"), home.join("innocent")).unwrap();
    fs::write(home.join("dotfile"), "mine").unwrap();
    symlink(home.join("dotfile"), home.join(".bashrc")).unwrap();
    fs::write(world.there("evil"), "evil").unwrap();
    for path in [
        "~/.ssh/authorized_keys",
        "~/.ssh/new",
        "~/.ssh",
        "~/innocent/authorized_keys",
        "~/innocent",
        "~/dotfile",
        "~/.bashrc",
        "~/.profile",
        "~/.zshenv",
        "~/.claude.json",
        "~/.claude/settings.json",
        "~/.cursor/mcp.json",
        "~/.codex/config.toml",
        "~/project/.mcp.json",
        "~/.ssh-mcp-sessions.json",
        "~/x/../.ssh/config",
    ] {
        let arguments =
            json!({"localPath": path, "remotePath": world.there("evil"), "recursive": true});
        world
            .fails(
                "ssh_download",
                arguments,
                "localPathError",
                &["not written"],
            )
            .await;
    }
    assert_eq!(
        fs::read(home.join(".ssh/authorized_keys")).unwrap(),
        b"mine"
    );
    assert_eq!(fs::read(home.join("dotfile")).unwrap(), b"mine");
    assert_eq!(fs::read_dir(home.join(".ssh")).unwrap().count(), 1);
}

#[tokio::test]
async fn a_tree_cannot_bring_such_a_file_either() {
    let mut world = World::start().await;
    let home = world.client.home();
    let home = home.path().to_owned();
    fs::create_dir_all(world.there("tree/.ssh")).unwrap();
    fs::write(world.there("tree/.ssh/authorized_keys"), "evil").unwrap();
    fs::write(world.there("tree/harmless"), "x").unwrap();
    let arguments = json!({"localPath": "~", "remotePath": world.there("tree"), "recursive": true});
    world
        .fails(
            "ssh_download",
            arguments,
            "localPathError",
            &[".ssh", "not written"],
        )
        .await;
    assert!(!home.join("harmless").exists() && !home.join(".ssh/authorized_keys").exists());
    // The store's own file is unchanged.
    assert!(home.join(".ssh-mcp-sessions.json").is_file());
}

#[tokio::test]
async fn private_keys_are_not_uploaded() {
    let mut world = World::start().await;
    let home = world.client.home();
    let home = home.path().to_owned();
    fs::create_dir_all(home.join(".ssh")).unwrap();
    let key = world.sshd.user_key_path();
    fs::copy(&key, world.here("innocent.txt")).unwrap();
    fs::write(home.join(".ssh/id_other"), "unknown format").unwrap();
    fs::write(home.join(".ssh/id_other.pub"), "public").unwrap();
    symlink(home.join(".ssh/id_other"), world.here("link")).unwrap();
    world
        .upload_fails(
            "innocent.txt",
            "x",
            json!({}),
            "localPathError",
            &["private key"],
        )
        .await;
    world
        .upload_fails("link", "x", json!({}), "localPathError", &["~/.ssh"])
        .await;
    let arguments = json!({"localPath": "~/.ssh/id_other", "remotePath": world.there("x")});
    world
        .fails("ssh_upload", arguments, "localPathError", &["~/.ssh"])
        .await;
    assert!(!world.there("x").exists());
    let arguments = json!({"localPath": "~/.ssh/id_other.pub", "remotePath": world.there("x.pub")});
    world.client.succeed("ssh_upload", arguments).await;
    // In a tree the file is left out, and the report says so.
    fs::create_dir(world.here("tree")).unwrap();
    fs::copy(&key, world.here("tree/key")).unwrap();
    fs::write(world.here("tree/a"), "a").unwrap();
    let record = world
        .upload("tree", "copy", json!({"recursive": true}))
        .await;
    assert_eq!(
        (&record["files"], &record["skipped"]),
        (&json!(1), &json!(1)),
        "{record}"
    );
    assert!(!world.there("copy/key").exists());
}

#[tokio::test]
async fn a_local_root_bounds_both_directions() {
    let mut world = World::with_arguments(&["--local-root", "HERE/here/root"]).await;
    fs::create_dir(world.here("root")).unwrap();
    fs::write(world.here("root/a"), "a").unwrap();
    fs::write(world.here("b"), "b").unwrap();
    symlink(world.here("b"), world.here("root/link")).unwrap();
    symlink(world.here(""), world.here("root/up")).unwrap();
    world.upload("root/a", "a", json!({})).await;
    world.download("a", "root/c", json!({})).await;
    for path in ["b", "root/link", "root/up/b", "root/../b"] {
        world
            .upload_fails(path, "x", json!({}), "localPathError", &["--local-root"])
            .await;
    }
    for path in ["d", "root/up/d", "root/../d"] {
        world
            .download_fails("a", path, json!({}), "localPathError", &["--local-root"])
            .await;
    }
    assert!(!world.there("x").exists() && !world.here("d").exists());
}
