//! Tools, parameters, error codes and options of ssh_config: the documents name each of them, and no other.

use std::collections::{BTreeMap, BTreeSet};

use mcp_ssh_sessions::error::ErrorCode;
use mcp_ssh_sessions::tools::Catalog;
use regex::Regex;
use serde_json::Value;

use super::markdown::{first_cells, headings, read, section};

/// A newcomer reads the README in a few minutes.
const README_MAX_BYTES: usize = 8_600;

fn codes() -> Vec<&'static str> {
    ErrorCode::ALL.iter().map(|code| code.as_str()).collect()
}

fn tools() -> Vec<String> {
    let definitions = Catalog::default().definitions();
    definitions
        .iter()
        .map(|tool| tool.name.to_string())
        .collect()
}

#[test]
fn the_readme_is_short() {
    let length = read("README.md").len();
    assert!(
        length <= README_MAX_BYTES,
        "README.md has {length} bytes; move details to docs/"
    );
}

#[test]
fn the_readme_and_the_guide_have_a_row_for_each_tool() {
    for (file, heading) in [("README.md", "## Tools"), ("docs/tools.md", "## Overview")] {
        let text = read(file);
        assert_eq!(
            first_cells(section(&text, heading)),
            tools()[..].iter().map(String::as_str).collect::<Vec<_>>(),
            "{file}"
        );
    }
}

/// Each parameter stands in backquotes in the section, or the row, of its tool, and no table row names another.
#[test]
fn the_guide_has_every_parameter() {
    let guide = read("docs/tools.md");
    let parameters = section(&guide, "## Parameters");
    for tool in Catalog::default().definitions() {
        let name = tool.name.to_string();
        let own = own_parameters(parameters, &name);
        let properties = tool
            .input_schema
            .get("properties")
            .and_then(|value| value.as_object());
        let known: BTreeSet<String> = properties
            .into_iter()
            .flatten()
            .map(|(name, _)| name.clone())
            .collect();
        assert_eq!(own, known, "parameters of {name} in docs/tools.md");
    }
}

/// The parameters that the guide gives for a tool.
fn own_parameters(parameters: &str, tool: &str) -> BTreeSet<String> {
    let quoted = Regex::new("`([a-z][A-Za-z]*)`").unwrap();
    let names = |text: &str| -> BTreeSet<String> {
        quoted
            .captures_iter(text)
            .map(|captures| captures[1].to_owned())
            .collect()
    };
    let heading = parameters
        .lines()
        .find(|line| line.starts_with("### ") && line.contains(&format!("`{tool}`")));
    match heading {
        Some(heading) => {
            let rows = section(parameters, heading)
                .lines()
                .filter(|line| line.starts_with("| `"));
            rows.flat_map(|row| names(row.split(" | ").next().unwrap_or_default()))
                .collect()
        }
        None => {
            let row = parameters
                .lines()
                .find(|line| line.starts_with(&format!("| `{tool}` |")));
            names(
                row.unwrap_or_else(|| panic!("no parameters of {tool}"))
                    .split(" | ")
                    .nth(1)
                    .unwrap(),
            )
        }
    }
}

/// The fields of each record stand in the row of its tool.
#[test]
fn the_guide_has_every_field_of_a_record() {
    let guide = read("docs/tools.md");
    let table = section(&guide, "## Record results");
    let mut checked = 0;
    for tool in Catalog::default().definitions() {
        let Some(schema) = &tool.output_schema else {
            continue;
        };
        let row = table
            .lines()
            .find(|line| line.starts_with('|') && line.contains(&format!("`{}`", tool.name)))
            .unwrap_or_else(|| panic!("no record of {}", tool.name));
        let mut fields = BTreeSet::new();
        collect_fields(&Value::Object((**schema).clone()), &mut fields);
        let missing: Vec<_> = fields
            .iter()
            .filter(|field| !row.contains(&format!("`{field}`")))
            .collect();
        assert!(
            missing.is_empty(),
            "docs/tools.md, {}: {missing:?}",
            tool.name
        );
        checked += fields.len();
    }
    assert!(checked > 50, "only {checked} fields were found");
}

/// The names of the properties in a schema and in all schemas inside.
fn collect_fields(schema: &Value, fields: &mut BTreeSet<String>) {
    let Some(object) = schema.as_object() else {
        return;
    };
    for (key, value) in object {
        if key == "properties" {
            fields.extend(
                value
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(name, _)| name.clone()),
            );
        }
        match value {
            Value::Array(items) => items.iter().for_each(|item| collect_fields(item, fields)),
            value => collect_fields(value, fields),
        }
    }
}

#[test]
fn every_error_code_has_a_row_and_a_section() {
    let guide = read("docs/tools.md");
    assert_eq!(
        first_cells(section(&guide, "## Errors")),
        codes(),
        "docs/tools.md"
    );
    let troubleshooting = read("docs/troubleshooting.md");
    let by_code = section(&troubleshooting, "## By error code");
    assert_eq!(headings(by_code), codes(), "docs/troubleshooting.md");
    for code in codes() {
        let text = section(by_code, &format!("### {code}"));
        for part in ["**You see**", "**Why**", "**Do**"] {
            assert!(
                text.contains(part),
                "docs/troubleshooting.md: {code} has no {part}"
            );
        }
    }
}

/// `src/ssh/resolve/options.rs` gives each option a treatment; the page has a section for each treatment.
#[test]
fn every_option_of_ssh_config_stands_in_its_class() {
    let source = read("src/ssh/resolve/options.rs");
    let row = Regex::new(r#"\(\s*"(\w+)",\s*(Followed|Noted|Ignored|Refused)\b"#).unwrap();
    let mut classes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for captures in row.captures_iter(&source) {
        classes
            .entry(captures[2].to_owned())
            .or_default()
            .insert(captures[1].to_owned());
    }
    assert!(
        classes.values().map(BTreeSet::len).sum::<usize>() > 100,
        "the table of options was not found"
    );
    let page = read("docs/ssh-config.md");
    for (class, heading) in [
        ("Followed", "## Honoured"),
        ("Refused", "## configError"),
        ("Noted", "## Noted"),
        ("Ignored", "## Harmless to ignore"),
    ] {
        let listed = first_cells(section(&page, heading))
            .into_iter()
            .map(str::to_owned)
            .collect();
        assert_eq!(
            classes.remove(class),
            Some(listed),
            "docs/ssh-config.md, {heading}"
        );
    }
}
