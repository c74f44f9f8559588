//! Sessions: connect, refusal, list, disconnect.

use serde_json::{Value, json};

use super::outcome::{Outcome, Seen, all, expect, reads};
use crate::demo::stage::Stage;

/// The client and the server agree on a version; the server names its tools.
pub(super) async fn handshake(stage: &Stage) -> Outcome {
    let server = stage.client.initialize().await?;
    let list = stage.client.request("tools/list", json!({})).await?;
    let tools = list["tools"].as_array().map_or(&[][..], Vec::as_slice);
    let names: Vec<&str> = tools
        .iter()
        .filter_map(|tool| tool["name"].as_str())
        .collect();
    expect(
        names.contains(&"ssh_connect") && names.contains(&"ssh_exec"),
        "tools named ssh_connect and ssh_exec",
        || format!("{names:?}"),
    )?;
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    Ok(Seen {
        said: format!(
            "{} {} speaks MCP {} and has {} tools",
            text(&server["serverInfo"]["name"]),
            text(&server["serverInfo"]["version"]),
            text(&server["protocolVersion"]),
            names.len()
        ),
        reads: vec![names.join(", ")],
    })
}

/// A session to the known host.
pub(super) async fn connect(stage: &Stage) -> Outcome {
    let arguments = stage.host.arguments.clone();
    let result = stage.client.call("ssh_connect", arguments).await?;
    let record = result.record();
    let source = record["hostKey"]["source"].as_str().unwrap_or_default();
    expect(
        record["state"] == "ready" && record["isDefault"] == true && record["auth"] == "publickey",
        "a ready default session, logged in with the key file",
        || all(&result),
    )?;
    expect(
        source.ends_with("known_hosts:1"),
        "the host key of line 1 of known_hosts",
        || source.to_owned(),
    )?;
    Ok(Seen {
        said: "logged in with a key file; the host proved to have the key of known_hosts, line 1"
            .to_owned(),
        reads: reads(&result).into_iter().take(1).collect(),
    })
}

/// A host whose key is not recorded is refused before any credential is sent.
pub(super) async fn unknown_host_key(stage: &Stage) -> Outcome {
    let arguments = stage.stranger.arguments.clone();
    let result = stage.client.call("ssh_connect", arguments).await?;
    expect(
        result.is_error() && result.error_code() == "hostKeyUnknown",
        "a refusal with code hostKeyUnknown",
        || all(&result),
    )?;
    let (connections, attempts) = (
        stage.stranger.server.connections(),
        stage.stranger.server.auth_attempts(),
    );
    expect(
        connections == 1 && attempts == 0,
        "one connection to that host and no login attempt",
        || format!("{connections} connections and {attempts} attempts"),
    )?;
    Ok(Seen {
        said: "another host, whose key is not in known_hosts, was refused and saw no credential"
            .to_owned(),
        reads: reads(&result),
    })
}

/// The list of sessions.
pub(super) async fn list(stage: &Stage) -> Outcome {
    let result = stage.client.call("ssh_sessions", json!({})).await?;
    let sessions = &result.record()["sessions"];
    expect(
        sessions.as_array().is_some_and(|list| list.len() == 1)
            && sessions[0]["session"] == "demo"
            && sessions[0]["state"] == "ready"
            && sessions[0]["reconnects"] == 1,
        "one session, demo, ready, reconnected once; nothing of the refused host",
        || all(&result),
    )?;
    Ok(Seen {
        said: "one session, reconnected once; the refused host left nothing behind".to_owned(),
        reads: reads(&result),
    })
}

/// The session ends on purpose and stays saved.
pub(super) async fn disconnect(stage: &Stage) -> Outcome {
    let result = stage.client.call("ssh_disconnect", json!({})).await?;
    let list = stage.client.call("ssh_sessions", json!({})).await?;
    expect(
        !result.is_error() && list.record()["sessions"][0]["state"] == "saved",
        "a session that is saved and not connected",
        || format!("{}; {}", all(&result), all(&list)),
    )?;
    Ok(Seen {
        said: "the session ended and stays saved for the next conversation, without any secret"
            .to_owned(),
        reads: reads(&result),
    })
}
