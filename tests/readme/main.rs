//! The README against the code: limits, error codes and tools.

#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests fail by panicking, too

use std::fmt::Write as _;

use mcp_ssh_sessions::error::ErrorCode;
use mcp_ssh_sessions::tools::Catalog;

const README: &str = include_str!("../../README.md");
const LIMITS: &str = include_str!("../../src/limits.rs");

/// One constant of `limits.rs`.
struct Limit {
    name: String,
    value: String,
    reason: String,
}

#[test]
fn the_limits_table_is_that_of_the_code() {
    let limits = limits();
    assert!(limits.len() > 40, "only {} limits were found", limits.len());
    let mut table = String::from("| limit | value | reason |\n| --- | --- | --- |\n");
    for limit in &limits {
        writeln!(
            table,
            "| `{}` | {} | {} |",
            limit.name, limit.value, limit.reason
        )
        .unwrap();
    }
    assert!(
        README.contains(&table),
        "the README's limits table differs from src/limits.rs; it should be:\n\n{table}"
    );
}

#[test]
fn every_error_code_has_a_row_and_every_row_a_code() {
    let section = README
        .split("| code | meaning |")
        .nth(1)
        .expect("the table of codes");
    let rows: Vec<_> = section
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.split('`').nth(1).expect("a code in backquotes"))
        .collect();
    let codes: Vec<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(rows, codes);
}

#[test]
fn every_tool_has_a_row() {
    for tool in Catalog::default().definitions() {
        assert!(
            README.contains(&format!("| `{}` |", tool.name)),
            "{} is not in the README",
            tool.name
        );
    }
}

/// Reads the constants with their doc comments.
fn limits() -> Vec<Limit> {
    let mut limits = Vec::new();
    let mut doc = String::new();
    let mut lines = LIMITS.lines();
    while let Some(line) = lines.next() {
        if let Some(text) = line.strip_prefix("/// ") {
            let gap = if doc.is_empty() { "" } else { " " };
            write!(doc, "{gap}{text}").unwrap();
        } else if let Some(rest) = line.strip_prefix("pub const ") {
            let mut statement = rest.to_owned();
            while !statement.ends_with(';') {
                statement.push_str(lines.next().expect("an end of the statement").trim());
            }
            let (name, rest) = statement.split_once(':').expect("a type");
            let (_, value) = rest.split_once('=').expect("a value");
            limits.push(Limit {
                name: name.to_owned(),
                value: shown(name, value.trim_end_matches(';').trim()),
                reason: plain(&std::mem::take(&mut doc)),
            });
        } else {
            doc.clear();
        }
    }
    limits
}

/// Links of the documentation are code in the table.
fn plain(doc: &str) -> String {
    doc.replace("[`", "`")
        .replace("`]", "`")
        .replace('|', "\\|")
        .trim_end_matches('.')
        .to_owned()
}

fn shown(name: &str, value: &str) -> String {
    if let Some(argument) = between(value, "Duration::from_millis(", ")") {
        return format!("{} ms", product(argument));
    }
    if let Some(argument) = between(value, "Duration::from_secs(", ")") {
        return format!("{} s", product(argument));
    }
    let number = product(value);
    let unit = [("GiB", 1u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let bytes = name.ends_with("_BYTES");
    match unit
        .iter()
        .find(|(_, size)| bytes && number >= *size && number.is_multiple_of(*size))
    {
        Some((unit, size)) => format!("{} {unit}", number / size),
        None if bytes => format!("{number} bytes"),
        None => number.to_string(),
    }
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    text.strip_prefix(start)?.strip_suffix(end)
}

fn product(expression: &str) -> u64 {
    let factors = expression
        .split('*')
        .map(|factor| factor.trim().replace('_', ""));
    factors
        .map(|factor| {
            factor
                .parse::<u64>()
                .unwrap_or_else(|_| panic!("{expression:?} is no product"))
        })
        .product()
}
