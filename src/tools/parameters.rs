//! Parameters that several tools share, and their checks.

use std::time::Duration;

use regex::bytes::{Regex, RegexBuilder};

use super::error::ToolError;
use crate::actors::Retry;
use crate::limits;
use crate::store::SessionName;

/// The session of a call, if the call names a session.
pub(super) fn session(name: Option<String>) -> Result<Option<SessionName>, ToolError> {
    name.map(|name| session_name("session", &name)).transpose()
}

/// Parses the session name in a parameter.
pub(super) fn session_name(parameter: &str, name: &str) -> Result<SessionName, ToolError> {
    SessionName::parse(name).map_err(|error| ToolError::invalid(format!("{parameter}: {error}")))
}

/// Reads a duration in milliseconds within its bound.
pub(super) fn duration(
    parameter: &str,
    millis: Option<u64>,
    max: Duration,
) -> Result<Option<Duration>, ToolError> {
    let Some(millis) = millis else {
        return Ok(None);
    };
    let duration = Duration::from_millis(millis);
    if duration > max {
        return Err(ToolError::invalid(format!(
            "{parameter} is {millis}; at most {} ms",
            max.as_millis()
        )));
    }
    Ok(Some(duration))
}

/// Reads a duration that must not be zero.
pub(super) fn positive(
    parameter: &str,
    millis: Option<u64>,
    max: Duration,
) -> Result<Option<Duration>, ToolError> {
    if millis == Some(0) {
        return Err(ToolError::invalid(format!(
            "{parameter} is 0; give at least 1 ms or leave it out"
        )));
    }
    duration(parameter, millis, max)
}

/// Reads a regular expression.
pub(super) fn pattern(parameter: &str, text: &str) -> Result<Regex, ToolError> {
    // The automaton is bounded, because the pattern comes from a model.
    let built = RegexBuilder::new(text)
        .size_limit(limits::GREP_AUTOMATON_MAX_BYTES)
        .build();
    built.map_err(|error| ToolError::invalid(format!("{parameter}: {error}")))
}

/// `until`.
pub(super) fn until(text: Option<&str>) -> Result<Option<Regex>, ToolError> {
    text.map(|text| pattern("until", text)).transpose()
}

/// `retryForMs`.
pub(super) fn retry(millis: Option<u64>) -> Result<Retry, ToolError> {
    let within = duration("retryForMs", millis, limits::RETRY_FOR_MAX)?;
    Ok(Retry {
        within: within.unwrap_or_default(),
        ..Retry::default()
    })
}

/// `waitMs`.
pub(super) fn wait(millis: Option<u64>) -> Result<Duration, ToolError> {
    Ok(duration("waitMs", millis, limits::WAIT_MAX)?.unwrap_or(limits::WAIT_DEFAULT))
}

/// `maxOutputBytes`.
pub(super) fn max_output(bytes: Option<u64>) -> Result<usize, ToolError> {
    let max = limits::OUTPUT_MAX_BYTES;
    match bytes {
        None => Ok(limits::OUTPUT_DEFAULT_BYTES),
        Some(bytes) => usize::try_from(bytes)
            .ok()
            .filter(|bytes| *bytes <= max)
            .ok_or_else(|| ToolError::invalid(format!("maxOutputBytes is {bytes}; at most {max}"))),
    }
}
