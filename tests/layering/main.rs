//! The shape of the sources: imports go down the layers, some crates stay in some layers, no files import each other
//! in a circle, no file is long.
//!
//! The tests read the paths of every file below `src`, both those of `use` declarations and those in the code, and
//! name file, line and rule of a path that breaks a rule.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy knows only test functions as tests, and helpers of these are none"
)]

mod checker;
mod circles;
mod paths;
mod samples;
mod tokens;

use std::path::{Path, PathBuf};

use checker::{CRATES, MODULES, check, imports};
use circles::{Circle, circles, describe, imports_between};

/// Imports that exist, one for each step down the layers: proof that the checker reads the sources.
const SEEN: [(&str, &str); 7] = [
    ("main", "server"),
    ("server", "tools"),
    ("tools", "actors"),
    ("actors", "ssh"),
    ("actors", "store"),
    ("actors", "ractor"),
    ("ssh", "russh"),
];

/// Longest file of Rust, in lines: more than this is more than one subject.
const FILE_MAX_LINES: usize = 500;

/// Circles that are left. A new one fails the test, and so does an entry of which nothing is left.
const KNOWN_CIRCLES: &[&[&str]] = &[
    // The embedded server starts its connections, and a connection reads the options of the server: two halves of one
    // subject, which only the demo and the tests use.
    &["src/demo/connection.rs", "src/demo/server.rs"],
];

/// Every file of Rust below these directories, with its path from the root of the repository.
fn sources(directories: &[&str]) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut directories: Vec<_> = directories.iter().map(|name| root.join(name)).collect();
    let mut files = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap();
                files.push((name.to_owned(), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files
}

#[test]
fn imports_go_down_the_layers_only() {
    let violations: Vec<String> = sources(&["src"])
        .iter()
        .flat_map(|(file, source)| check(file, source))
        .map(|violation| violation.to_string())
        .collect();
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let imports = imports_between(&sources(&["src"]));
    let found = circles(&imports);
    let is_part = |circle: &Circle, known: &[&str]| {
        let mut files = circle.iter();
        files.all(|file| known.contains(&file.as_str()))
    };
    let new: String = found
        .iter()
        .filter(|circle| !KNOWN_CIRCLES.iter().any(|known| is_part(circle, known)))
        .map(|circle| describe(circle, &imports))
        .collect();
    let stale: Vec<_> = KNOWN_CIRCLES
        .iter()
        .filter(|known| !found.iter().any(|circle| is_part(circle, known)))
        .collect();
    assert!(new.is_empty(), "files that import each other:\n{new}");
    assert!(
        stale.is_empty(),
        "no longer circles, to be removed from KNOWN_CIRCLES: {stale:?}"
    );
}

#[test]
fn no_file_is_longer_than_500_lines() {
    let long: Vec<_> = sources(&["src", "tests", "benches", "examples"])
        .iter()
        .map(|(file, source)| (source.lines().count(), file.clone()))
        .filter(|(lines, _)| *lines > FILE_MAX_LINES)
        .collect();
    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn the_checker_sees_the_imports_that_are_there() {
    let seen: Vec<(String, String)> = sources(&["src"])
        .iter()
        .flat_map(|(file, source)| imports(file, source))
        .collect();
    for (from, to) in SEEN {
        let edge = (from.to_owned(), to.to_owned());
        assert!(seen.contains(&edge), "{from} should import {to}");
    }
}

#[test]
fn every_module_of_the_table_is_there() {
    let files: Vec<String> = sources(&["src"])
        .into_iter()
        .map(|(file, _)| file)
        .collect();
    for (module, _) in MODULES {
        let (file, folder) = (format!("src/{module}.rs"), format!("src/{module}/mod.rs"));
        let is_there = files.iter().any(|name| *name == file || *name == folder);
        assert!(is_there, "{module} has a rule and no file");
    }
}

#[test]
fn the_crates_of_the_table_are_dependencies() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let manifest = std::fs::read_to_string(manifest).unwrap();
    for (name, _) in CRATES {
        // In the manifest a name may have hyphens.
        let written = [name.to_string(), name.replace('_', "-")];
        let is_there = |name: &String| manifest.contains(&format!("\n{name} = "));
        assert!(written.iter().any(is_there), "{name} is no dependency");
    }
}
