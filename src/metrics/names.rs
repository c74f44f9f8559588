//! The names of the metrics, and the buckets of the histograms.

use super::labels::Dial;

pub(super) const CONNECTS: &str = "mcp_ssh_connects_total";
pub(super) const RECONNECTS: &str = "mcp_ssh_reconnects_total";
pub(super) const CONNECT_DURATION: &str = "mcp_ssh_connect_duration_seconds";
pub(super) const COMMANDS: &str = "mcp_ssh_commands_total";
pub(super) const COMMAND_DURATION: &str = "mcp_ssh_command_duration_seconds";
pub(super) const TRANSFER_BYTES: &str = "mcp_ssh_transfer_bytes_total";
pub(super) const TRANSFERS: &str = "mcp_ssh_transfers_total";
pub(super) const TOOL_CALLS: &str = "mcp_ssh_tool_calls_total";
pub(super) const TOOL_CALL_DURATION: &str = "mcp_ssh_tool_call_duration_seconds";
pub(super) const ACTOR_RESTARTS: &str = "mcp_ssh_actor_restarts_total";
pub(super) const HOST_KEY_REFUSALS: &str = "mcp_ssh_host_key_refusals_total";
pub(super) const HTTP_REJECTED: &str = "mcp_ssh_http_rejected_total";
pub(super) const BUILD_INFO: &str = "mcp_ssh_build_info";

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

/// The counter of dials of one kind.
pub(super) const fn dials(dial: Dial) -> &'static str {
    match dial {
        Dial::First => CONNECTS,
        Dial::Again => RECONNECTS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_rise() {
        for (name, bounds) in BUCKETS {
            assert!(bounds.is_sorted(), "{name}");
        }
    }
}
