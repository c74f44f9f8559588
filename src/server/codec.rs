//! Parses JSON-RPC messages, from lines or bodies of requests, within a bound on their size.
//!
//! Input that is no message gets an error response instead of silence, with the id of the request where the id can be
//! found, so that the sender does not wait for ever.

use rmcp::RoleServer;
use rmcp::service::RxJsonRpcMessage;
use serde_json::{Value, json};
use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// JSON-RPC 2.0 section 5.1.
pub(super) const PARSE_ERROR: i32 = -32700;
pub(super) const INVALID_REQUEST: i32 = -32600;
/// Bytes of the longest id that is answered.
const ID_MAX_BYTES: usize = 256;

/// A parsed line or body.
#[derive(Debug)]
pub(super) enum Incoming {
    /// A message.
    Message(Box<RxJsonRpcMessage<RoleServer>>),
    /// Not a message: the answer to send.
    Rejected(Value),
    /// Nothing to process or to answer.
    Blank,
}

/// Reads a line of at most `max` bytes; a longer line is skipped to its end. `None` is the end of the input.
pub(super) async fn read<R: AsyncBufRead + Unpin>(
    reader: &mut R,
    max: usize,
) -> std::io::Result<Option<Incoming>> {
    let mut line = Vec::new();
    let mut scanner = IdScanner::default();
    let mut length = 0;
    loop {
        let available = reader.fill_buf().await?;
        if available.is_empty() {
            // The last line may lack its newline.
            return Ok((length > 0).then(|| decode(&line, length, max, scanner)));
        }
        let newline = available.iter().position(|byte| *byte == b'\n');
        let taken = newline.map_or(available.len(), |at| at + 1);
        let content = available
            .get(..newline.unwrap_or(taken))
            .unwrap_or_default();
        length += content.len();
        if length <= max {
            line.extend_from_slice(content);
        } else {
            // First the part that was kept, then the rest as it arrives.
            scanner.feed(&std::mem::take(&mut line));
            scanner.feed(content);
        }
        reader.consume(taken);
        if newline.is_some() {
            return Ok(Some(decode(&line, length, max, scanner)));
        }
    }
}

/// Parses a message that arrived as a whole, such as the body of a request.
pub(super) fn whole(bytes: &[u8]) -> Incoming {
    decode(bytes, bytes.len(), bytes.len(), IdScanner::default())
}

/// Parses a line. The scanner has seen the line only if the line is too long.
fn decode(line: &[u8], length: usize, max: usize, mut scanner: IdScanner) -> Incoming {
    if length > max {
        let text = format!("the message has {length} bytes; at most {max} fit on a line");
        return Incoming::Rejected(error(INVALID_REQUEST, &text, scanner.id));
    }
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    if line.iter().all(u8::is_ascii_whitespace) {
        return Incoming::Blank;
    }
    match serde_json::from_slice(line) {
        Ok(message) => Incoming::Message(Box::new(message)),
        Err(reason) => {
            scanner.feed(line);
            refuse(line, &reason, scanner.id)
        }
    }
}

fn refuse(line: &[u8], reason: &serde_json::Error, id: Option<Value>) -> Incoming {
    if std::str::from_utf8(line).is_err() {
        return Incoming::Rejected(error(PARSE_ERROR, "the message is not valid UTF-8", id));
    }
    match serde_json::from_slice::<Value>(line) {
        // A notification of an unknown kind needs no answer.
        Ok(Value::Object(object))
            if object.contains_key("method") && !object.contains_key("id") =>
        {
            Incoming::Blank
        }
        Ok(Value::Array(_)) => Incoming::Rejected(error(
            INVALID_REQUEST,
            "batches are not part of MCP; send one message at a time",
            id,
        )),
        Ok(_) => Incoming::Rejected(error(
            INVALID_REQUEST,
            &format!("not a JSON-RPC message: {reason}"),
            id,
        )),
        Err(reason) => Incoming::Rejected(error(PARSE_ERROR, &format!("not JSON: {reason}"), id)),
    }
}

/// A JSON-RPC error response.
pub(super) fn error(code: i32, message: &str, id: Option<Value>) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
}

