//! The record of a command's result in `_meta`, for programs.

use serde::Serialize;
use serde_json::{Value, json};

use super::facts::{Activity, CommandFacts};
use crate::actors::job::ended_by::EndedBy;
use crate::actors::job::outcome::{Outcome, ShellFacts};
use crate::tools::record::millis;

/// The fields of the record; a field that does not apply is left out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    session: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<&'a str>,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fate: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_by: Option<&'static str>,
    duration_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cwd: Option<&'a str>,
    stdout_bytes: u64,
    stderr_bytes: u64,
    omitted_bytes: u64,
    escaped: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    matched: Option<u64>,
    #[serde(skip_serializing_if = "is_false")]
    held_by_background: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    shell_generation: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shell_restarted: Option<bool>,
    #[serde(skip_serializing_if = "is_false")]
    reconnected: bool,
    #[serde(skip_serializing_if = "is_false")]
    waiting_for_input: bool,
}

/// Writes the record.
pub(super) fn record(facts: &CommandFacts<'_>) -> Value {
    let outcome = facts.outcome;
    let own_outcome = facts.own_outcome();
    let ended = *outcome != Outcome::Running;
    let shell = facts.shell;
    json!(Record {
        session: facts.session,
        job: facts.is_kept.then_some(facts.job),
        outcome: own_outcome.as_str(),
        fate: ended.then(|| outcome.fate().as_str()),
        exit_code: match own_outcome {
            Outcome::Exited(status) => Some(*status),
            _ => None,
        },
        signal: signal(own_outcome),
        ended_by: facts.ended_by.map(EndedBy::as_str),
        duration_ms: millis(facts.elapsed),
        cwd: facts.cwd,
        stdout_bytes: facts.stdout_bytes,
        stderr_bytes: facts.stderr_bytes,
        omitted_bytes: facts.omitted,
        escaped: facts.escaped,
        next_offset_bytes: facts.paging.map(|paging| paging.next_offset),
        remaining_bytes: facts.paging.map(|paging| paging.remaining),
        matched: facts.until.and_then(|until| until.matched),
        held_by_background: facts.held_by_background,
        shell_generation: shell.map(|shell: &ShellFacts| shell.generation),
        shell_restarted: shell.map(|shell: &ShellFacts| shell.restarted),
        reconnected: facts.reconnected,
        waiting_for_input: facts.activity == Activity::WaitsForInput,
    })
}

/// The signal that ended the command, or the last that was sent to end it.
fn signal(outcome: &Outcome) -> Option<&str> {
    match outcome {
        Outcome::Signaled(signal) => Some(signal.as_str()),
        Outcome::TimedOut { kill, .. } | Outcome::Cancelled(kill) => {
            kill.as_ref().map(|kill| kill.signal.as_str())
        }
        _ => None,
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(value: &bool) -> bool {
    !value
}
