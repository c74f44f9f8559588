//! Lost connections, reconnects, the end of the session and of the server.

use rustix::process::Signal;
use serde_json::json;

use crate::support::{assert_ran, assert_says, begin, shell, shell_with};
use testkit::eventually;
use testkit::world::{Answer, World};

/// A directory, an exported variable and one that is not. The shell tells of them right behind the answer; by the
/// end of another command that is here.
async fn prepare(world: &World) {
    shell(world, "cd /usr; export A=1; B=2").await;
    shell(world, ":").await;
}

/// The reconnect goes on in the background: a call on a session that is down waits for it.
async fn restored(world: &World) -> Answer {
    let next = shell(world, "pwd; echo $A ${B-none}").await;
    assert_ran(&next, 0, "/usr\n1 none\n", "");
    assert_eq!(next.meta("shellRestarted"), true, "{}", next.status());
    assert_eq!(next.meta("shellGeneration"), 2);
    next
}

#[tokio::test]
async fn a_link_that_is_lost_under_a_command_leaves_its_fate_unknown() {
    let world = World::start().await;
    prepare(&world).await;
    let call = begin(&world, "echo begun; sleep 1000", json!({"waitMs": 50000})).await;
    eventually("the command", || !world.processes("sleep 1000").is_empty()).await;
    // Its output is on its way by then, and may be lost with the link.
    world.sshd.kill_sessions().await;
    let lost = call.answer().await;
    lost.assert_error("connectionLost", &["connection lost", "not run again"]);
    assert_eq!(lost.meta("fate"), "unknown");
    assert!("begun\n".starts_with(&lost.text()), "{:?}", lost.text());
    let next = restored(&world).await;
    assert_says(&next, &["a new shell", "the connection was lost"]);
}

#[tokio::test]
async fn a_link_that_is_lost_between_two_commands_costs_what_was_not_exported() {
    let world = World::start().await;
    prepare(&world).await;
    world.sshd.kill_sessions().await;
    restored(&world).await;
}

#[tokio::test]
async fn a_reconnect_keeps_what_a_new_shell_can_have() {
    let world = World::start().await;
    prepare(&world).await;
    let answer = world.call("ssh_reconnect", json!({})).await;
    assert!(!answer.is_error(), "{}", answer.status());
    let next = restored(&world).await;
    assert_says(&next, &["the shell was ended by ssh_reconnect"]);
}

#[tokio::test]
async fn a_disconnect_ends_the_shell_and_the_next_one_says_so() {
    let world = World::start().await;
    prepare(&world).await;
    let running = shell_with(&world, "sleep 1000", json!({"waitMs": 0})).await;
    assert_eq!(running.meta("outcome"), "running");
    let answer = world.call("ssh_disconnect", json!({})).await;
    assert_eq!(
        answer.field("endedJobs"),
        &json!(["web-3"]),
        "{}",
        answer.status()
    );
    assert!(world.processes("sleep 1000").is_empty());
    let next = restored(&world).await;
    assert_eq!(next.meta("reconnected"), true);
    assert_says(
        &next,
        &["a new shell", "the shell was ended by ssh_disconnect"],
    );
}

#[tokio::test]
async fn a_name_that_is_given_to_another_host_gets_nothing_of_the_shell_before() {
    let world = World::start().await;
    prepare(&world).await;
    world.call("ssh_disconnect", json!({})).await;
    let port = world.sshd.port();
    let other = json!({"host": "test", "port": port, "name": "web"});
    let answer = world.call("ssh_connect", other).await;
    assert!(!answer.is_error(), "{}", answer.status());
    let next = shell_with(&world, "echo ${A-none}", json!({"session": "web"})).await;
    assert_ran(&next, 0, "none\n", "");
    assert_eq!(next.meta("shellRestarted"), false);
}

#[tokio::test]
async fn nothing_is_left_of_a_shell_when_the_server_ends() {
    for command in [
        ":",
        "sleep 1000",
        "while :; do sleep 1000; done",
        "trap '' INT TERM; sleep 1000",
    ] {
        let world = World::start().await;
        shell(&world, ":").await;
        shell_with(&world, command, json!({"waitMs": 0})).await;
        let server = world.server.process();
        server.signal(Signal::TERM);
        eventually("the server to end", || !server.is_alive()).await;
        eventually("its shell to end", || world.sshd.commands().is_empty()).await;
    }
}
