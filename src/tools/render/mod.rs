//! How text that comes from a host is shown: made visible, and cut to what was asked for.
//!
//! Pure functions on bytes and text. The tools wrap what these return into MCP content blocks.

mod duration;
mod excerpt;

pub use duration::seconds;
pub use excerpt::{Block, Excerpt, character_boundary, excerpt};
