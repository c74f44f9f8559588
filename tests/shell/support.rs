//! Calls of `ssh_shell` and their results.

use serde_json::{Value, json};

use testkit::world::{Answer, Pending, World};

/// A command in the shell of the default session.
pub(crate) async fn shell(world: &World, command: &str) -> Answer {
    shell_with(world, command, json!({})).await
}

/// The same with further parameters.
pub(crate) async fn shell_with(world: &World, command: &str, more: Value) -> Answer {
    begin(world, command, more).await.answer().await
}

/// Sends a call and does not wait for it.
pub(crate) async fn begin(world: &World, command: &str, more: Value) -> Pending {
    let mut arguments = json!({"command": command});
    for (name, value) in more.as_object().expect("parameters") {
        arguments[name] = value.clone();
    }
    world.server.begin("ssh_shell", arguments).await
}

/// Output of the host on one stream.
pub(crate) fn stream(answer: &Answer, name: &str) -> String {
    let blocks = answer.streams().into_iter();
    blocks
        .filter(|(stream, _)| stream == name)
        .map(|(_, text)| text)
        .collect()
}

/// Asserts an exit status and both streams.
#[track_caller]
pub(crate) fn assert_ran(answer: &Answer, status: u64, stdout: &str, stderr: &str) {
    assert_eq!(
        answer.meta("exitCode"),
        status,
        "{}\n{}",
        answer.status(),
        answer.text()
    );
    assert_eq!(stream(answer, "stdout"), stdout, "{}", answer.status());
    assert_eq!(stream(answer, "stderr"), stderr, "{}", answer.status());
}

/// Asserts that the status line holds all of these words.
#[track_caller]
pub(crate) fn assert_says(answer: &Answer, words: &[&str]) {
    for word in words {
        assert!(
            answer.status().contains(word),
            "{word:?}: {}",
            answer.status()
        );
    }
}
