//! Text from a host within a line of this program's own text.

use super::escape::push_escape;
use super::unicode::is_rewritten;

/// Makes text from a host fit for a line of this program's text: visible, newline, carriage return and tab written as
/// `\n`, `\r` and `\t`, and at most `max_chars` characters, the last of which is `…` where more was cut off.
///
/// Text that comes as bytes goes through [`visible()`](super::visible()) first.
pub fn visible_line(text: &str, max_chars: usize) -> String {
    let mut line = String::new();
    let mut chars = 0;
    // Where to cut so that the mark still fits: never inside an escape.
    let mut cut = 0;
    let mut before = None;
    for c in text.chars() {
        let start = line.len();
        match c {
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            _ if is_rewritten(c, before) => push_escape(&mut line, c),
            _ => line.push(c),
        }
        before = Some(c);
        chars += line[start..].chars().count();
        if chars > max_chars {
            line.truncate(cut);
            line.extend((max_chars > 0).then_some('…'));
            return line;
        }
        if chars < max_chars {
            cut = line.len();
        }
    }
    line
}
