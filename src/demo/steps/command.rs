//! Commands: results, concurrency, time limits, long output.

use std::fs;

use rustix::process::{Pid, test_kill_process};
use serde_json::json;
use tokio::time::timeout;

use super::outcome::{Outcome, POLL, Seen, all, exec, expect, one_line, reads};
use crate::demo::stage::Stage;
use crate::demo::tool_result::ToolResult;
use crate::limits::{DEMO_CALL_TIMEOUT, OUTPUT_DEFAULT_BYTES};

/// Commands that run side by side.
const PARALLEL: usize = 4;

/// A command that fails and prints on both streams.
pub(super) async fn status_and_streams(stage: &Stage) -> Outcome {
    let result = exec(stage, "echo out; echo err >&2; exit 3").await?;
    expect(
        result.field("exitCode") == 3
            && result.stream("stdout") == "out\n"
            && result.stream("stderr") == "err\n"
            && !result.is_error(),
        "exit 3, \"out\" on stdout, \"err\" on stderr, and no tool error",
        || all(&result),
    )?;
    Ok(Seen {
        said: "exit status 3 is a result, not an error; stdout and stderr arrived separately"
            .to_owned(),
        reads: reads(&result),
    })
}

/// Commands that end only if all of them run at once.
pub(super) async fn parallel(stage: &Stage) -> Outcome {
    let wait_for_all = format!(
        "i=0; while set -- here.*; [ $# -lt {PARALLEL} ]; do i=$((i+1)); [ $i -gt 300 ] && exit 1; \
         sleep 0.05; done; echo met $#"
    );
    let one = async |number: usize| {
        let command = format!("echo > here.{number}; {wait_for_all}");
        exec(stage, &command).await
    };
    let (a, b, c, d) = tokio::join!(one(1), one(2), one(3), one(4));
    let results: [ToolResult; PARALLEL] = [a?, b?, c?, d?];
    let met = format!("met {PARALLEL}\n");
    for result in &results {
        expect(
            result.field("exitCode") == 0 && result.stream("stdout") == met,
            "commands that meet each other",
            || all(result),
        )?;
    }
    Ok(Seen {
        said: format!("{PARALLEL} commands of one session waited for each other and met"),
        reads: results
            .iter()
            .take(1)
            .flat_map(reads)
            .chain([format!("… and {} more like it", PARALLEL - 1)])
            .collect(),
    })
}

/// A command that would run too long is ended, and its process is gone.
pub(super) async fn time_limit(stage: &Stage) -> Outcome {
    // The shell survives the signal and records how sleep ended: 128 plus the signal's number.
    let command = "trap : INT TERM; echo $$ > sleeper; sleep 1000; echo $? > slept";
    let arguments = json!({"command": command, "timeoutMs": 1000});
    let result = stage.client.call("ssh_exec", arguments).await?;
    expect(
        result.field("outcome") == "timedOut",
        "a command that timed out",
        || all(&result),
    )?;
    let read = |name| fs::read_to_string(stage.remote.join(name)).unwrap_or_default();
    let (pid, status) = (read("sleeper"), read("slept"));
    let (pid, status) = (pid.trim(), status.trim());
    expect(
        matches!(status, "130" | "143"),
        "a sleep that a signal ended, with status 130 or 143",
        || format!("status {status:?}; {}", all(&result)),
    )?;
    let process = pid.parse().ok().and_then(Pid::from_raw);
    let gone = async |process| {
        while test_kill_process(process).is_ok() {
            tokio::time::sleep(POLL).await;
        }
    };
    let is_gone = match process {
        Some(process) => timeout(DEMO_CALL_TIMEOUT, gone(process)).await.is_ok(),
        None => false,
    };
    expect(is_gone, "the shell of sleep 1000 gone", || {
        format!("process {pid:?} is still there")
    })?;
    Ok(Seen {
        said: format!(
            "sleep 1000 was ended by a signal after a second; its shell, process {pid}, does not exist \
             any more"
        ),
        reads: reads(&result),
    })
}

/// A long output is cut in the middle, and the result says how much is missing.
pub(super) async fn long_output(stage: &Stage) -> Outcome {
    let command = "i=1; while [ $i -le 5000 ]; do echo line $i; i=$((i+1)); done";
    let result = exec(stage, command).await?;
    let shown = result.stream("stdout");
    let total = result.field("stdoutBytes").as_u64().unwrap_or_default();
    let omitted = result.field("omittedBytes").as_u64().unwrap_or_default();
    expect(
        shown.starts_with("line 1\n")
            && shown.ends_with("line 5000\n")
            && shown.len() <= OUTPUT_DEFAULT_BYTES
            && omitted > 0
            && shown.len() as u64 + omitted == total,
        "the first and the last lines, and a count of what is between them",
        || format!("{total} bytes, {} shown, {omitted} left out", shown.len()),
    )?;
    let blocks: Vec<&str> = result.blocks().collect();
    let lines = |block: usize| blocks.get(block).into_iter().flat_map(|text| text.lines());
    Ok(Seen {
        said: format!(
            "of {total} bytes the agent gets {}, from the beginning and from the end, and the size of the rest",
            shown.len()
        ),
        reads: lines(0)
            .chain(lines(1).take(1))
            .chain(["…"])
            .chain(lines(2))
            .chain(["…"])
            .chain(lines(3).last())
            .map(one_line)
            .collect(),
    })
}
