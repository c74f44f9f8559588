//! The content blocks behind the status line, each marked in its `_meta`.

use rmcp::model::{ContentBlock, MetaObject, TextContent};
use serde_json::{Value, json};

use crate::actors::job::outcome::ShellFacts;
use crate::output::Stream;
use crate::text::visible;
use crate::tools::render::{Block, count};

const STREAM_META: &str = "mcp-ssh-sessions/stream";
const BACKGROUND_META: &str = "mcp-ssh-sessions/background";
const OMITTED_META: &str = "mcp-ssh-sessions/omitted";

/// A block of the command's output, or the note that stands in place of an omitted part.
pub(super) fn stream(block: &Block, job: &str) -> ContentBlock {
    match block {
        Block::Text { stream, text } => marked(text.clone(), STREAM_META, json!(stream.as_str())),
        Block::Omitted {
            stream,
            offset_bytes,
            bytes,
            lines,
            dropped_bytes,
            readable_from,
        } => {
            let stream = stream.as_str();
            let size = format!("{} ({})", count(*bytes, "byte"), count(*lines, "line"));
            let lost = count(*dropped_bytes, "byte");
            let lost = match (readable_from, dropped_bytes) {
                (None, _) => "not kept any more".to_owned(),
                (_, 0) => String::new(),
                _ => format!("{lost} of them not kept any more; "),
            };
            let next = readable_from.map_or_else(String::new, |offset| {
                format!(
                    "ssh_output(job: \"{job}\", stream: \"{stream}\", offsetBytes: {offset}) reads on from here"
                )
            });
            marked(
                format!("[{size} of {stream} left out here; {lost}{next}]"),
                OMITTED_META,
                json!({"stream": stream, "offsetBytes": offset_bytes, "bytes": bytes, "lines": lines}),
            )
        }
    }
}

/// Output that background processes of the shell printed before the command: the host's text, but not the command's.
pub(super) fn background(shell: &ShellFacts) -> Vec<ContentBlock> {
    let streams = [
        (Stream::Stdout, &shell.background.stdout),
        (Stream::Stderr, &shell.background.stderr),
    ];
    let printed = streams.iter().filter(|(_, bytes)| !bytes.is_empty());
    printed
        .map(|(stream, bytes)| {
            let value = json!({"stream": stream.as_str()});
            marked(visible(bytes).text, BACKGROUND_META, value)
        })
        .collect()
}

/// The server's words at a disconnect. They are the last block, because they may contain anything.
pub(super) fn server_words(words: &str) -> ContentBlock {
    ContentBlock::text(format!("the server's last words: {words}"))
}

fn marked(text: String, key: &str, value: Value) -> ContentBlock {
    let mut meta = MetaObject::new();
    meta.insert(key.to_owned(), value);
    ContentBlock::Text(TextContent::new(text).with_meta(meta))
}
