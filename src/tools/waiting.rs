//! Does a command wait for input? A guess, told as one: no output for a second, and a last line that looks like
//! a prompt and has no end.

use crate::actors::job::record::JobRecord;
use crate::limits;
use crate::text::{visible, visible_line};

/// Bytes of the last line that are looked at.
const LINE_MAX_BYTES: usize = 400;
/// Characters of a prompt that are quoted.
const PROMPT_MAX_CHARS: usize = 80;
/// What prompts end with.
const PROMPT_ENDS: [char; 7] = [':', '?', '>', '$', '#', '%', ']'];

/// The prompt that a running job with open input seems to wait at.
pub(super) fn prompt(record: &JobRecord) -> Option<String> {
    let silent = record.output.arrived().at.elapsed() >= limits::PROMPT_SILENCE;
    if record.ended().is_some() || record.input().is_none() || !silent {
        return None;
    }
    let output = record.output.lock();
    let length = output.len(None);
    let page = output.read(
        None,
        length.saturating_sub(LINE_MAX_BYTES as u64),
        LINE_MAX_BYTES,
    );
    prompt_in(&page.bytes())
}

fn prompt_in(tail: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(tail);
    let line = text.rsplit(['\n', '\r']).next()?.trim_end();
    let is_prompt = line.ends_with(PROMPT_ENDS) || line.ends_with(')');
    is_prompt.then(|| visible_line(&visible(line.as_bytes()).text, PROMPT_MAX_CHARS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_prompt() {
        let rows: [(&[u8], Option<&str>); 8] = [
            (b"Password: ", Some("Password:")),
            (b"one\ntwo\n>>> ", Some(">>>")),
            (b"Proceed? [y/N] ", Some("Proceed? [y/N]")),
            (b"Overwrite (yes/no)", Some("Overwrite (yes/no)")),
            (b"root@host:~# ", Some("root@host:~#")),
            (b"done\n", None),
            (b"", None),
            (b"compiling 12 of 80", None),
        ];
        for (tail, expected) in rows {
            assert_eq!(
                prompt_in(tail).as_deref(),
                expected,
                "{}",
                String::from_utf8_lossy(tail)
            );
        }
    }
}
