//! A command that outlives its call: handed over as a job, waited for, answered.

use serde_json::json;

use super::{Outcome, Seen, all, expect, reads};
use crate::demo::stage::Stage;

/// Asks a question after a while, and does what it is told.
const COMMAND: &str = "echo working; sleep 0.3; echo halfway; sleep 0.3; printf 'continue? '; read -r answer; \
                       echo \"answer: $answer\"; exit 4";

/// What it prints before that.
const BEFORE_ANSWER: &str = "working\nhalfway\ncontinue? ";

/// A command of some length, without holding up its caller.
pub(super) async fn long(stage: &Stage) -> Outcome {
    let arguments = json!({"command": COMMAND, "interactive": true, "waitMs": 100});
    let handed_over = stage.client.call("ssh_exec", arguments).await?;
    expect(
        handed_over.field("outcome") == "running",
        "a job that goes on, and what it has printed so far",
        || all(&handed_over),
    )?;
    let job = handed_over
        .field("job")
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let mut printed = handed_over.stream("stdout");
    let look = json!({"job": job, "waitMs": 2000});
    // Each look waits for its time, because the command waits for an answer, and brings what is new.
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
