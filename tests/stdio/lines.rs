//! Input that is no message: answered with its id where one can be made out, and never the end of anything.

use serde_json::{Value, json};

use testkit::client::Client;
use testkit::host::Host;

const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;
/// The largest line, without its newline.
const LINE_MAX: usize = mcp_ssh_sessions::limits::STDIO_LINE_MAX_BYTES;

/// Lines that are no message, with the code and the id of the answer.
fn rejected() -> Vec<(Vec<u8>, i64, Value)> {
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    let deep_call = |id: u64| {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"ssh_exec","arguments":{{"env":{deep}}}}}}}"#
        )
    };
    let deep_objects = r#"{"a":"#.repeat(10_000);
    vec![
        (b"garbage".to_vec(), PARSE_ERROR, Value::Null),
        (b"{".to_vec(), PARSE_ERROR, Value::Null),
        (b"\xff\xfe".to_vec(), PARSE_ERROR, Value::Null),
        (
            b"{\"jsonrpc\":\"2.0\",\"id\":101,\"method\":\"ping\",\"x\":\"\xc3\x28\"}".to_vec(),
            PARSE_ERROR,
            json!(101),
        ),
        (b"\0".to_vec(), PARSE_ERROR, Value::Null),
        (
            b"{\"jsonrpc\":\"2.0\",\"id\":102,\"method\":\"ping\"}\0".to_vec(),
            PARSE_ERROR,
            json!(102),
        ),
        (
            br#"{"jsonrpc":"2.0","id":103,"method":"ping"} {}"#.to_vec(),
            PARSE_ERROR,
            json!(103),
        ),
        (
            br#"[{"jsonrpc":"2.0","id":104,"method":"ping"}]"#.to_vec(),
            INVALID_REQUEST,
            Value::Null,
        ),
        (b"[]".to_vec(), INVALID_REQUEST, Value::Null),
        (b"7".to_vec(), INVALID_REQUEST, Value::Null),
        (
            br#"{"jsonrpc":"2.0","id":105}"#.to_vec(),
            INVALID_REQUEST,
            json!(105),
        ),
        (
            br#"{"jsonrpc":"1.0","id":"a b","method":"ping"}"#.to_vec(),
            INVALID_REQUEST,
            json!("a b"),
        ),
        (
            br#"{"id":106,"method":"ping"}"#.to_vec(),
            INVALID_REQUEST,
            json!(106),
        ),
        (
            br#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#.to_vec(),
            INVALID_REQUEST,
            Value::Null,
        ),
        (deep.clone().into_bytes(), PARSE_ERROR, Value::Null),
        (deep_call(107).into_bytes(), PARSE_ERROR, json!(107)),
        (deep_objects.into_bytes(), PARSE_ERROR, Value::Null),
        (oversized(108), INVALID_REQUEST, json!(108)),
    ]
}

/// A request of one byte more than a line may have, with its id at the end.
fn oversized(id: u64) -> Vec<u8> {
    padded(id, LINE_MAX + 1)
}

