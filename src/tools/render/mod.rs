//! How text that comes from a host is shown: made visible, and cut to what was asked for.
//!
//! Pure functions on bytes and text. The tools wrap what these return into MCP content blocks.

use crate::text::Visible;

mod duration;
mod excerpt;
mod page;
mod terminal;

pub use duration::seconds;
pub use excerpt::{Block, Excerpt, character_boundary, excerpt};
pub use page::{Matches, PageView, grep, held_back, page};
pub use terminal::{screen_text, terminal_text};

/// How the bytes of a block become text: [`visible`](crate::text::visible), or [`terminal_text`].
pub type Show = fn(&[u8]) -> Visible;
