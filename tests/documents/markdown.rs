//! The repository's documents, and the parts of Markdown that the tests look at.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A Markdown file of the repository.
pub(crate) struct Document {
    /// Path from the root of the repository.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// A fenced block of code.
pub(crate) struct Block {
    pub(crate) language: String,
    pub(crate) code: String,
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The documents at the root and below `docs`, in the order of their paths.
pub(crate) fn documents() -> Vec<Document> {
    let mut directories = vec![root().join("docs")];
    let mut paths = markdown_files(root());
    while let Some(directory) = directories.pop() {
        paths.extend(markdown_files(&directory));
        let entries = std::fs::read_dir(&directory).unwrap();
        directories.extend(
            entries
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.is_dir()),
        );
    }
    paths.sort();
    let document = |path: PathBuf| Document {
        text: std::fs::read_to_string(&path).unwrap(),
        path: path.strip_prefix(root()).unwrap().to_owned(),
    };
    paths.into_iter().map(document).collect()
}

fn markdown_files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| {
            path.is_file() && path.extension().is_some_and(|extension| extension == "md")
        })
        .collect()
}

/// Splits a document into its text without code blocks, and the blocks.
pub(crate) fn split(text: &str) -> (String, Vec<Block>) {
    let (mut prose, mut blocks) = (String::new(), Vec::new());
    let mut open: Option<Block> = None;
    for line in text.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(language), None) => {
                open = Some(Block {
                    language: language.trim().to_owned(),
                    code: String::new(),
                });
            }
            (None, Some(block)) => {
                block.code.push_str(line);
                block.code.push('\n');
            }
            (None, None) => {
                prose.push_str(line);
                prose.push('\n');
            }
        }
    }
    assert!(open.is_none(), "a code block has no end");
    (prose, blocks)
}

/// The text of every heading, without its marks.
pub(crate) fn headings(text: &str) -> Vec<String> {
    let (prose, _) = split(text);
    let lines = prose.lines().filter(|line| line.starts_with('#'));
    lines
        .map(|line| line.trim_start_matches('#').trim().to_owned())
        .collect()
}

/// The anchors of a document, as GitHub makes them from its headings.
pub(crate) fn anchors(text: &str) -> Vec<String> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut anchors = Vec::new();
    for heading in headings(text) {
        let slug = slug(&heading);
        let count = seen.entry(slug.clone()).or_default();
        anchors.push(match *count {
            0 => slug,
            count => format!("{slug}-{count}"),
        });
        *count += 1;
    }
    anchors
}

fn slug(heading: &str) -> String {
    let lower = heading.to_lowercase();
    let kept = lower.chars().filter_map(|c| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || matches!(c, '-' | '_') => Some(c),
        _ => None,
    });
    kept.collect()
}

/// The section below a heading, up to the next heading of the same or a higher level.
pub(crate) fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let start = text
        .find(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("there is no section {heading:?}"))
        + heading.len()
        + 2;
    let level = heading.chars().take_while(|c| *c == '#').count();
    let end = (1..=level)
        .filter_map(|level| text[start..].find(&format!("\n{} ", "#".repeat(level))))
        .min();
    &text[start..end.map_or(text.len(), |end| start + end)]
}

/// The cells in backquotes that begin the rows of a table, in their order.
pub(crate) fn first_cells(text: &str) -> Vec<&str> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| "));
    rows.filter_map(|row| {
        let cell = row.split(" | ").next()?;
        cell.split('`').nth(1)
    })
    .collect()
}
