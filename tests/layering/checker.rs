//! The rules, and the violations of a file.

use std::fmt;

use super::paths::{FoundPath, paths};

/// May be imported by every layer.
const LEAVES: [&str; 6] = ["error", "limits", "text", "metrics", "output", "policy"];

/// Allowed imports of a top-level module beside itself and [`LEAVES`].
pub(crate) const MODULES: [(&str, &[&str]); 18] = [
    (
        "main",
        &[
            "server",
            "tools",
            "actors",
            "ssh",
            "store",
            "cli",
            "telemetry",
            "doctor",
            "demo",
        ],
    ),
    ("server", &["tools", "actors", "ssh", "store"]),
    ("tools", &["actors", "ssh", "store"]),
    ("actors", &["ssh", "store"]),
    ("ssh", &[]),
    ("store", &[]),
    ("doctor", &["ssh", "store", "cli", "terminal_report"]),
    (
        "demo",
        &[
            "server",
            "tools",
            "actors",
            "ssh",
            "store",
            "cli",
            "telemetry",
            "doctor",
            "terminal_report",
        ],
    ),
    ("cli", &[]),
    ("terminal_report", &[]),
    ("telemetry", &[]),
    ("error", &[]),
    ("limits", &[]),
    ("text", &[]),
    // Counts events of the other layers, by their error codes.
    ("metrics", &[]),
    // Keeps the output of commands within its limits.
    ("output", &[]),
    ("policy", &[]),
    ("lib", &[]),
];

/// Modules that import nothing at all: leaves themselves, and the root, which only declares the others.
const ISOLATED: [&str; 7] = [
    "cli",
    "terminal_report",
    "telemetry",
    "error",
    "limits",
    "text",
    "lib",
];

/// Crates that one layer keeps to itself, and the files that may name them.
pub(crate) const CRATES: [(&str, &[&str]); 9] = [
    ("ractor", &["src/actors/"]),
    ("russh", &["src/ssh/", "src/demo/"]),
    ("russh_sftp", &["src/ssh/", "src/demo/"]),
    ("rmcp", &["src/tools/", "src/server/", "src/demo/"]),
    (
        "backoff",
        &["src/actors/session/connection_state/outage.rs"],
    ),
    ("clap", &["src/cli.rs", "src/main.rs"]),
    ("axum", &["src/server/http/"]),
    ("hyper", &["src/server/http/"]),
    // As `::metrics`: our own module has the name inside the crate.
    ("metrics_exporter_prometheus", &["src/server/http/"]),
];

/// An import that is not allowed.
#[derive(Debug)]
pub(crate) struct Violation {
    file: String,
    line: usize,
    path: String,
    rule: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            path,
            rule,
        } = self;
        write!(f, "{file}:{line}: `{path}`: {rule}")
    }
}

/// The end of a path.
enum Target {
    /// A top-level module of this crate.
    Module(String),
    /// All of this crate.
    Root,
    /// One of [`CRATES`].
    Crate(String),
    /// Nothing that has a rule.
    Other,
}

/// The violations of a file, whose name begins with `src/`.
pub(crate) fn check(file: &str, source: &str) -> Vec<Violation> {
    let module = module_of(file);
    let broken = |path: FoundPath| {
        let rule = match target(file, &path) {
            Target::Module(to) => forbidden_module(&module, &to)?,
            Target::Root => "name a module: the root of the crate stands for all layers".to_owned(),
            Target::Crate(name) => forbidden_crate(file, &name)?,
            Target::Other => return None,
        };
        Some(Violation {
            file: file.to_owned(),
            line: path.line,
            path: path.segments.join("::"),
            rule,
        })
    };
    paths(source).into_iter().filter_map(broken).collect()
}

/// The modules and crates that a file imports, each with the module of the file.
pub(crate) fn imports(file: &str, source: &str) -> Vec<(String, String)> {
    let module = module_of(file);
    let target = |path: FoundPath| match target(file, &path) {
        Target::Module(to) | Target::Crate(to) => Some((module.clone(), to)),
        Target::Root | Target::Other => None,
    };
    paths(source).into_iter().filter_map(target).collect()
}

/// The top-level module that a file belongs to.
fn module_of(file: &str) -> String {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs");
    path.split('/').next().unwrap_or(path).to_owned()
}

/// The modules from the root of the crate down to a file.
pub(crate) fn modules_of(file: &str) -> Vec<String> {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs");
    let names = path.split('/').filter(|name| *name != "mod");
    let names: Vec<String> = names.map(str::to_owned).collect();
    match names.as_slice() {
        [only] if only == "main" || only == "lib" => Vec::new(),
        _ => names,
    }
}

fn forbidden_module(from: &str, to: &str) -> Option<String> {
    let rule = |name: &str| MODULES.iter().find(|(module, _)| *module == name);
    let no_rule = |name: &str| Some(format!("{name} has no rule in tests/layering/checker.rs"));
    let Some((_, allowed)) = rule(from) else {
        return no_rule(from);
    };
    if rule(to).is_none() {
        return no_rule(to);
    }
    if ISOLATED.contains(&from) && from != to {
        return Some(format!(
            "{from} must not import {to} (it imports nothing of the crate)"
        ));
    }
    let is_allowed = from == to || LEAVES.contains(&to) || allowed.contains(&to);
    let allowed: Vec<&str> = allowed.iter().chain(&LEAVES).copied().collect();
    let allowed = allowed.join(", ");
    (!is_allowed).then(|| format!("{from} must not import {to} (it may import {allowed})"))
}

fn forbidden_crate(file: &str, name: &str) -> Option<String> {
    let (_, places) = CRATES.iter().find(|(other, _)| *other == name)?;
    let is_allowed = places.iter().any(|place| file.starts_with(place));
    (!is_allowed).then(|| format!("{name} belongs to {}", places.join(" and ")))
}

fn target(file: &str, path: &FoundPath) -> Target {
    let (first, rest) = match path.segments.split_first() {
        Some((first, rest)) => (first.as_str(), rest),
        None => return Target::Other,
    };
    let here = || modules_of(file).into_iter().chain(path.inside.clone());
    if !path.absolute && matches!(first, "crate" | "self" | "super") {
        let start = if first == "crate" {
            Vec::new()
        } else {
            here().collect()
        };
        return inside(start, &path.segments);
    }
    // The binary knows the library by the name of the package.
    if first == env!("CARGO_PKG_NAME").replace('-', "_") {
        return inside(Vec::new(), rest);
    }
    if CRATES.iter().any(|(name, _)| *name == first) {
        return Target::Crate(first.to_owned());
    }
    let at_root = here().next().is_none() && !path.absolute;
    match MODULES
        .iter()
        .find(|(module, _)| at_root && *module == first)
    {
        Some((module, _)) => Target::Module((*module).to_owned()),
        None => Target::Other,
    }
}

/// Walks a path of this crate from a module.
fn inside(mut modules: Vec<String>, segments: &[String]) -> Target {
    for segment in segments {
        match segment.as_str() {
            "crate" | "self" => {}
            "super" => drop(modules.pop()),
            name => modules.push(name.to_owned()),
        }
    }
    match modules.into_iter().next() {
        None => Target::Root,
        Some(name) if name == "*" => Target::Root,
        Some(name) => Target::Module(name),
    }
}
