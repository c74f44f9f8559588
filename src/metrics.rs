//! What is counted, under which names and with which labels.
//!
//! A leaf, so that every layer can count with one line. Labels are closed sets: enums, error codes and the
//! names of tools, never a host, a user, a command, a path or a session. Without a recorder, which only the
//! HTTP daemon installs, counting costs next to nothing. What is a state rather than an event (sessions, running
//! jobs) is not here: the daemon reads it from the tree at each scrape.

use std::time::Duration;

use ::metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};

use crate::error::ErrorCode;

const CONNECTS: &str = "mcp_ssh_connects_total";
const RECONNECTS: &str = "mcp_ssh_reconnects_total";
const CONNECT_DURATION: &str = "mcp_ssh_connect_duration_seconds";
const COMMANDS: &str = "mcp_ssh_commands_total";
const COMMAND_DURATION: &str = "mcp_ssh_command_duration_seconds";
const TRANSFER_BYTES: &str = "mcp_ssh_transfer_bytes_total";
const TRANSFERS: &str = "mcp_ssh_transfers_total";
const TOOL_CALLS: &str = "mcp_ssh_tool_calls_total";
const TOOL_CALL_DURATION: &str = "mcp_ssh_tool_call_duration_seconds";
const ACTOR_RESTARTS: &str = "mcp_ssh_actor_restarts_total";
const HOST_KEY_REFUSALS: &str = "mcp_ssh_host_key_refusals_total";
const HTTP_REJECTED: &str = "mcp_ssh_http_rejected_total";
const BUILD_INFO: &str = "mcp_ssh_build_info";

/// Upper bounds of the histograms' buckets, in seconds, by metric. A connect takes some 30 ms on loopback and
/// at most 50 s; a command anything up to a day; a call at most the longest wait.
pub const BUCKETS: [(&str, &[f64]); 3] = [
    (
        CONNECT_DURATION,
        &[0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 50.0],
    ),
    (
        COMMAND_DURATION,
        &[
            0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 25.0, 60.0, 600.0, 3600.0,
        ],
    ),
    (
        TOOL_CALL_DURATION,
        &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 25.0, 55.0],
    ),
];

/// Declares a closed set of label values.
macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The label.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }
    };
}

labels! {
    /// Which dial it was.
    Dial {
        /// Of a session that was not up before in this process.
        First = "connect",
        /// Of a session that has lost its link or was told to reconnect.
        Again = "reconnect",
    }
}

labels! {
    /// The tool that runs a command.
    CommandTool {
        /// `ssh_exec`.
        Exec = "ssh_exec",
        /// `ssh_shell`.
        Shell = "ssh_shell",
    }
}

labels! {
    /// How a command ended, in the words of the results.
    CommandOutcome {
        /// With an exit status.
        Exited = "exited",
        /// By a signal.
        Signaled = "signaled",
        /// Its time was over.
        TimedOut = "timedOut",
        /// Its caller or its session gave up.
        Cancelled = "cancelled",
        /// The link was lost: whether it finished is unknown.
        ConnectionLost = "connectionLost",
        /// It never ran.
        NotRun = "notRun",
        /// A defect here; whether it finished is unknown.
        Failed = "failed",
    }
}

labels! {
    /// How a call of a tool ended.
    CallOutcome {
        /// With a result.
        Ok = "ok",
        /// With an error that its caller was told.
        Error = "error",
        /// Its caller gave up first.
        Cancelled = "cancelled",
    }
}

labels! {
    /// Where the bytes of a transfer go.
    Direction {
        /// To the host.
        Upload = "upload",
        /// From the host.
        Download = "download",
    }
}

labels! {
    /// How a transfer ended.
    TransferOutcome {
        /// Whole.
        Done = "done",
        /// With an error.
        Failed = "failed",
        /// It was stopped.
        Cancelled = "cancelled",
    }
}

labels! {
    /// An actor that is started anew after a crash. The others are temporary: they are never restarted.
    Actor {
        /// A session.
        Session = "session",
    }
}

labels! {
    /// Why an HTTP request or connection was turned away.
    HttpRejection {
        /// A `Host` that is not this server's.
        Host = "host",
        /// A page of another origin.
        Origin = "origin",
        /// No token, or a wrong one.
        Token = "token",
        /// Another user of this machine.
        Peer = "peer",
        /// A body that is too large.
        BodySize = "bodySize",
        /// A body that came too slowly.
        BodyTime = "bodyTime",
        /// A body that is not MCP.
        Malformed = "malformed",
        /// Too many connections.
        Connections = "connections",
        /// Too many MCP sessions.
        Sessions = "sessions",
    }
}

