//! Logs: to stderr, because stdout belongs to the MCP transport, and only events of this crate.
//!
//! Other crates' events are dropped whatever the filter says: at debug level they print whole requests, and
//! with them passwords and outputs.

use tracing_subscriber::filter::{EnvFilter, FilterExt, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// Starts logging. An error names the fault in the filter.
pub fn init(filter: &str) -> Result<(), String> {
    let levels = EnvFilter::try_new(filter)
        .map_err(|error| format!("--log {filter:?} is not a filter: {error}"))?;
    let ours = filter_fn(|metadata| metadata.target().starts_with(env!("CARGO_CRATE_NAME")));
    let layer = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_filter(levels.and(ours));
    tracing_subscriber::registry()
        .with(layer)
        .try_init()
        .map_err(|error| error.to_string())
}
