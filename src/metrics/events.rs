//! The events that are counted.

use std::time::Duration;

use ::metrics::{counter, histogram};

use super::labels::{
    Actor, CallOutcome, CommandOutcome, CommandTool, DIAL_CODES, Dial, Direction, HttpRejection,
    OK, REFUSALS, TransferOutcome,
};
use super::names::{
    ACTOR_RESTARTS, COMMAND_DURATION, COMMANDS, CONNECT_DURATION, HOST_KEY_REFUSALS, HTTP_REJECTED,
    TOOL_CALL_DURATION, TOOL_CALLS, TRANSFER_BYTES, TRANSFERS, dials,
};
use crate::error::ErrorCode;

/// A dial has ended after `took`; a refused host key is counted too.
pub fn dial_ended(dial: Dial, result: Result<(), ErrorCode>, took: Duration) {
    let outcome = match result {
        Ok(()) => OK,
        Err(code) if DIAL_CODES.contains(&code) => code.as_str(),
        Err(_) => ErrorCode::Internal.as_str(),
    };
    counter!(dials(dial), "outcome" => outcome).increment(1);
    match result {
        Ok(()) => histogram!(CONNECT_DURATION).record(took),
        Err(code) => {
            if let Some((_, reason)) = REFUSALS.iter().find(|(refusal, _)| *refusal == code) {
                counter!(HOST_KEY_REFUSALS, "reason" => *reason).increment(1);
            }
        }
    }
}

/// A command has ended; `took` counts from its exec request.
pub fn command_ended(tool: CommandTool, outcome: CommandOutcome, took: Duration) {
    counter!(COMMANDS, "tool" => tool.as_str(), "outcome" => outcome.as_str()).increment(1);
    if outcome != CommandOutcome::NotRun {
        histogram!(COMMAND_DURATION, "tool" => tool.as_str()).record(took);
    }
}

/// Bytes of a transfer have arrived. Called during the transfer, not at the end, so that rates are meaningful.
pub fn transfer_moved(direction: Direction, bytes: u64) {
    counter!(TRANSFER_BYTES, "direction" => direction.as_str()).increment(bytes);
}

/// A transfer has ended.
pub fn transfer_ended(direction: Direction, outcome: TransferOutcome) {
    let (direction, outcome) = (direction.as_str(), outcome.as_str());
    counter!(TRANSFERS, "direction" => direction, "outcome" => outcome).increment(1);
}

/// A call of a tool has ended. `tool` is a name of the catalogue, never a name from a client.
pub fn tool_call_ended(tool: &'static str, outcome: CallOutcome, took: Duration) {
    counter!(TOOL_CALLS, "tool" => tool, "outcome" => outcome.as_str()).increment(1);
    histogram!(TOOL_CALL_DURATION, "tool" => tool).record(took);
}

/// An actor was started anew after a crash.
pub fn actor_restarted(actor: Actor) {
    counter!(ACTOR_RESTARTS, "actor" => actor.as_str()).increment(1);
}

/// An HTTP request or connection was turned away.
pub fn http_rejected(reason: HttpRejection) {
    counter!(HTTP_REJECTED, "reason" => reason.as_str()).increment(1);
}
