//! `docs/limits.md` is made from `src/limits.rs`.

use std::fmt::Write as _;

use super::markdown::{read, root};

const PAGE: &str = "docs/limits.md";
const HEAD: &str = "# Limits\n\nEvery limit of the program, with its value and its reason. `src/limits.rs` defines each limit once; this page is generated from that file by `UPDATE_DOCS=1 cargo test --test documents`, and a test fails when the page is stale.\n\n";

/// One constant of `limits.rs`.
struct Limit {
    /// The last `// ## TITLE` before the constant.
    heading: String,
    name: String,
    value: String,
    reason: String,
}

#[test]
fn the_page_is_fresh() {
    let limits = limits();
    assert!(limits.len() > 40, "only {} limits were found", limits.len());
    let mut page = HEAD.trim_end().to_owned();
    page.push('\n');
    let mut last_heading = "";
    for limit in &limits {
        if limit.heading != last_heading {
            last_heading = &limit.heading;
            let columns = "| limit | value | reason |\n| --- | --- | --- |";
            writeln!(page, "\n## {last_heading}\n\n{columns}").unwrap();
        }
        let Limit {
            heading: _,
            name,
            value,
            reason,
        } = limit;
        writeln!(page, "| `{name}` | {value} | {reason} |").unwrap();
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(root().join(PAGE), &page).unwrap();
    }
    assert!(
        read(PAGE) == page,
        "{PAGE} is stale; run: UPDATE_DOCS=1 cargo test --test documents"
    );
}

/// Reads the constants with their doc comments.
fn limits() -> Vec<Limit> {
    let source = read("src/limits.rs");
    let mut limits = Vec::new();
    let mut heading = String::new();
    let mut doc = String::new();
    let mut lines = source.lines();
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
            assert!(!heading.is_empty(), "{name} stands under no heading");
            limits.push(Limit {
                heading: heading.clone(),
                name: name.to_owned(),
                value: shown(name, value.trim_end_matches(';').trim()),
                reason: plain(&std::mem::take(&mut doc)),
            });
        } else if let Some(title) = line.strip_prefix("// ## ") {
            title.clone_into(&mut heading);
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