/// What a dial can fail with; any other code counts as `internal`.
const DIAL_CODES: [ErrorCode; 12] = [
    ErrorCode::ConnectFailed,
    ErrorCode::AuthFailed,
    ErrorCode::HostKeyUnknown,
    ErrorCode::HostKeyChanged,
    ErrorCode::HostKeyRevoked,
    ErrorCode::HostKeyMismatch,
    ErrorCode::ConfigError,
    ErrorCode::InvalidParameter,
    ErrorCode::TimedOut,
    ErrorCode::ConnectionLost,
    ErrorCode::Unsupported,
    ErrorCode::Internal,
];
const OK: &str = "ok";
/// Host keys that are refused, and why.
const REFUSALS: [(ErrorCode, &str); 4] = [
    (ErrorCode::HostKeyUnknown, "unknown"),
    (ErrorCode::HostKeyChanged, "changed"),
    (ErrorCode::HostKeyRevoked, "revoked"),
    (ErrorCode::HostKeyMismatch, "mismatch"),
];

/// A dial has ended after `took`; a refused host key is counted too.
pub fn dial_ended(dial: Dial, result: Result<(), ErrorCode>, took: Duration) {
    let outcome = match result {
        Ok(()) => OK,
        Err(code) if DIAL_CODES.contains(&code) => code.as_str(),
        Err(_) => ErrorCode::Internal.as_str(),
    };
    counter!(dials(dial), "outcome" => outcome).increment(1);
    match result {
        Ok(()) => ::metrics::histogram!(CONNECT_DURATION).record(took),
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
        ::metrics::histogram!(COMMAND_DURATION, "tool" => tool.as_str()).record(took);
    }
}

/// Bytes of a transfer have arrived. Called as they do, not at the end, so that rates mean something.
pub fn transfer_moved(direction: Direction, bytes: u64) {
    counter!(TRANSFER_BYTES, "direction" => direction.as_str()).increment(bytes);
}

/// A transfer has ended.
pub fn transfer_ended(direction: Direction, outcome: TransferOutcome) {
    let (direction, outcome) = (direction.as_str(), outcome.as_str());
    counter!(TRANSFERS, "direction" => direction, "outcome" => outcome).increment(1);
}

/// A call of a tool has ended. `tool` is a name of the catalogue, never one that a client made up.
pub fn tool_call_ended(tool: &'static str, outcome: CallOutcome, took: Duration) {
    counter!(TOOL_CALLS, "tool" => tool, "outcome" => outcome.as_str()).increment(1);
    ::metrics::histogram!(TOOL_CALL_DURATION, "tool" => tool).record(took);
}

/// An actor was started anew after a crash.
pub fn actor_restarted(actor: Actor) {
    counter!(ACTOR_RESTARTS, "actor" => actor.as_str()).increment(1);
}

/// An HTTP request or connection was turned away.
pub fn http_rejected(reason: HttpRejection) {
    counter!(HTTP_REJECTED, "reason" => reason.as_str()).increment(1);
}

/// Makes every counter exist at 0, so that its first increment is seen as one, and describes all. Call it once,
/// after the recorder is installed; `tools` are the names of the catalogue.
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

const fn dials(dial: Dial) -> &'static str {
    match dial {
        Dial::First => CONNECTS,
        Dial::Again => RECONNECTS,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_words() {
        let rejections = HttpRejection::ALL.iter().map(|reason| reason.as_str());
        let outcomes = CommandOutcome::ALL.iter().map(|outcome| outcome.as_str());
        for label in rejections.chain(outcomes) {
            assert!(label.chars().all(char::is_alphanumeric), "{label}");
        }
    }

    #[test]
    fn every_refusal_of_a_key_is_an_outcome_of_a_dial() {
        for (code, _) in REFUSALS {
            assert!(DIAL_CODES.contains(&code), "{code}");
        }
    }

    #[test]
    fn buckets_rise() {
        for (name, bounds) in BUCKETS {
            assert!(bounds.is_sorted(), "{name}");
        }
    }
}
