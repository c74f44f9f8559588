//! The characters that are rewritten, by their Unicode properties.

/// Whether `c` is written out when it stands behind `before`.
pub(super) fn is_rewritten(c: char, before: Option<char>) -> bool {
    match c {
        ' '..='~' | '\t' | '\n' | '\r' => false,
        '\u{fe0e}' | '\u{fe0f}' => !before.is_some_and(has_two_forms),
        _ => c.is_control() || is_unseen(c),
    }
}

/// Whether `c` may have a text and an emoji form. In ASCII, these are the keys of a telephone. The exact set of other
/// characters changes with every version of Unicode, and does not matter here.
fn has_two_forms(c: char) -> bool {
    match c {
        '#' | '*' | '0'..='9' => true,
        _ => !c.is_ascii() && !c.is_whitespace() && !c.is_control() && !is_unseen(c),
    }
}

/// Whether `c` is invisible, or changes the order of visible characters. Sorted; the documentation of
/// [`text`](crate::text) names the properties.
pub(crate) fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{ad}' // soft hyphen
        | '\u{34f}' // combining grapheme joiner
        | '\u{61c}' // Arabic letter mark
        | '\u{115f}'..='\u{1160}' // Hangul fillers
        | '\u{17b4}'..='\u{17b5}' // Khmer inherent vowels
        | '\u{180b}'..='\u{180f}' // Mongolian variation selectors and vowel separator
        | '\u{200b}'..='\u{200f}' // zero-width space, joiners, direction marks
        | '\u{2028}'..='\u{202e}' // line and paragraph separators, embeddings and overrides
        | '\u{2060}'..='\u{206f}' // word joiner, invisible operators, isolates, deprecated controls
        | '\u{3164}' // Hangul filler
        | '\u{fe00}'..='\u{fe0f}' // variation selectors
        | '\u{feff}' // byte order mark, zero-width no-break space
        | '\u{ffa0}' // halfwidth Hangul filler
        | '\u{fff0}'..='\u{fffb}' // reserved; interlinear annotations
        | '\u{13430}'..='\u{1343f}' // hieroglyph format controls
        | '\u{1bca0}'..='\u{1bca3}' // shorthand format controls
        | '\u{1d173}'..='\u{1d17a}' // musical format controls
        | '\u{e0000}'..='\u{e0fff}' // tags, variation selectors, reserved
    )
}
