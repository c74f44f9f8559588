//! Calls of tools: refusals, and that each answer belongs to its call.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::connected;
use testkit::client::{Client, error_code, stream, text};
use testkit::host::Host;

const INVALID_PARAMS: i64 = -32602;
const INVALID_REQUEST: i64 = -32600;

#[tokio::test]
async fn a_call_before_the_handshake_is_refused_and_the_handshake_still_works() {
    let mut client = Client::builder().start();
    let parameters = json!({"name": "ssh_sessions", "arguments": {}});
    let answer = client.request("tools/call", parameters).await;
    assert!(answer["error"]["code"].is_i64(), "{answer}");
    client.initialize().await;
    client.succeed("ssh_sessions", json!({})).await;
    assert!(client.finish().await.status.success());
}

#[tokio::test]
async fn a_tool_that_is_not_there_is_a_protocol_error_with_its_name() {
    let mut client = Client::builder().start();
    client.initialize().await;
    let parameters = json!({"name": "ssh_nothing", "arguments": {}});
    let answer = client.request("tools/call", parameters).await;
    assert_eq!(answer["error"]["code"], INVALID_PARAMS, "{answer}");
    assert!(
        answer["error"]["message"]
            .to_string()
            .contains("ssh_nothing")
    );
}

#[tokio::test]
async fn a_call_of_the_wrong_shape_is_not_an_unknown_method() {
    let mut client = Client::builder().start();
    client.initialize().await;
    let shapes = [
        json!({"name": "ssh_sessions", "arguments": []}),
        json!({"name": "ssh_sessions", "arguments": "{}"}),
        json!({"arguments": {}}),
        json!({"name": 5}),
        json!({}),
    ];
    for parameters in shapes {
        let answer = client.request("tools/call", parameters.clone()).await;
        let code = &answer["error"]["code"];
        assert_eq!(code, INVALID_PARAMS, "{parameters}: {answer}");
    }
    let answer = client
        .request("tools/call", json!({"name": "ssh_sessions"}))
        .await;
    assert!(answer["result"].is_object(), "{answer}");
}

