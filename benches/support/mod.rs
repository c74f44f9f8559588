//! What the rows of the table are made with, and the rows themselves.

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

/// A measurement, or why it could not be made. Nothing handles these errors but the one who reads them.
pub(crate) type Measured<T> = Result<T, Box<dyn std::error::Error>>;
