//! Text from a host as a result shows it: made visible, and cut to the requested size.
//!
//! Pure functions on bytes and text; the tools wrap their results into MCP content blocks.

mod block;
mod excerpt;
mod page;
mod quantity;
mod search;
mod terminal;
mod utf8;

pub use block::{Block, Show};
pub use excerpt::{Excerpt, excerpt};
pub use page::{PageView, Skipped, held_back, page, tail};
pub use quantity::{count, seconds, size};
pub use search::{Matches, find_matches};
pub use terminal::{screen_text, terminal_text};
pub use utf8::character_boundary;
