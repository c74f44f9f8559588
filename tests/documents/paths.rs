//! Files that the documents name in backquotes, and the map of ARCHITECTURE.md, exist.

use std::collections::BTreeSet;
use std::path::Path;

use regex::Regex;

use super::markdown::{documents, read, root, section, split};

#[test]
fn files_named_in_documents_exist() {
    let path =
        Regex::new("`((?:src|tests|docs|scripts|deploy|examples|benches)/[A-Za-z0-9_./-]+)`")
            .unwrap();
    let mut missing = Vec::new();
    for document in documents() {
        for captures in path.captures_iter(&split(&document.text).0) {
            if !root().join(&captures[1]).exists() {
                missing.push(format!("{}: {}", document.path.display(), &captures[1]));
            }
        }
    }
    assert!(
        missing.is_empty(),
        "files that do not exist:\n{}",
        missing.join("\n")
    );
}

/// The first column of the map has directories, and below them names relative to the directory.
#[test]
fn the_map_names_what_exists_and_every_module_directory() {
    let architecture = read("ARCHITECTURE.md");
    let (_, blocks) = split(section(&architecture, "## The map"));
    let mut directory = String::new();
    let mut missing = Vec::new();
    let mut named = BTreeSet::new();
    for line in blocks[0]
        .code
        .lines()
        .filter(|line| !line.starts_with("                "))
    {
        let is_nested = line.starts_with("  ");
        let column = line.trim_start().split("  ").next().unwrap_or_default();
        for name in column.split(' ').filter(|name| !name.is_empty()) {
            let path = if is_nested {
                format!("{directory}{name}")
            } else {
                name.to_owned()
            };
            let exists = root().join(&path).exists() || root().join(format!("{path}.rs")).exists();
            if !exists {
                missing.push(path.clone());
            }
            named.insert(path.trim_end_matches('/').to_owned());
        }
        if !is_nested && column.ends_with('/') {
            directory = column.to_owned();
        }
    }
    assert!(
        missing.is_empty(),
        "ARCHITECTURE.md names files that do not exist: {missing:?}"
    );
    let unnamed: Vec<_> = module_directories()
        .into_iter()
        .filter(|directory| !named.contains(directory))
        .collect();
    assert!(
        unnamed.is_empty(),
        "ARCHITECTURE.md does not name {unnamed:?}"
    );
}

/// The directories of modules in `src` and one level below, such as `src/ssh/auth`.
fn module_directories() -> Vec<String> {
    let inner = |directory: &Path| -> Vec<_> {
        let entries = std::fs::read_dir(directory).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.join("mod.rs").exists()).collect()
    };
    let layers = inner(&root().join("src"));
    let rooms = layers.iter().flat_map(|layer| inner(layer));
    let all = layers.iter().cloned().chain(rooms);
    all.map(|path| path.strip_prefix(root()).unwrap().display().to_string())
        .collect()
}
