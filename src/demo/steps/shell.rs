//! The session's shell: its state lasts between calls, and a new shell replaces a shell that has ended.

use serde_json::json;

use super::outcome::{Outcome, Seen, all, expect, reads};
use crate::demo::client::ClientError;
use crate::demo::stage::Stage;
use crate::demo::tool_result::ToolResult;

/// Directory, variables and functions last from call to call; a shell that ends is replaced, which the result says.
pub(super) async fn shell(stage: &Stage) -> Outcome {
    in_shell(
        stage,
        "cd /; name=world; export PLACE=here; greet() { echo \"hello $name\"; }",
    )
    .await?;
    let lasting = in_shell(stage, "greet; pwd").await?;
    expect(
        lasting.stream("stdout") == "hello world\n/\n",
        "the function, the variable and the directory of the call before",
        || all(&lasting),
    )?;
    let open = in_shell(stage, "echo 'open").await?;
    expect(
        open.field("exitCode") == 2 || open.field("exitCode") == 1,
        "a syntax error",
        || all(&open),
    )?;
    let ended = in_shell(stage, "exit 3").await?;
    expect(
        ended.field("exitCode") == 3 && !ended.is_error(),
        "exit 3 and a remark that the shell ended",
        || all(&ended),
    )?;
    let next = in_shell(stage, "pwd; echo $PLACE").await?;
    expect(
        next.stream("stdout") == "/\nhere\n" && next.field("shellRestarted") == true,
        "a new shell in the old directory, with the exported variable",
        || all(&next),
    )?;
    Ok(Seen {
        said: "directory, variables and functions lasted from call to call, an open quote harmed nothing; \
               after exit 3 a new shell had the directory and the exported variable again, and said what \
               was lost"
            .to_owned(),
        reads: [&lasting, &ended, &next].into_iter().flat_map(reads).collect(),
    })
}

/// Runs a command with `ssh_shell`.
async fn in_shell(stage: &Stage, command: &str) -> Result<ToolResult, ClientError> {
    let arguments = json!({"command": command});
    stage.client.call("ssh_shell", arguments).await
}
