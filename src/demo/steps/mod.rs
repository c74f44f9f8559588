//! The steps of the walk-through: calls, the expected results, and the text that an agent would read.
//!
//! A step is a function of the [`Stage`] and a line of [`ALL`]. Where possible, a step also checks the effect on the host
//! (a process that is gone, a line that was written once), not only the product's answer.

mod command;
mod job;
mod link;
pub(super) mod outcome;
mod session;
mod shell;
mod transfer;

use futures_core::future::BoxFuture;

use self::outcome::Outcome;
use super::stage::Stage;

/// The function of a step.
type Run = for<'a> fn(&'a Stage) -> BoxFuture<'a, Outcome>;

/// A step of the walk-through.
pub(super) struct Step {
    /// Name in the report.
    pub(super) name: &'static str,
    /// The other steps depend on this step: a failure ends the walk-through.
    pub(super) is_foundation: bool,
    /// Performs the step.
    pub(super) run: Run,
}

/// All steps, in their order.
pub(super) const ALL: &[Step] = &[
    foundation("start", |stage| Box::pin(session::handshake(stage))),
    foundation("connect", |stage| Box::pin(session::connect(stage))),
    step("exec", |stage| Box::pin(command::status_and_streams(stage))),
    step("parallel", |stage| Box::pin(command::parallel(stage))),
    step("timeout", |stage| Box::pin(command::time_limit(stage))),
    step("long output", |stage| Box::pin(command::long_output(stage))),
    step("long job", |stage| Box::pin(job::long(stage))),
    step("shell", |stage| Box::pin(shell::shell(stage))),
    step("files", |stage| Box::pin(transfer::there_and_back(stage))),
    step("unknown host key", |stage| {
        Box::pin(session::unknown_host_key(stage))
    }),
    step("lost link", |stage| Box::pin(link::lost(stage))),
    step("reconnect", |stage| Box::pin(link::reconnect(stage))),
    step("sessions", |stage| Box::pin(session::list(stage))),
    step("disconnect", |stage| Box::pin(session::disconnect(stage))),
];

const fn step(name: &'static str, run: Run) -> Step {
    Step {
        name,
        is_foundation: false,
        run,
    }
}

const fn foundation(name: &'static str, run: Run) -> Step {
    Step {
        is_foundation: true,
        ..step(name, run)
    }
}