/// A tool, its arguments, and words that the error must hold.
type Refusal = (&'static str, Value, &'static [&'static str]);

fn refusals() -> Vec<Refusal> {
    let exec = |name: &str, value: Value| {
        let mut arguments = json!({"command": "true"});
        arguments[name] = value;
        arguments
    };
    let connect = |host: &str, port: u64| json!({"host": host, "port": port});
    let (exec_tool, connect_tool) = ("ssh_exec", "ssh_connect");
    vec![
        (exec_tool, exec("comand", json!("x")), &["comand", "waitMs"]),
        (exec_tool, json!({}), &["command"]),
        (exec_tool, json!({"command": null}), &["command"]),
        (
            exec_tool,
            exec("waitMs", json!(50_001)),
            &["waitMs", "50001", "50000"],
        ),
        (exec_tool, exec("timeoutMs", json!(0)), &["timeoutMs", "0"]),
        (
            exec_tool,
            exec("maxOutputBytes", json!(262_145)),
            &["maxOutputBytes", "262144"],
        ),
        (
            exec_tool,
            exec("session", json!("a b")),
            &["session", "a b"],
        ),
        (
            exec_tool,
            json!({"command": "true", "session": "a", "name": "b"}),
            &["twice"],
        ),
        (
            connect_tool,
            connect("-oProxyCommand=x", 22),
            &["host", "-oProxyCommand=x"],
        ),
        (connect_tool, connect(&"x".repeat(100_000), 22), &["host"]),
        (connect_tool, connect("h", 0), &["port", "0"]),
        ("ssh_set_default", json!({}), &["session"]),
        ("ssh_sessions", json!({"all": true}), &["all", "none"]),
    ]
}

#[tokio::test]
async fn parameters_that_cannot_be_used_are_named() {
    let mut client = Client::builder().start();
    client.initialize().await;
    for (tool, arguments, words) in refusals() {
        let said = refusal(&mut client, tool, &arguments).await;
        for word in words {
            assert!(said.contains(word), "no {word:?} in {said:?}");
        }
    }
}

#[tokio::test]
async fn a_value_of_the_wrong_type_is_told_with_its_parameter() {
    let mut client = Client::builder().start();
    client.initialize().await;
    let rows = [
        ("command", json!(5), "string"),
        ("command", json!(["ls"]), "string"),
        ("waitMs", json!("soon"), "integer"),
        ("interactive", json!("yes"), "boolean"),
        ("waitMs", json!(-1), "-1"),
        ("waitMs", json!(1.5), "1.5"),
        ("env", json!({"A": 1}), "string"),
        ("env", json!("A=1"), "object"),
    ];
    for (parameter, value, word) in rows {
        let mut arguments = json!({"command": "true"});
        arguments[parameter] = value;
        let said = refusal(&mut client, "ssh_exec", &arguments).await;
        // The list of all parameters names this one too, so it proves nothing.
        let reason = said.split("; parameters: ").next().unwrap_or_default();
        assert!(reason.contains(parameter), "no {parameter} in {reason:?}");
        assert!(reason.contains(word), "no {word:?} in {reason:?}");
    }
}

/// The text of the error that a call with such arguments must give.
async fn refusal(client: &mut Client, tool: &str, arguments: &Value) -> String {
    let result = client.call(tool, arguments.clone()).await;
    let said = text(&result);
    assert!(said.len() < 5000, "{} bytes", said.len());
    assert_eq!(error_code(&result), "invalidParameter", "{said}");
    said
}

#[tokio::test]
async fn spellings_that_mean_the_same() {
    let (_host, mut client) = connected().await;
    let command = json!({"command": "echo $A", "name": "test", "wait_ms": 20_000.0, "max_output_bytes": 100, "cwd": null, "env": {"A": "b"}});
    let result = client.succeed("ssh_exec", command).await;
    assert_eq!(stream(&result, "stdout"), "b\n");
    let command = json!({"command": "tty", "pty": "true", "waitMs": "20000"});
    let result = client.succeed("ssh_exec", command).await;
    assert!(stream(&result, "stdout").starts_with("/dev/"));
}

#[tokio::test]
async fn a_running_command_tells_its_last_line_to_who_asks_for_it() {
    let (_host, mut client) = connected().await;
    let parameters = json!({
        "name": "ssh_exec",
        "arguments": {"command": "echo first; echo last; sleep 2"},
        "_meta": {"progressToken": "mine"},
    });
    let id = client.begin("tools/call", parameters).await;
    client.result(&id).await;
    let ended = client.finish().await;
    let mut progress = ended.messages.iter();
    let progress = progress.find(|message| message["method"] == "notifications/progress");
    let parameters = &progress.expect("a notification")["params"];
    assert_eq!(parameters["progressToken"], "mine");
    assert_eq!(parameters["message"], "last");
}

#[tokio::test]
async fn a_second_request_with_the_id_of_a_waiting_one_is_refused() {
    let (_host, mut client) = connected().await;
    let call = |command: &str| {
        json!({
            "jsonrpc": "2.0", "id": "twin", "method": "tools/call",
            "params": {"name": "ssh_exec", "arguments": {"command": command}},
        })
    };
    client.send(&call("sleep 1; echo first")).await;
    client.send(&call("echo second")).await;
    let refused = client.answer(&json!("twin")).await;
    assert_eq!(refused["error"]["code"], INVALID_REQUEST, "{refused}");
    let ended = loop {
        let message = client.next().await.expect("an answer to the first");
        if message["id"] == "twin" {
            break message;
        }
    };
    assert_eq!(stream(&ended["result"], "stdout"), "first\n");
    // An id that was answered may be used again.
    client.send(&call("echo third")).await;
    let third = client.next().await.expect("an answer");
    assert_eq!(stream(&third["result"], "stdout"), "third\n");
}

#[tokio::test]
async fn a_hundred_calls_at_once_get_their_own_answers() {
    let host = Host::start().await;
    let mut client = Client::start(&host.sshd.ssh_config()).await;
    for name in ["a", "b"] {
        client
            .succeed("ssh_connect", json!({"host": "test", "name": name}))
            .await;
    }
    let mut expected = HashMap::new();
    for number in 0..100 {
        let session = if number % 2 == 0 { "a" } else { "b" };
        // The later, the sooner done, so that the answers come out of order.
        let pause = f64::from(99 - number) / 200.0;
        let command = format!("sleep {pause}; echo {number}; echo {session} >&2; exit {number}");
        let id = client
            .begin_call(
                "ssh_exec",
                json!({"command": command, "session": session, "waitMs": 50_000}),
            )
            .await;
        expected.insert(id, (number, session));
    }
    for (id, (number, session)) in expected {
        let result = client.result(&id).await;
        let record = &result["_meta"]["mcp-ssh-sessions/result"];
        assert_eq!(stream(&result, "stdout"), format!("{number}\n"), "{result}");
        assert_eq!(
            stream(&result, "stderr"),
            format!("{session}\n"),
            "{result}"
        );
        assert_eq!(record["exitCode"], json!(number), "{result}");
        assert_eq!(record["session"], session, "{result}");
    }
    let ended = client.finish().await;
    // The handshake, two connects, and one answer to each call.
    assert_eq!(ended.messages.len(), 103);
}

#[tokio::test]
async fn more_calls_than_the_limit_are_refused_at_once() {
    let (_host, mut client) = connected().await;
    let max = mcp_ssh_sessions::limits::STDIO_CALLS_MAX;
    let started = json!({"command": "sleep 1000", "waitMs": 0});
    let started = client.succeed("ssh_exec", started).await;
    let job = started["_meta"]["mcp-ssh-sessions/result"]["job"].clone();
    let mut ids = Vec::new();
    for _ in 0..max + 10 {
        let arguments = json!({"job": job, "waitMs": 50_000});
        ids.push(client.begin_call("ssh_output", arguments).await);
    }
    for id in &ids[max..] {
        let refused = client.answer(id).await;
        assert_eq!(refused["error"]["code"], -32_000, "{refused}");
    }
    // A cancelled call makes room for another one.
    let cancelled = json!({"requestId": ids[0]});
    client
        .send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled}))
        .await;
    let kill = json!({"job": job, "signal": "KILL"});
    client.succeed("ssh_input", kill).await;
    for id in &ids[1..max] {
        let ended = client.result(id).await;
        let record = &ended["_meta"]["mcp-ssh-sessions/result"];
        assert_eq!(record["outcome"], "signaled", "{ended}");
    }
    client.succeed("ssh_exec", json!({"command": "true"})).await;
}

#[tokio::test]
async fn a_connect_with_retry_says_how_often_it_was_tried() {
    let mut client = Client::builder().start();
    client.initialize().await;
    // Nothing listens on port 1.
    let arguments = json!({"host": "127.0.0.1", "port": 1, "retryForMs": 1200});
    let result = client.call("ssh_connect", arguments).await;
    assert_eq!(error_code(&result), "connectFailed", "{result}");
    assert!(text(&result).contains("tries in"), "{result}");
    let arguments = json!({"host": "127.0.0.1", "retryForMs": 50_001});
    let result = client.call("ssh_connect", arguments).await;
    assert_eq!(error_code(&result), "invalidParameter", "{result}");
}
