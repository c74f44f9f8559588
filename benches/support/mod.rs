//! The measurements, and the rows of the table.

pub(crate) mod lab;
pub(crate) mod mcp;
pub(crate) mod samples;
pub(crate) mod table;

pub(crate) mod connect;
pub(crate) mod daemon;
pub(crate) mod exec;
pub(crate) mod memory;
pub(crate) mod output;
pub(crate) mod shell;
pub(crate) mod start;
pub(crate) mod transfer;

/// A measurement, or the reason why there is none. Only the reader of the report handles these errors.
pub(crate) type Measured<T> = Result<T, Box<dyn std::error::Error>>;
