//! A command can be ended whatever happened on its connection before, and nothing else is touched.
//!
//! The servers differ in the variables that they admit and in the SFTP server: sshd's own carries no mark.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use tokio::time::sleep;

use testkit::eventually;
use testkit::sshd::Sshd;
use testkit::world::{World, timed};

/// An external SFTP server.
const PROGRAM: &str = "Subsystem sftp /usr/lib/openssh/sftp-server";
/// The default of Red Hat.
const EXACT_NAMES: &str = "AcceptEnv LANG LC_CTYPE LC_ALL LANGUAGE XMODIFIERS";
/// Admits no variable of ours.
const NONE: &str = "AcceptEnv UNUSED";

async fn world(config: &str) -> World {
    let sshd = Sshd::builder().config(config).start().await;
    World::at(sshd, "").await
}

/// Uploads a file; whether that succeeds depends on the place.
async fn upload(world: &World, place: &Path) -> bool {
    let local = world.sshd.home().join("local");
    std::fs::write(&local, "text").unwrap();
    let arguments = json!({"localPath": local, "remotePath": place});
    let answer = world.call("ssh_upload", arguments).await;
    !answer.is_error()
}

async fn upload_fails(world: &World) {
    assert!(!upload(world, Path::new("/does/not/exist/file")).await);
}

async fn upload_succeeds(world: &World) {
    let place = world.sshd.home().join("uploaded");
    assert!(upload(world, &place).await, "{}", world.sshd.log());
}

/// A fresh command is ended by its timeout, and the host has confirmed the end.
async fn assert_ends(world: &World, line: &str) {
    let arguments = json!({"command": line, "timeoutMs": 300});
    let (answer, took) = timed(world.call("ssh_exec", arguments)).await;
    assert!(
        answer.status().contains("sent INT, gone"),
        "{}",
        answer.status()
    );
    assert_eq!(answer.meta("outcome"), "timedOut");
    assert_eq!(answer.meta("fate"), "completed");
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(world.processes(line), []);
}

/// Runs transfers, background processes and other commands, and ends a fresh command after each.
async fn everything_can_be_ended(config: &str) {
    let world = world(config).await;
    assert_ends(&world, "sleep 1001").await;
    upload_fails(&world).await;
    assert_ends(&world, "sleep 1002").await;
    upload_succeeds(&world).await;
    assert_ends(&world, "sleep 1003").await;
    upload_fails(&world).await;
    assert_ends(&world, "sleep 1004").await;

    let background = "sleep 3000 >/dev/null 2>&1 & echo begun";
    let begun = world.call("ssh_exec", json!({"command": background})).await;
    assert_eq!(begun.meta("exitCode"), 0, "{}", begun.status());
    let older = world.job("sleep 2000", json!({})).await;
    upload_fails(&world).await;
    let younger = world.job("sleep 2001", json!({})).await;
    assert_ends(&world, "sleep 1005").await;
    assert_ends(&world, "sleep 1006; :").await;
    for line in ["sleep 2000", "sleep 2001", "sleep 3000"] {
        assert_eq!(world.processes(line).len(), 1, "{line}");
    }

    signal(&world, &older).await;
    let end = world.ended(&older).await;
    assert_eq!(end.meta("signal"), "TERM", "{}", end.status());
    assert_eq!(world.processes("sleep 2001").len(), 1);
    signal(&world, &younger).await;
    world.ended(&younger).await;
    assert_eq!(world.processes("sleep 3000").len(), 1);
}

async fn signal(world: &World, job: &str) {
    world.input(job, json!({"signal": "TERM"})).await;
}

#[tokio::test]
async fn with_marks() {
    everything_can_be_ended("").await;
}

#[tokio::test]
async fn with_marks_and_an_sftp_server_of_its_own() {
    everything_can_be_ended(PROGRAM).await;
}

#[tokio::test]
async fn with_the_variables_of_red_hat() {
    everything_can_be_ended(&format!("{PROGRAM}\n{EXACT_NAMES}")).await;
}

#[tokio::test]
async fn without_marks() {
    everything_can_be_ended(NONE).await;
}

#[tokio::test]
async fn without_marks_and_with_an_sftp_server_of_its_own() {
    everything_can_be_ended(&format!("{PROGRAM}\n{NONE}")).await;
}

/// A command may empty its environment: it is found because all others have marks.
#[tokio::test]
async fn a_command_without_its_mark_is_ended() {
    let world = world("").await;
    upload_succeeds(&world).await;
    let other = world.job("sleep 2002", json!({})).await;
    let line = "exec env -i PATH=\"$PATH\" sleep 1007";
    let answer = world
        .call("ssh_exec", json!({"command": line, "timeoutMs": 500}))
        .await;
    assert!(
        answer.status().contains("sent INT, gone"),
        "{}",
        answer.status()
    );
    assert_eq!(world.processes("sleep 1007"), []);
    assert_eq!(world.processes("sleep 2002").len(), 1);
    signal(&world, &other).await;
}

/// A server that is stuck when its channel is closed ends unseen, and keeps no other command from being ended.
#[tokio::test]
async fn a_process_may_end_unseen() {
    for config in ["", NONE] {
        let world = world(config).await;
        let other = world.job("sleep 2003", json!({})).await;
        upload_succeeds(&world).await;
        let servers = |world: &World| -> Vec<_> {
            let mut found = world.sshd.commands();
            found.retain(|process| process.command_line().contains("internal-sftp"));
            found
        };
        for server in servers(&world) {
            server.signal(Signal::STOP);
        }
        let local = world.sshd.home().join("local");
        let arguments = json!({"localPath": local, "remotePath": "file"});
        let stuck = world.server.begin("ssh_upload", arguments).await;
        sleep(Duration::from_millis(300)).await;
        world.server.cancel(&stuck).await;
        // Longer than the time that the server is given to exit.
        sleep(Duration::from_millis(1500)).await;
        for server in servers(&world) {
            server.signal(Signal::KILL);
        }
        eventually("the server to end", || servers(&world).is_empty()).await;
        assert_ends(&world, "sleep 1008").await;
        assert_eq!(world.processes("sleep 2003").len(), 1, "{config}");
        signal(&world, &other).await;
    }
}

/// The variable is in the environment of a command where the server admits it, and nowhere else.
#[tokio::test]
async fn the_mark_is_seen_by_the_command_alone() {
    let print = "env | grep -c LC_MCP_SSH; env | grep '^XMODIFIERS'";
    let rows = [("", "1\n"), (NONE, "0\n")];
    for (config, expected) in rows {
        let world = world(config).await;
        let answer = world.call("ssh_exec", json!({"command": print})).await;
        assert_eq!(answer.text(), expected, "{config}");
    }
    let world = world(EXACT_NAMES).await;
    let answer = world.call("ssh_exec", json!({"command": print})).await;
    assert!(
        answer
            .text()
            .starts_with("1\nXMODIFIERS=@im=none@LC_MCP_SSH="),
        "{}",
        answer.text()
    );
}

/// The SFTP channel of a transfer is closed when it has been idle for long.
#[tokio::test]
async fn after_an_idle_sftp_channel() {
    let (default, none) = (world("").await, world(NONE).await);
    for world in [&default, &none] {
        upload_succeeds(world).await;
        world.job("sleep 2004", json!({})).await;
    }
    sleep(Duration::from_secs(35)).await;
    for world in [&default, &none] {
        assert_ends(world, "sleep 1009").await;
        assert_eq!(world.processes("sleep 2004").len(), 1);
    }
}
