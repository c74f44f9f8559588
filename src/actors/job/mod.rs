//! Jobs: commands, shell commands and transfers.
//!
//! Every job has an actor ([`actor`]), a task that does the work, and a [`mod@record`] that remains when both are
//! gone. The actor is the same for all kinds; the differences are in the implementations of [`work::JobWork`]. A new
//! kind of job is an implementation of that trait, a variant of [`kind::JobKind`] and a variant of
//! [`Call`](super::session::queued::Call).

pub(crate) mod actor;
pub(crate) mod command;
mod command_task;
mod command_work;
mod deadlines;
pub mod ended_by;
pub mod kind;
pub(crate) mod message;
pub mod outcome;
mod prompt;
pub mod record;
pub mod report;
pub(crate) mod retention;
pub mod transfer;
pub(crate) mod transfer_work;
pub(crate) mod work;

pub(crate) use self::command_task::Route;
