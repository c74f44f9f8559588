//! The start of the recorder: every series at 0, and the descriptions.

use ::metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};

use super::labels::{
    Actor, CallOutcome, CommandOutcome, CommandTool, DIAL_CODES, Dial, Direction, HttpRejection,
    OK, REFUSALS, TransferOutcome,
};
use super::names::{
    ACTOR_RESTARTS, BUILD_INFO, COMMAND_DURATION, COMMANDS, CONNECT_DURATION, CONNECTS,
    HOST_KEY_REFUSALS, HTTP_REJECTED, RECONNECTS, TOOL_CALL_DURATION, TOOL_CALLS, TRANSFER_BYTES,
    TRANSFERS, dials,
};

/// Creates every counter at 0, so that its first increment is visible as an increase, and describes all metrics. To be
/// called once, after the recorder is installed; `tools` are the names of the catalogue.
pub fn register(version: &'static str, tools: &[&'static str]) {
    describe();
    gauge!(BUILD_INFO, "version" => version).set(1.0);
    for dial in Dial::ALL {
        let codes = DIAL_CODES.iter().map(|code| code.as_str());
        for outcome in std::iter::once(OK).chain(codes) {
            counter!(dials(*dial), "outcome" => outcome).increment(0);
        }
    }
    for (_, reason) in REFUSALS {
        counter!(HOST_KEY_REFUSALS, "reason" => reason).increment(0);
    }
    for tool in CommandTool::ALL {
        for outcome in CommandOutcome::ALL {
            counter!(COMMANDS, "tool" => tool.as_str(), "outcome" => outcome.as_str()).increment(0);
        }
    }
    for direction in Direction::ALL {
        counter!(TRANSFER_BYTES, "direction" => direction.as_str()).increment(0);
        for outcome in TransferOutcome::ALL {
            let (direction, outcome) = (direction.as_str(), outcome.as_str());
            counter!(TRANSFERS, "direction" => direction, "outcome" => outcome).increment(0);
        }
    }
    for tool in tools {
        for outcome in CallOutcome::ALL {
            counter!(TOOL_CALLS, "tool" => *tool, "outcome" => outcome.as_str()).increment(0);
        }
    }
    for actor in Actor::ALL {
        counter!(ACTOR_RESTARTS, "actor" => actor.as_str()).increment(0);
    }
    for reason in HttpRejection::ALL {
        counter!(HTTP_REJECTED, "reason" => reason.as_str()).increment(0);
    }
}

fn describe() {
    describe_gauge!(BUILD_INFO, "The version that runs; always 1.");
    describe_counter!(
        CONNECTS,
        "Dials of sessions that were not up before in this process."
    );
    describe_counter!(RECONNECTS, "Dials of sessions that were up before.");
    describe_histogram!(
        CONNECT_DURATION,
        Unit::Seconds,
        "Time of the dials that succeeded, from ssh -G to the end of authentication."
    );
    describe_counter!(COMMANDS, "Commands that have ended.");
    describe_histogram!(
        COMMAND_DURATION,
        Unit::Seconds,
        "Time from a command's exec request to its end."
    );
    describe_counter!(
        TRANSFER_BYTES,
        Unit::Bytes,
        "Bytes of files that were transferred."
    );
    describe_counter!(TRANSFERS, "Transfers that have ended.");
    describe_counter!(TOOL_CALLS, "Calls of tools that have ended.");
    describe_histogram!(
        TOOL_CALL_DURATION,
        Unit::Seconds,
        "Time from the arrival of a call to its answer."
    );
    describe_counter!(
        ACTOR_RESTARTS,
        "Actors that were started anew after a crash."
    );
    describe_counter!(
        HOST_KEY_REFUSALS,
        "Host keys that were refused; no credential was sent."
    );
    describe_counter!(
        HTTP_REJECTED,
        "HTTP requests and connections that were turned away."
    );
}
