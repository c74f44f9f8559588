//! Circles between files: files that import each other, directly or through others, can only be understood together.
//!
//! An edge is a path in a file that leads into another file of the crate, in a `use` declaration or in the code. A
//! `mod child;` declaration is no edge, and neither is anything inside a test module. A file may use items of the
//! modules around the file: those are one subject with the file, and Rust shows their private items.

use std::collections::{BTreeMap, BTreeSet};

use super::checker::modules_of;
use super::paths::{FoundPath, paths};

/// The name of the library in the binary.
const LIBRARY: &str = "mcp_ssh_sessions";
/// Imports of imports that are followed; more would be a circle of their own.
const FOLLOWED_MAX: usize = 8;

/// Files that import each other, in alphabetical order.
pub(crate) type Circle = Vec<String>;

/// Imports between files: for each file, the files that it imports, each with the line and text of one such path.
pub(crate) type Imports = BTreeMap<String, BTreeMap<String, String>>;

/// The imports between `files`, each given as its path from the root of the repository and its source.
pub(crate) fn imports_between(files: &[(String, String)]) -> Imports {
    let production = files.iter().filter(|(name, _)| !is_test(name));
    let parsed: Vec<_> = production
        .map(|(name, source)| (name.as_str(), paths(source)))
        .collect();
    // The binary's root is no module of the library.
    let library = parsed.iter().filter(|(name, _)| *name != "src/main.rs");
    let modules = library
        .map(|(name, paths)| {
            let module = Module { file: name, paths };
            (modules_of(name), module)
        })
        .collect();
    let tree = Tree { modules };
    let imports_of = |(name, paths): &(&str, Vec<FoundPath>)| {
        let mut imports = BTreeMap::new();
        for path in paths {
            let target = tree.file_of(name, path);
            if let Some(target) = target.filter(|target| !is_around(target, name)) {
                let place = format!("line {}: {}", path.line, path.segments.join("::"));
                imports.entry(target.to_owned()).or_insert(place);
            }
        }
        ((*name).to_owned(), imports)
    };
    parsed.iter().map(imports_of).collect()
}

/// Every circle: the strongly connected components of more than one file.
pub(crate) fn circles(imports: &Imports) -> Vec<Circle> {
    let reachable: BTreeMap<&str, BTreeSet<&str>> = imports
        .keys()
        .map(|file| (file.as_str(), reachable_from(imports, file)))
        .collect();
    let circle_of = |file: &str| -> Circle {
        let reached = reachable[file].iter();
        let leads_back = |other: &&&str| reachable.get(**other).is_some_and(|r| r.contains(file));
        reached
            .filter(leads_back)
            .map(|other| (*other).to_owned())
            .collect()
    };
    let found: BTreeSet<Circle> = imports
        .keys()
        .map(|file| circle_of(file))
        .filter(|circle| circle.len() > 1)
        .collect();
    found.into_iter().collect()
}

/// A circle with the imports that close it, for a message.
pub(crate) fn describe(circle: &Circle, imports: &Imports) -> String {
    let mut text = format!("{}\n", circle.join(", "));
    for file in circle {
        let inside = imports[file]
            .iter()
            .filter(|(target, _)| circle.contains(target));
        for (target, place) in inside {
            text += &format!("    {file} -> {target} ({place})\n");
        }
    }
    text
}

fn reachable_from<'a>(imports: &'a Imports, file: &str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open = vec![file];
    while let Some(file) = open.pop() {
        for target in imports.get(file).into_iter().flat_map(BTreeMap::keys) {
            if found.insert(target.as_str()) {
                open.push(target);
            }
        }
    }
    found
}

/// Whether a file is another one itself or a module around it.
fn is_around(outer: &str, file: &str) -> bool {
    outer == file || file != "src/main.rs" && modules_of(file).starts_with(&modules_of(outer))
}

fn is_test(file: &str) -> bool {
    let mut parts = file.trim_end_matches(".rs").split('/');
    parts.any(|part| part == "tests")
}

/// A file of the library, with its paths.
struct Module<'a> {
    file: &'a str,
    paths: &'a [FoundPath],
}

impl Module<'_> {
    /// The import that gives the module this name.
    fn binding(&self, name: &str) -> Option<&FoundPath> {
        let binds = |path: &&FoundPath| path.binds.as_deref() == Some(name);
        self.paths
            .iter()
            .filter(|path| path.inside.is_empty())
            .find(binds)
    }
}

/// The files of the library by the modules that they are.
struct Tree<'a> {
    modules: BTreeMap<Vec<String>, Module<'a>>,
}

