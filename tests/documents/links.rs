//! Links between documents lead somewhere, and so do their anchors.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use regex::Regex;

use super::markdown::{Document, anchors, documents, root, split};

/// Targets of all links and images in a text, code excepted.
fn targets(text: &str) -> Vec<String> {
    let (prose, _) = split(text);
    let code = Regex::new("`[^`\n]*`").unwrap();
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let prose = code.replace_all(&prose, "");
    let found = link.captures_iter(&prose);
    found.map(|captures| captures[1].to_owned()).collect()
}

fn is_external(target: &str) -> bool {
    target.starts_with("https://") || target.starts_with("http://")
}

/// `docs/clients/../daemon.md` as `docs/daemon.md`.
fn normal(path: &Path) -> PathBuf {
    let mut parts: Vec<Component<'_>> = Vec::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(parts.pop().expect("a link leaves the repository")),
            Component::CurDir => {}
            part => parts.push(part),
        }
    }
    parts.into_iter().collect()
}

/// The file of a link, and its anchor.
fn resolve(document: &Document, target: &str) -> (PathBuf, Option<String>) {
    let (file, anchor) = match target.split_once('#') {
        Some((file, anchor)) => (file, Some(anchor.to_owned())),
        None => (target, None),
    };
    let file = match file {
        "" => document.path.clone(),
        file => normal(&document.path.parent().unwrap().join(file)),
    };
    (file, anchor)
}

#[test]
fn links_and_anchors_resolve() {
    let mut broken = Vec::new();
    let mut followed = 0;
    for document in documents() {
        for target in targets(&document.text) {
            if is_external(&target) {
                continue;
            }
            followed += 1;
            let (file, anchor) = resolve(&document, &target);
            let path = root().join(&file);
            let is_there = match anchor {
                None => path.exists(),
                Some(anchor) => std::fs::read_to_string(&path)
                    .is_ok_and(|text| anchors(&text).contains(&anchor)),
            };
            if !is_there {
                broken.push(format!("{}: {target}", document.path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "broken links:\n{}", broken.join("\n"));
    assert!(followed > 100, "only {followed} links were found");
}

/// A document that nothing links to is never read.
#[test]
fn every_document_is_reached_from_the_readme() {
    let documents = documents();
    let mut reached = BTreeSet::from([PathBuf::from("README.md")]);
    let mut queue = vec![PathBuf::from("README.md")];
    while let Some(path) = queue.pop() {
        let Some(document) = documents.iter().find(|document| document.path == path) else {
            continue;
        };
        let local = targets(&document.text)
            .into_iter()
            .filter(|target| !is_external(target));
        for target in local {
            let (file, _) = resolve(document, &target);
            if reached.insert(file.clone()) {
                queue.push(file);
            }
        }
    }
    let orphans: Vec<_> = documents
        .iter()
        .filter(|document| !reached.contains(&document.path))
        .map(|document| document.path.display().to_string())
        .collect();
    assert!(orphans.is_empty(), "nothing links to {orphans:?}");
}
