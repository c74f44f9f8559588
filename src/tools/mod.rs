//! The MCP tools: parameters, schemas and results. No other module knows their form on the wire.
//!
//! Each tool has a file of its own, named after the tool. [`catalog`] lists the tools and routes the calls. A tool
//! checks its parameters ([`args`], [`parameters`]), asks the supervisor, and returns one of two kinds of result:
//!
//! - the output of a command as text blocks behind a status line ([`command_result`]),
//! - everything else as a record with the same content as text ([`record`]).
//!
//! An expected failure is a result too ([`error`]), so that the model reads the failure and the next step.

mod args;
mod catalog;
mod command_result;
mod connect;
mod connect_record;
mod disconnect;
mod download;
mod error;
mod exec;
mod input;
mod line_watch;
mod output;
mod parameters;
mod progress;
mod reconnect;
mod record;
pub mod render;
mod schema;
mod sessions;
mod set_default;
mod shell;
mod tool;
mod transfer;
mod until;
mod upload;

pub use catalog::Catalog;
pub(crate) use tool::Call;

/// Instructions of the server for the client's model, which reads them before any tool; some clients show the model
/// nothing else at first.
pub const INSTRUCTIONS: &str = include_str!("instructions.md");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;

    #[test]
    fn the_instructions_are_short() {
        assert!(
            INSTRUCTIONS.len() < limits::INSTRUCTIONS_MAX_BYTES,
            "{}",
            INSTRUCTIONS.len()
        );
    }
}
