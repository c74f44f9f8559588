//! Ends of a shell, and the state of its successor.

use serde_json::json;

use crate::support::{assert_ran, assert_says, shell, shell_with};
use testkit::world::World;

const STATE: &str = "mkdir -p \"$HOME/a 'b'\"; cd \"$HOME/a 'b'\"; umask 027; export A=$'it\\'s\\n\"x\" $y \\\\ \\001'; \
                     B=unexported; f() { :; }; unset LANG_X; export EMPTY=";
const CHECK: &str = "pwd; umask; printf '%s|' \"$A\" \"$B\" \"${EMPTY-none}\"; type f 2>&1; jobs";

#[tokio::test]
async fn the_next_shell_has_directory_umask_and_exported_variables() {
    let world = World::start().await;
    shell(&world, STATE).await;
    let home = shell(&world, "echo $HOME").await.text();
    for (command, said, outcome) in [
        ("exit 3", "exit 3", "exited"),
        ("exec true", "exit 0", "exited"),
        ("kill -9 $$", "killed by SIGKILL", "signaled"),
        ("kill -SEGV $$", "killed by SIGSEGV", "signaled"),
        ("set -e; false", "exit 1", "exited"),
    ] {
        let ended = shell(&world, command).await;
        assert!(!ended.is_error(), "{}", ended.status());
        assert_eq!(ended.meta("outcome"), outcome, "{}", ended.status());
        assert_says(
            &ended,
            &["the shell ended", said, "next ssh_shell starts a new one"],
        );
        let next = shell(&world, CHECK).await;
        let expected = format!("{}/a 'b'\n0027\nit's\n\"x\" $y \\ \\x01||", home.trim_end());
        let text = next.text();
        assert!(text.starts_with(&expected), "{command}: {text}\n{expected}");
        assert!(text.contains("not found"), "functions are lost: {text}");
        assert_eq!(next.meta("shellRestarted"), true, "{}", next.status());
        assert_says(
            &next,
            &["a new shell", said, "restored; functions", "are lost"],
        );
        let after = shell(&world, ":").await;
        assert_eq!(after.meta("shellRestarted"), false, "said once");
        assert_eq!(after.meta("shellGeneration"), next.meta("shellGeneration"));
    }
}

#[tokio::test]
async fn a_first_command_may_be_the_last() {
    let world = World::start().await;
    let ended = shell(&world, "exit 3").await;
    assert_ran(&ended, 3, "", "");
    let next = shell(&world, "echo on").await;
    assert_ran(&next, 0, "on\n", "");
    assert_says(
        &next,
        &["a new shell", "exit 3", "nothing that could be restored"],
    );
}

#[tokio::test]
async fn what_was_unset_stays_unset() {
    let world = World::start().await;
    shell(&world, "unset USER; unset LOGNAME").await;
    shell(&world, "exit").await;
    let next = shell(
        &world,
        "echo ${USER-none} ${LOGNAME-none} ${SSH_CONNECTION:+some}",
    )
    .await;
    assert_ran(&next, 0, "none none some\n", "");
}

#[tokio::test]
async fn a_directory_that_is_gone_is_said() {
    let world = World::start().await;
    shell(
        &world,
        "mkdir \"$HOME/gone\"; cd \"$HOME/gone\"; export A=1",
    )
    .await;
    let ended = shell(&world, "rmdir \"$HOME/gone\"; exit").await;
    assert_says(&ended, &["the shell ended: exit 0"]);
    let next = shell(&world, "echo $A").await;
    assert_ran(&next, 0, "1\n", "");
    assert_says(&next, &["/gone cannot be entered any more"]);
}

#[tokio::test]
async fn output_before_the_end_is_whole() {
    let world = World::start().await;
    let ended = shell(&world, "trap 'echo bye' EXIT; seq 5; echo err >&2; exit 4").await;
    assert_ran(&ended, 4, "1\n2\n3\n4\n5\nbye\n", "err\n");
    let ended = shell(&world, "printf 0123; exit 5").await;
    assert_ran(&ended, 5, "0123", "");
}

#[tokio::test]
async fn a_shell_that_dies_between_two_commands_is_replaced() {
    let world = World::start().await;
    let pid = shell(&world, "cd /usr; echo $$").await.text();
    let command = format!("kill -9 {}", pid.trim());
    let killed = world.call("ssh_exec", json!({"command": command})).await;
    assert_eq!(killed.meta("exitCode"), 0);
    let next = testkit::world::poll("the new shell", async || {
        let answer = shell(&world, "pwd").await;
        (answer.meta("shellRestarted") == true).then_some(answer)
    })
    .await;
    assert_ran(&next, 0, "/usr\n", "");
    assert_says(&next, &["killed by SIGKILL"]);
}

#[tokio::test]
async fn secrets_of_the_environment_stay_where_they_are() {
    let world = World::start().await;
    shell(&world, "export TOKEN_X=sesame-7731").await;
    let ended = shell(&world, "exit").await;
    let next = shell(&world, ":").await;
    let sessions = world.call("ssh_sessions", json!({})).await;
    for answer in [ended, next, sessions] {
        assert!(
            !answer.result.to_string().contains("sesame"),
            "{:?}",
            answer.result
        );
    }
    let store = std::fs::read_to_string(world.sshd.home().join("store.json")).unwrap();
    assert!(!store.contains("sesame"));
    let kept = shell_with(&world, "echo $TOKEN_X", json!({})).await;
    assert_ran(&kept, 0, "sesame-7731\n", "");
}

#[tokio::test]
async fn a_shell_that_exits_with_set_e_on_says_so() {
    let world = World::start().await;
    let on = "exit 1 with set -e on, which ends a shell when a command fails";
    let ended = shell(&world, "cd /usr; export A=1; set -euo pipefail; false").await;
    assert_says(&ended, &[on, "directory and exported variables"]);
    // The option is known from an earlier command too, however that command set it.
    let next = shell(&world, "cd /usr; export A=1; eval 'set -'e").await;
    assert_says(&next, &["a new shell", on]);
    let ended = shell(&world, "true; false").await;
    assert_says(&ended, &[on, "with the last known directory"]);
    assert_ran(&shell(&world, "pwd; echo $A").await, 0, "/usr\n1\n", "");
    for command in ["set -e; exit 3", "set -e; set +e; (exit 4); exit"] {
        let ended = shell(&world, command).await;
        assert_says(&ended, &["the shell ended: exit"]);
        assert!(!ended.status().contains("set -e"), "{}", ended.status());
    }
}
