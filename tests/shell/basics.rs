//! State that lasts from command to command, and the texts of results.

use serde_json::json;

use crate::support::{assert_ran, assert_says, shell, shell_with};
use testkit::world::World;

#[tokio::test]
async fn everything_lasts_from_command_to_command() {
    let world = World::start().await;
    let first = shell(
        &world,
        "cd /usr; A=1; export B=2; f() { echo f \"$@\"; }; set -f; umask 027",
    )
    .await;
    assert_ran(&first, 0, "", "");
    assert_eq!(first.meta("cwd"), "/usr");
    assert_eq!(first.meta("shellGeneration"), 1);
    assert_eq!(first.meta("shellRestarted"), false);
    assert_eq!(first.meta("fate"), "completed");
    let pid = shell(&world, "echo $$").await.text();
    let second = shell(&world, "pwd; echo $A $B; f x; umask; echo *; echo $$").await;
    assert_ran(&second, 0, &format!("/usr\n1 2\nf x\n0027\n*\n{pid}"), "");
    assert_says(&second, &["exit 0 in", "session web", "cwd /usr"]);
    let sessions = world.call("ssh_sessions", json!({})).await;
    assert_eq!(sessions.field("sessions")[0]["shellCwd"], "/usr");
}

#[tokio::test]
async fn statuses_and_streams_are_those_of_the_command() {
    let world = World::start().await;
    let answer = shell(&world, "echo out; echo err >&2; (exit 3)").await;
    assert_ran(&answer, 3, "out\n", "err\n");
    assert!(!answer.is_error());
    let answer = shell(&world, "nonexistent_command_x").await;
    assert_eq!(answer.meta("exitCode"), 127);
    assert_says(&answer, &["exit 127"]);
    let answer = shell_with(&world, "", json!({})).await;
    answer.assert_error("invalidParameter", &["command is empty"]);
    let answer = shell_with(&world, "a\0b", json!({})).await;
    answer.assert_error("invalidParameter", &["NUL"]);
}