/// A ping that takes `length` bytes.
fn padded(id: u64, length: usize) -> Vec<u8> {
    let head = r#"{"jsonrpc":"2.0","method":"ping","params":{"_meta":{"padding":""#;
    let tail = format!(r#""}}}},"id":{id}}}"#);
    let padding = "x".repeat(length - head.len() - tail.len());
    format!("{head}{padding}{tail}").into_bytes()
}

async fn send_line(client: &mut Client, line: &[u8]) {
    client.send_bytes(line).await;
    client.send_bytes(b"\n").await;
}

/// Sends each line and expects its answer next, then that of a ping.
async fn verify_rejected(client: &mut Client) {
    for (line, code, id) in rejected() {
        let start = String::from_utf8_lossy(&line[..line.len().min(80)]).into_owned();
        send_line(client, &line).await;
        let answer = client.next().await.expect("an answer");
        assert_eq!(answer["error"]["code"], code, "{start}: {answer}");
        assert_eq!(answer["id"], id, "{start}: {answer}");
        let words = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(!words.is_empty() && words.len() < 200, "{start}: {answer}");
        let pong = client.request("ping", json!({})).await;
        assert_eq!(pong["result"], json!({}), "after {start}");
    }
}

#[tokio::test]
async fn what_is_no_message_is_answered_and_the_next_message_works() {
    let mut client = Client::builder().start();
    client.initialize().await;
    verify_rejected(&mut client).await;
    assert!(client.finish().await.status.success());
}

#[tokio::test]
async fn the_same_holds_before_the_handshake() {
    let mut client = Client::builder().start();
    verify_rejected(&mut client).await;
    let result = client.initialize().await;
    assert_eq!(result["serverInfo"]["name"], "mcp-ssh-sessions");
    assert!(client.finish().await.status.success());
}

#[tokio::test]
async fn a_line_of_the_largest_size_is_read() {
    let mut client = Client::builder().start();
    client.initialize().await;
    let largest = padded(201, LINE_MAX);
    assert_eq!(largest.len(), LINE_MAX);
    send_line(&mut client, &largest).await;
    assert_eq!(client.answer(&json!(201)).await["result"], json!({}));
}

#[tokio::test]
async fn a_line_without_an_end_takes_no_memory() {
    const CHUNK: usize = 1024 * 1024;
    let mut client = Client::builder().start();
    client.initialize().await;
    let before = client.peak_memory();
    for _ in 0..8 * LINE_MAX / CHUNK {
        client.send_bytes(&[b'x'; CHUNK]).await;
    }
    client.send_bytes(b"\n").await;
    let answer = client.next().await.expect("an answer");
    assert_eq!(answer["error"]["code"], INVALID_REQUEST, "{answer}");
    let grown = client.peak_memory() - before;
    // A growing buffer is held twice for a moment.
    assert!(grown < 4 * LINE_MAX as u64, "{grown} bytes");
}

#[tokio::test]
async fn what_a_line_may_look_like() {
    let mut client = Client::builder().start();
    client.initialize().await;
    // Blank lines say nothing, and nothing is said to them.
    client.send_bytes(b"\n\r\n   \n\t\n").await;
    client
        .send_bytes(b"{\"jsonrpc\":\"2.0\",\"id\":301,\"method\":\"ping\"}\r\n")
        .await;
    client
        .send_bytes(b"\xef\xbb\xbf{\"jsonrpc\":\"2.0\",\"id\":302,\"method\":\"ping\"}\n")
        .await;
    client
        .send_bytes(b" \t{ \"jsonrpc\" : \"2.0\", \"id\" : -3, \"method\" : \"ping\" } \n")
        .await;
    client
        .send_bytes(b"{\"jsonrpc\":\"2.0\",\"id\":\"\",\"method\":\"ping\"}\n")
        .await;
    // Cut anywhere, even within a character.
    client
        .send_bytes(
            "{\"jsonrpc\":\"2.0\",\"id\":\"ä"
                .as_bytes()
                .split_last()
                .unwrap()
                .1,
        )
        .await;
    client.send_bytes(b"\xa4\",\"method\":\"ping\"}\n").await;
    // The last line needs no newline.
    client
        .send_bytes(b"{\"jsonrpc\":\"2.0\",\"id\":303,\"method\":\"ping\"}")
        .await;
    let ended = client.finish().await;
    for id in [
        json!(301),
        json!(302),
        json!(-3),
        json!(""),
        json!("ä"),
        json!(303),
    ] {
        assert_eq!(ended.answers(&id).len(), 1, "{id}: {:?}", ended.messages);
    }
    assert_eq!(ended.messages.len(), 7, "{:?}", ended.messages);
}

#[tokio::test]
async fn nothing_but_messages_stands_on_stdout() {
    let host = Host::start().await;
    // Output of the program must not get through, on either stream.
    let lines = "Match exec \"echo noise; echo noise >&2\"\nHost test";
    let config = host.sshd.ssh_config_with(lines);
    let builder = Client::builder()
        .ssh_config(&config)
        .arg("--log")
        .arg("trace");
    let mut client = builder.env("RUST_LOG", "trace").start();
    client.initialize().await;
    client.succeed("ssh_connect", json!({"host": "test"})).await;
    let noise = json!({"command": "echo '{}'; echo noise >&2"});
    client.succeed("ssh_exec", noise).await;
    client
        .call("ssh_connect", json!({"host": "nobody.invalid"}))
        .await;
    client.succeed("ssh_disconnect", json!({})).await;
    // The client looks at every line; here is one for each request.
    let ended = client.finish().await;
    assert_eq!(ended.messages.len(), 5, "{:?}", ended.messages);
    assert!(ended.stderr.contains(" DEBUG "), "{}", ended.stderr);
}

#[tokio::test]
async fn what_needs_no_answer_gets_none() {
    let mut client = Client::builder().start();
    client.initialize().await;
    client
        .notify("notifications/nobody_knows", json!({"a": 1}))
        .await;
    client
        .notify("notifications/cancelled", json!({"requestId": 999}))
        .await;
    client
        .notify("notifications/cancelled", json!({"requestId": "nobody"}))
        .await;
    client.notify("notifications/cancelled", json!([])).await;
    client
        .notify(
            "notifications/progress",
            json!({"progressToken": 1, "progress": 1}),
        )
        .await;
    client
        .notify("notifications/roots/list_changed", json!({}))
        .await;
    client.notify("notifications/initialized", json!({})).await;
    // Answers to requests that nobody made.
    client
        .send(&json!({"jsonrpc": "2.0", "id": 77, "result": {}}))
        .await;
    client
        .send(&json!({"jsonrpc": "2.0", "id": 78, "error": {"code": 1, "message": "x"}}))
        .await;
    client.request("ping", json!({})).await;
    let ended = client.finish().await;
    assert!(ended.status.success());
    assert_eq!(ended.messages.len(), 2, "{:?}", ended.messages);
}
