//! Boundaries of UTF-8 characters in bytes that may hold anything.

/// Bytes of the longest UTF-8 character, less one: the distance that a cut may have to move, and the number of bytes
/// around a cut that decide whether the cut splits a character.
pub(super) const LOOK_BYTES: usize = 3;

/// The last offset at or before `at` that is not inside a valid UTF-8 character.
///
/// To cut text at `at`, `bytes` has to hold the three bytes behind `at` as well, where there are any.
pub fn character_boundary(bytes: &[u8], at: usize) -> usize {
    character_around(bytes, at).map_or(at, |(start, _)| start)
}

/// Start and end of the valid character that `at` lies inside of.
pub(super) fn character_around(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let earliest = at.saturating_sub(LOOK_BYTES);
    // A character starts at the last byte before `at` that does not continue one.
    let start = (earliest..at.min(bytes.len()))
        .rev()
        .find(|start| bytes[*start] & 0xc0 != 0x80)?;
    let end = start + bytes[start].leading_ones() as usize;
    let character = bytes.get(start..end)?;
    (end > at && std::str::from_utf8(character).is_ok()).then_some((start, end))
}

/// The number of bytes at the end that begin a character without finishing the character.
pub(super) fn incomplete_tail(bytes: &[u8]) -> usize {
    let tail = bytes.len().saturating_sub(LOOK_BYTES);
    match std::str::from_utf8(&bytes[tail..]) {
        Err(error) if error.error_len().is_none() => bytes.len() - tail - error.valid_up_to(),
        // The window may start inside a character; then the last lead byte decides.
        Err(_) => {
            let ends = (1..=LOOK_BYTES.min(bytes.len())).find(|length| {
                let lead = bytes[bytes.len() - length];
                lead >= 0xc0 && lead.leading_ones() as usize > *length
            });
            ends.unwrap_or(0)
        }
        Ok(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boundary_is_never_inside_a_valid_character_and_never_far() {
        let bytes = "a🦀".as_bytes();
        let boundaries: Vec<_> = (0..=5).map(|at| character_boundary(bytes, at)).collect();
        assert_eq!(boundaries, [0, 1, 1, 1, 1, 5]);
        // Without its last byte, the sequence is no character and may be cut anywhere.
        assert_eq!(character_boundary(&bytes[..4], 3), 3);
        assert_eq!(character_boundary(b"\x80\x80\x80\x80\x80", 4), 4);
        assert_eq!(character_boundary(b"\xff\xff", 1), 1);
        assert_eq!(character_boundary(b"", 0), 0);
    }
}
