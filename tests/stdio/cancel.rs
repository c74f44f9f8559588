//! Calls that their client gives up.

use serde_json::json;

use super::{END_LIMIT, connected, gone_within, running};
use testkit::bounded;
use testkit::client::{Client, modern, stream};

#[tokio::test]
async fn a_cancelled_command_is_ended_and_not_answered() {
    let (host, mut client) = connected().await;
    let id = client
        .begin_call("ssh_exec", json!({"command": "exec sleep 3600"}))
        .await;
    let process = running(&host, "sleep 3600").await;
    client
        .notify(
            "notifications/cancelled",
            json!({"requestId": id, "reason": "enough"}),
        )
        .await;
    gone_within(process, END_LIMIT).await;
    // Its session and its id are free.
    let result = client
        .succeed("ssh_exec", json!({"command": "echo on"}))
        .await;
    assert_eq!(stream(&result, "stdout"), "on\n");
    no_job_left(&mut client).await;
    let ended = client.finish().await;
    assert!(ended.answers(&id).is_empty(), "{:?}", ended.messages);
}

/// The job is let go as soon as it was seen that its process group is gone.
async fn no_job_left(client: &mut Client) {
    let waiting = async {
        loop {
            let result = client.succeed("ssh_sessions", json!({})).await;
            let session = &result["structuredContent"]["sessions"][0];
            if session["jobs"] == json!([]) {
                return;
            }
        }
    };
    bounded("the end of the job", waiting).await;
}

#[tokio::test]
async fn a_cancelled_command_of_the_modern_era_is_too() {
    let (host, mut client) = connected().await;
    let call = json!({"name": "ssh_exec", "arguments": {"command": "exec sleep 3600"}});
    let id = client.begin("tools/call", modern(call)).await;
    let process = running(&host, "sleep 3600").await;
    client
        .notify("notifications/cancelled", modern(json!({"requestId": id})))
        .await;
    gone_within(process, END_LIMIT).await;
    let ended = client.finish().await;
    assert!(ended.answers(&id).is_empty(), "{:?}", ended.messages);
}

#[tokio::test]
async fn cancelling_one_call_leaves_the_others_alone() {
    let (host, mut client) = connected().await;
    let kept = client
        .begin_call("ssh_exec", json!({"command": "exec sleep 3599"}))
        .await;
    let given_up = client
        .begin_call("ssh_exec", json!({"command": "exec sleep 3600"}))
        .await;
    let (kept_process, process) = (
        running(&host, "sleep 3599").await,
        running(&host, "sleep 3600").await,
    );
    client
        .notify("notifications/cancelled", json!({"requestId": given_up}))
        .await;
    gone_within(process, END_LIMIT).await;
    assert!(kept_process.is_alive());
    client
        .notify("notifications/cancelled", json!({"requestId": kept}))
        .await;
    gone_within(kept_process, END_LIMIT).await;
    assert!(client.finish().await.status.success());
}
