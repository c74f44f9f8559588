//! Reads one word as shells write values for their own reading: `export -p`.

/// The value of the word at the beginning, and the text behind. `None` for any form that shells do not write: such
/// text is not to be trusted.
pub(super) fn read(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut value = Vec::new();
    let mut rest = text;
    loop {
        rest = match rest {
            [b'\'', tail @ ..] => single(tail, &mut value)?,
            [b'"', tail @ ..] => double(tail, &mut value)?,
            [b'$', b'\'', tail @ ..] => ansi(tail, &mut value)?,
            [b'\\', byte, tail @ ..] if *byte != b'\n' => {
                value.push(*byte);
                tail
            }
            [byte, tail @ ..] if is_plain(*byte) => {
                value.push(*byte);
                tail
            }
            _ => return Some((value, rest)),
        };
    }
}

/// Bytes that shells leave without quotes.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_./:=@%+,-".contains(&byte)
}

fn single<'a>(text: &'a [u8], value: &mut Vec<u8>) -> Option<&'a [u8]> {
    let end = text.iter().position(|byte| *byte == b'\'')?;
    value.extend_from_slice(&text[..end]);
    Some(&text[end + 1..])
}

fn double<'a>(mut text: &'a [u8], value: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match text {
            [b'"', tail @ ..] => return Some(tail),
            [b'\\', byte @ (b'"' | b'\\' | b'$' | b'`'), tail @ ..] => {
                value.push(*byte);
                text = tail;
            }
            // A shell escapes these when it writes a value.
            [b'$' | b'`', ..] | [] => return None,
            [byte, tail @ ..] => {
                value.push(*byte);
                text = tail;
            }
        }
    }
}

/// `$'…'`, which bash writes for control characters.
fn ansi<'a>(mut text: &'a [u8], value: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match text {
            [b'\'', tail @ ..] => return Some(tail),
            [b'\\', first @ b'0'..=b'7', tail @ ..] => {
                let more = tail.iter().take(2);
                let digits = more.take_while(|byte| (b'0'..=b'7').contains(byte)).count();
                let octal = tail[..digits].iter();
                let number = octal.fold(u32::from(first - b'0'), |number, byte| {
                    number * 8 + u32::from(byte - b'0')
                });
                value.push(u8::try_from(number).ok()?);
                text = &tail[digits..];
            }
            [b'\\', letter, tail @ ..] => {
                value.push(escape(*letter)?);
                text = tail;
            }
            [] => return None,
            [byte, tail @ ..] => {
                value.push(*byte);
                text = tail;
            }
        }
    }
}

fn escape(letter: u8) -> Option<u8> {
    Some(match letter {
        b'a' => 7,
        b'b' => 8,
        b'e' | b'E' => 27,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        b'\\' | b'\'' | b'"' | b'?' => letter,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_as_shells_write_them() {
        let rows: [(&str, &[u8], &str); 7] = [
            (r#""a b\"\$\`\\c""#, b"a b\"$`\\c", ""),
            ("'a'\"'\"'b'\nrest", b"a'b", "\nrest"),
            (r"$'a\n\033\377\''x", b"a\n\x1b\xff'x", ""),
            ("plain/x:1 next", b"plain/x:1", " next"),
            ("\"two\nlines\"\n", b"two\nlines", "\n"),
            ("''", b"", ""),
            ("\\'x", b"'x", ""),
        ];
        for (text, value, rest) in rows {
            let expected = (value.to_vec(), rest.as_bytes());
            assert_eq!(read(text.as_bytes()), Some(expected), "{text}");
        }
        for broken in ["\"open", "'open", "$'open", "\"$(x)\"", r"$'\q'"] {
            assert_eq!(read(broken.as_bytes()), None, "{broken}");
        }
    }
}