/// Finds the `id` of a JSON-RPC message, a key of the outermost object, without holding the message.
#[derive(Debug, Default)]
struct IdScanner {
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// The last string at depth 1.
    text: Vec<u8>,
    /// The next value belongs to the key `id`.
    at_id: bool,
    id: Option<Value>,
}

impl IdScanner {
    fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.step(*byte);
        }
    }

    fn step(&mut self, byte: u8) {
        if self.in_string {
            return self.string_byte(byte);
        }
        match byte {
            b'"' => {
                self.in_string = true;
                self.text.clear();
                self.push(byte);
            }
            b':' if self.depth == 1 => {
                self.at_id = self.text == b"\"id\"";
                self.text.clear();
            }
            b',' | b'}' | b']' | b'{' | b'[' => {
                self.end_of_value();
                match byte {
                    b'{' | b'[' => self.depth += 1,
                    b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
            }
            byte if byte.is_ascii_whitespace() => {}
            byte => self.push(byte),
        }
    }

    fn string_byte(&mut self, byte: u8) {
        self.push(byte);
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' => self.escaped = true,
            b'"' => self.in_string = false,
            _ => {}
        }
    }

    fn push(&mut self, byte: u8) {
        if self.depth == 1 && self.text.len() < ID_MAX_BYTES {
            self.text.push(byte);
        }
    }

    fn end_of_value(&mut self) {
        if self.depth == 1 && self.at_id && self.id.is_none() {
            let value = serde_json::from_slice(&self.text).ok();
            self.id =
                value.filter(|value: &Value| value.is_string() || value.is_u64() || value.is_i64());
        }
        if self.depth == 1 {
            self.at_id = false;
            self.text.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::BufReader;

    fn scan(text: &str) -> Option<Value> {
        let mut scanner = IdScanner::default();
        scanner.feed(text.as_bytes());
        scanner.id
    }

    #[test]
    fn the_id_is_found_wherever_it_stands_and_nowhere_else() {
        let rows = [
            (r#"{"jsonrpc":"2.0","id":7,"method":"x"}"#, Some(json!(7))),
            (
                r#"{"params":{"id":1,"a":[{"id":2}]}, "id" : "a\"b" }"#,
                Some(json!("a\"b")),
            ),
            (r#"{"method":"id","params":{"x":"id:5"}}"#, None),
            (r#"{"id":null}"#, None),
            (r#"{"id":{"id":1}}"#, None),
            (r#"[{"id":1}]"#, None),
            (r#"{"a":"\\","id":3"#, None),
            (r#"{"a":"\\","id":3,"#, Some(json!(3))),
        ];
        for (text, expected) in rows {
            assert_eq!(scan(text), expected, "{text}");
        }
    }

    async fn read_all(input: &[u8], max: usize) -> Vec<String> {
        let mut reader = BufReader::with_capacity(7, input);
        let mut seen = Vec::new();
        while let Some(incoming) = read(&mut reader, max).await.unwrap() {
            seen.push(match incoming {
                Incoming::Message(_) => "message".to_owned(),
                Incoming::Rejected(value) => format!("{} {}", value["error"]["code"], value["id"]),
                Incoming::Blank => "blank".to_owned(),
            });
        }
        seen
    }

    #[tokio::test]
    async fn every_line_is_a_message_or_is_answered() {
        let ping = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        let mut input = ping.to_vec();
        input.extend(b"\r\n\n  \nnot json\n{\"id\":5,\"method\":3}\n[]\n");
        input.extend(b"{\"id\":6,\"x\":\"\xff\"}\n{\"method\":\"$/unknown\"}\n");
        input.extend(br#"{"params":"#);
        input.extend(vec![b' '; 200]);
        input.extend(br#","id":9}"#);
        input.push(b'\n');
        input.extend(ping);
        let expected = [
            "message",
            "blank",
            "blank",
            "-32700 null",
            "-32600 5",
            "-32600 null",
            "-32700 6",
            "blank",
            "-32600 9",
            "message",
        ];
        assert_eq!(read_all(&input, 100).await, expected);
    }
}
