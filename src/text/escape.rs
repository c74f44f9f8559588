//! The written form of a character or a byte that is not shown as such.

/// Writes `c` as `\x1b` when it is ASCII and as `\u{9b}` otherwise.
pub(super) fn push_escape(text: &mut String, c: char) {
    match u8::try_from(c) {
        Ok(byte) if byte.is_ascii() => push_byte(text, byte),
        _ => text.extend(c.escape_unicode()),
    }
}

/// Writes `byte` as `\xff`.
pub(super) fn push_byte(text: &mut String, byte: u8) {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    text.push_str("\\x");
    text.push(DIGITS[usize::from(byte >> 4)]);
    text.push(DIGITS[usize::from(byte & 0xf)]);
}
