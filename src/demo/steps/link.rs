//! The link: lost during a command, and back for the next command.

use std::fs;
use std::path::Path;

use tokio::time::timeout;

use super::outcome::{Outcome, POLL, Seen, all, exec, expect, one_line, reads};
use crate::demo::stage::Stage;
use crate::limits::DEMO_CALL_TIMEOUT;

/// The link breaks under a running command.
pub(super) async fn lost(stage: &Stage) -> Outcome {
    let cut = async {
        wait_for(&stage.remote.join("runs")).await;
        stage.host.listening.drop_connections();
    };
    let running = exec(stage, "echo first >> runs; exec sleep 1000");
    let (result, ()) = tokio::join!(running, cut);
    let result = result?;
    expect(
        result.is_error()
            && result.error_code() == "connectionLost"
            && result.field("fate") == "unknown",
        "connectionLost, with the fate of the command unknown",
        || all(&result),
    )?;
    Ok(Seen {
        said: "the link was cut under a running command: the agent is told at once, and that its end is \
               unknown"
            .to_owned(),
        reads: reads(&result),
    })
}

/// The next command finds the session connected again, and nothing ran twice.
pub(super) async fn reconnect(stage: &Stage) -> Outcome {
    let result = exec(stage, "echo second >> runs; wc -l < runs").await?;
    expect(
        result.field("exitCode") == 0 && result.stream("stdout").trim() == "2",
        "exit 0 and 2 lines",
        || all(&result),
    )?;
    let lines = fs::read_to_string(stage.remote.join("runs")).unwrap_or_default();
    expect(
        lines == "first\nsecond\n",
        "a file with one line of each command",
        || one_line(&lines),
    )?;
    let connections = stage.host.server.connections();
    expect(connections == 2, "a second connection", || {
        format!("{connections} connections")
    })?;
    Ok(Seen {
        said:
            "the next command found the session connected again; the file has one line of each, so \
               that neither ran twice"
                .to_owned(),
        reads: reads(&result),
    })
}

/// Waits until a file exists; the step fails when the call times out.
async fn wait_for(path: &Path) {
    let there = async {
        while !path.exists() {
            tokio::time::sleep(POLL).await;
        }
    };
    let _ = timeout(DEMO_CALL_TIMEOUT, there).await;
}
