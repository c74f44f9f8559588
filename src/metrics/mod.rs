//! Counters and histograms: names, labels and events.
//!
//! A leaf, so that every layer can count with a single call. Labels are closed sets: enums, error codes and the names of
//! tools; never a host, a user, a command, a path or a session. Without a recorder, which only the HTTP daemon
//! installs, counting costs next to nothing. States such as the number of sessions or running jobs are not counted
//! here: the daemon reads them from the actors at each scrape.

mod events;
mod labels;
mod names;
mod register;

pub use events::{
    actor_restarted, command_ended, dial_ended, http_rejected, tool_call_ended, transfer_ended,
    transfer_moved,
};
pub use labels::{
    Actor, CallOutcome, CommandOutcome, CommandTool, Dial, Direction, HttpRejection,
    TransferOutcome,
};
pub use names::BUCKETS;
pub use register::register;