impl<'a> Tree<'a> {
    /// The file that a path in a file leads into.
    fn file_of(&self, file: &str, path: &FoundPath) -> Option<&'a str> {
        if path.absolute || path.inside.iter().any(|module| module == "tests") {
            return None;
        }
        let mut here = modules_of(file);
        here.extend(path.inside.iter().cloned());
        self.follow(&here, &path.segments, FOLLOWED_MAX)
    }

    /// The file with the item that a path in the module `here` names: a name that a module on the way only imports
    /// leads on to where that comes from.
    fn follow(&self, here: &[String], segments: &[String], left: usize) -> Option<&'a str> {
        let mut at = self.start(here, segments.first()?)?;
        let mut last = self.modules.get(&at);
        for (index, segment) in segments.iter().enumerate() {
            match segment.as_str() {
                "crate" | "self" | "*" | LIBRARY => continue,
                "super" => {
                    at.pop();
                    last = self.modules.get(&at);
                    continue;
                }
                name => at.push(name.to_owned()),
            }
            let Some(module) = self.modules.get(&at) else {
                // An item of the last module.
                let module = last?;
                let bound = module.binding(segment).filter(|_| left > 0);
                let onward = bound.and_then(|path| {
                    let whole = [path.segments.as_slice(), &segments[index + 1..]].concat();
                    self.follow(&modules_of(module.file), &whole, left - 1)
                });
                // Without one, the item is the module's own, or of another crate.
                return onward.or(Some(module.file));
            };
            last = Some(module);
        }
        last.map(|module| module.file)
    }

    /// The module in which a path begins; none for a path of another crate.
    fn start(&self, here: &[String], first: &String) -> Option<Vec<String>> {
        match first.as_str() {
            "crate" | LIBRARY => Some(Vec::new()),
            "self" | "super" => Some(here.to_vec()),
            _ => {
                // A child module, whose name needs no `self`.
                let child = [here, std::slice::from_ref(first)].concat();
                self.modules.contains_key(&child).then(|| here.to_vec())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The circles of files with these names and sources.
    fn found(files: &[(&str, &str)]) -> Vec<Circle> {
        let owned = |(name, source): &(&str, &str)| ((*name).to_owned(), (*source).to_owned());
        let files: Vec<_> = files.iter().map(owned).collect();
        circles(&imports_between(&files))
    }

    #[test]
    fn two_files_that_import_each_other_are_a_circle() {
        let circle = [vec!["src/a.rs".to_owned(), "src/b.rs".to_owned()]];
        let sources = [
            ("use crate::b::B;", "use crate::a::A;"),
            ("use super::b;", "pub(crate) use super::a::A;"),
            ("fn f() { crate::b::g() }", "use crate::{a, std::fmt};"),
            ("use crate::b::*;", "type X = Vec<super::a::A>;"),
            (
                "mod inline { use super::super::b::B; }",
                "pub use crate::a::{self as x};",
            ),
        ];
        for (a, b) in sources {
            let found = found(&[("src/a.rs", a), ("src/b.rs", b)]);
            assert_eq!(found, circle, "{a} {b}");
        }
    }

    #[test]
    fn a_circle_through_three_files_is_found_once() {
        let files = [
            ("src/a.rs", "use crate::b::B;"),
            ("src/b.rs", "use crate::c::C;"),
            ("src/c.rs", "use crate::a::A; use crate::d::D;"),
            ("src/d.rs", "use std::fmt;"),
        ];
        let found = found(&files);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0], ["src/a.rs", "src/b.rs", "src/c.rs"]);
    }

    #[test]
    fn a_file_may_use_the_modules_around_it_and_these_may_use_the_file() {
        let files = [
            (
                "src/a/mod.rs",
                "mod b; pub use b::B; use self::b::c::C; fn f() { b::g() }",
            ),
            ("src/a/b/mod.rs", "pub mod c; use super::Thing; use c::C;"),
            ("src/a/b/c.rs", "use super::B; use crate::a::Thing;"),
        ];
        assert!(found(&files).is_empty(), "{:?}", found(&files));
    }

    #[test]
    fn a_circle_through_a_module_and_its_child_is_found() {
        let files = [
            (
                "src/a/mod.rs",
                "mod child; use self::child::Child; pub struct Thing;",
            ),
            ("src/a/child.rs", "use crate::b::B;"),
            ("src/b.rs", "use crate::a::Thing;"),
        ];
        let circle = ["src/a/child.rs", "src/a/mod.rs", "src/b.rs"];
        assert_eq!(found(&files), [circle]);
    }

    #[test]
    fn a_name_that_a_module_imports_leads_to_its_origin() {
        let a = (
            "src/a/mod.rs",
            "mod x; mod y; pub use x::{X as Named, f}; pub use y::Y;",
        );
        let x = ("src/a/x.rs", "use crate::b::B;");
        let y = ("src/a/y.rs", "");
        let harmless = [a, x, y, ("src/b.rs", "use crate::a::Y;")];
        assert!(found(&harmless).is_empty(), "{:?}", found(&harmless));
        for b in ["use crate::a::Named;", "fn g() { crate::a::f() }"] {
            let found = found(&[a, x, y, ("src/b.rs", b)]);
            assert_eq!(found, [["src/a/x.rs", "src/b.rs"]], "{b}");
        }
    }

    #[test]
    fn a_path_leads_into_the_deepest_file_that_it_names() {
        let files = [
            ("src/a/mod.rs", "mod x; mod y;"),
            ("src/a/x.rs", "use super::y::Y;"),
            ("src/a/y.rs", "use crate::b::B;"),
            ("src/b.rs", "use crate::a::Thing;"),
        ];
        assert!(found(&files).is_empty());
        let files = [
            files[0],
            files[1],
            files[2],
            ("src/b.rs", "use crate::a::x::X;"),
        ];
        assert_eq!(found(&files), [["src/a/x.rs", "src/a/y.rs", "src/b.rs"]]);
    }

    #[test]
    fn tests_comments_visibilities_and_other_crates_make_no_circle() {
        for b in [
            "#[cfg(test)] mod tests { use crate::a::A; }",
            "// use crate::a::A;",
            "pub(in crate::a) struct B;",
            "use ::a::A;",
            "use a::A;",
        ] {
            let files = [
                ("src/a.rs", "use crate::b::B;"),
                ("src/b.rs", b),
                ("src/b/tests.rs", "use crate::a::A;"),
            ];
            let found = found(&files);
            assert!(found.is_empty(), "{b}: {found:?}");
        }
    }
}
