//! State that lasts from command to command, and the texts of results.

use serde_json::json;

use crate::support::{assert_ran, assert_says, shell, shell_with, stream};
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

#[tokio::test]
async fn lines_are_counted_from_the_command_s_own_first_line() {
    let world = World::start().await;
    let script = "echo $LINENO\n\ncat <<X\n$LINENO\nX\nno_such_command_x\necho $LINENO";
    for _ in 0..2 {
        let answer = shell(&world, script).await;
        assert_eq!(stream(&answer, "stdout"), "1\n3\n7\n");
        let error = "bash: line 6: no_such_command_x: command not found\n";
        assert_eq!(stream(&answer, "stderr"), error);
    }
    shell(&world, "\nf() {\n  echo $LINENO\n}").await;
    let answer = shell(
        &world,
        "f; echo $LINENO; set -eu -x; shopt -s expand_aliases",
    )
    .await;
    assert_eq!(stream(&answer, "stdout"), "3\n1\n");
    let answer = shell(&world, "set +x\necho $LINENO").await;
    assert_eq!(stream(&answer, "stdout"), "2\n");
    let answer = shell(&world, "set +eu\nif").await;
    let said = stream(&answer, "stderr");
    assert!(said.contains("line 3: syntax error"), "{said}");
    // A number that cannot be set does not disturb the next command.
    let answer = shell(&world, "readonly LINENO").await;
    assert_ran(&answer, 0, "", "");
    let answer = shell(&world, "echo on").await;
    assert_ran(&answer, 0, "on\n", "");
}

#[tokio::test]
async fn cwd_changes_the_directory_of_the_shell_first() {
    let world = World::start().await;
    let place = shell(
        &world,
        "mkdir -p \"$HOME/a 'b'/-\"; cd \"$HOME/a 'b'\"; pwd; cd /",
    )
    .await;
    let place = place.text().trim_end().to_owned();
    let answer = shell_with(&world, "pwd; echo $LINENO", json!({"cwd": "~/a 'b'"})).await;
    assert_ran(&answer, 0, &format!("{place}\n1\n"), "");
    assert_eq!(answer.meta("cwd"), place.as_str());
    let answer = shell_with(&world, "pwd", json!({"cwd": "-"})).await;
    assert_ran(&answer, 0, &format!("{place}/-\n"), "");
    // A shell in which a failed command is the end, with traces and a function in the way.
    shell(&world, "cd() { echo mine; }; export CDPATH=/; set -eux").await;
    for missing in ["/no/such/place", "usr"] {
        let answer = shell_with(&world, "touch ran", json!({"cwd": missing})).await;
        answer.assert_error("remotePathError", &[missing, "No such file", "not run"]);
    }
    let answer = shell_with(&world, "ls", json!({"cwd": ".."})).await;
    assert_eq!(stream(&answer, "stdout"), "-\n");
    assert_eq!(answer.meta("shellGeneration"), 1, "{}", answer.status());
    let answer = shell_with(&world, "pwd; set +eux", json!({})).await;
    assert_eq!(stream(&answer, "stdout"), format!("{place}\n"));
    let answer = shell_with(&world, "true", json!({"cwd": "a\0b"})).await;
    answer.assert_error("invalidParameter", &["NUL"]);
}
