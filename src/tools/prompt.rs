//! A guess whether a command waits for input: no output for a second, and a last line that looks like a prompt and has
//! no newline. Results say "seems to".

use std::time::Duration;

use tokio::time::sleep;

use crate::actors::job::record::JobRecord;
use crate::limits;

/// Time between two looks.
const LOOK_PERIOD: Duration = Duration::from_millis(100);
/// Bytes of the last line that are examined.
const LINE_MAX_BYTES: usize = 400;
/// The characters that prompts end with.
const PROMPT_ENDS: [char; 8] = [':', '?', '>', '$', '#', '%', ']', ')'];

/// Whether a running job with open input seems to wait at a prompt.
pub(super) fn is_at_prompt(record: &JobRecord) -> bool {
    let silent = record.output.arrived().at.elapsed() >= limits::PROMPT_SILENCE;
    if record.ended().is_some() || record.input().is_none() || !silent {
        return false;
    }
    let output = record.output.lock();
    let length = output.len(None);
    let page = output.read(
        None,
        length.saturating_sub(LINE_MAX_BYTES as u64),
        LINE_MAX_BYTES,
    );
    ends_in_prompt(&page.bytes())
}

/// Waits until a job that has printed more than `output_before` bytes seems to wait for input.
pub(super) async fn seen(record: &JobRecord, output_before: u64) {
    loop {
        sleep(LOOK_PERIOD).await;
        if record.output.arrived().bytes > output_before && is_at_prompt(record) {
            return;
        }
    }
}

fn ends_in_prompt(tail: &[u8]) -> bool {
    let text = String::from_utf8_lossy(tail);
    let line = text
        .rsplit(['\n', '\r'])
        .next()
        .unwrap_or_default()
        .trim_end();
    line.ends_with(PROMPT_ENDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_prompt() {
        let rows: [(&[u8], bool); 8] = [
            (b"Password: ", true),
            (b"one\ntwo\n>>> ", true),
            (b"Proceed? [y/N] ", true),
            (b"Overwrite (yes/no)", true),
            (b"root@host:~# ", true),
            (b"done\n", false),
            (b"", false),
            (b"compiling 12 of 80", false),
        ];
        for (tail, expected) in rows {
            assert_eq!(
                ends_in_prompt(tail),
                expected,
                "{}",
                String::from_utf8_lossy(tail)
            );
        }
    }
}
