//! A command that takes longer than its call: it becomes a job, is waited for, and gets an answer on stdin.

use serde_json::json;

use super::outcome::{Outcome, Seen, all, expect, reads};
use crate::demo::stage::Stage;

/// Asks a question after a while, and prints the answer.
const COMMAND: &str = "echo working; sleep 0.3; echo halfway; sleep 0.3; printf 'continue? '; read -r answer; \
                       echo \"answer: $answer\"; exit 4";

/// The output before the answer.
const BEFORE_ANSWER: &str = "working\nhalfway\ncontinue? ";

/// A command that takes longer than its call.
pub(super) async fn long(stage: &Stage) -> Outcome {
    let arguments = json!({"command": COMMAND, "interactive": true, "waitMs": 100});
    let handed_over = stage.client.call("ssh_exec", arguments).await?;
    expect(
        handed_over.field("outcome") == "running",
        "a running job, and its output so far",
        || all(&handed_over),
    )?;
    let job = handed_over
        .field("job")
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let mut printed = handed_over.stream("stdout");
    let look = json!({"job": job, "waitMs": 2000});
    // Each call waits until its time is over, because the command waits for an answer, and returns the new output.
    let look = loop {
        let look = stage.client.call("ssh_output", look.clone()).await?;
        printed.push_str(&look.stream("stdout"));
        if printed.len() >= BEFORE_ANSWER.len() || look.field("outcome") != "running" {
            break look;
        }
    };
    expect(
        printed == BEFORE_ANSWER,
        "every line once, up to the question",
        || format!("{printed:?}; {}", all(&look)),
    )?;
    let answer = json!({"job": job, "text": "yes\n", "closeInput": true});
    stage.client.call("ssh_input", answer).await?;
    let wait = json!({"job": job, "waitMs": 20000});
    let end = stage.client.call("ssh_output", wait).await?;
    expect(
        end.field("exitCode") == 4 && end.stream("stdout") == "answer: yes\n",
        "exit 4 after the answer",
        || all(&end),
    )?;
    Ok(Seen {
        said: format!(
            "a command that takes longer than its call became the job {job}; its question was seen, answered, \
             and its end told"
        ),
        reads: [&handed_over, &look, &end]
            .into_iter()
            .flat_map(reads)
            .collect(),
    })
}
