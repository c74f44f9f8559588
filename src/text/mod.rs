//! Text from a host, made safe to show: characters that a terminal obeys, that are hidden or that reorder others are
//! written out.
//!
//! A leaf: imports nothing of this crate, because every layer quotes text from elsewhere.
//!
//! Rewritten are:
//! - C0 control characters other than tab, newline and carriage return, and DEL, as `\x1b`;
//! - C1 control characters as `\u{9b}`;
//! - characters that are not seen, or that change the order of others, as `\u{202e}`;
//! - each byte that is not part of valid UTF-8 as `\xff`, surrogates and overlong forms included.
//!
//! "Not seen" follows Unicode's properties rather than a list of known attacks: all of `Default_Ignorable_Code_Point`
//! (zero-width characters, soft hyphen, variation selectors, fillers, tag characters and the code points reserved for
//! similar characters), all format characters (general category `Cf`) except the visible signs that are put before
//! digits (`Prepended_Concatenation_Mark`), and the line and paragraph separators. The set contains `Bidi_Control` as a
//! whole.
//!
//! Exception: the variation selectors 15 and 16, which choose between the text and the emoji form of the character
//! before them, stay behind a character that may have both, once. Command line tools write them all the time ("⚠️"). A
//! single selector cannot hide anything; a chain of selectors can.
//!
//! Everything else is exact, the backslash too: a `\x1b` that the host writes reads the same as an escaped escape
//! character, which is as harmless. A second pass therefore changes nothing.

mod escape;
mod line;
#[cfg(test)]
mod tests;
mod unicode;
mod visible;

pub use line::visible_line;
pub(crate) use unicode::is_unseen;
pub use visible::{Visible, visible};
