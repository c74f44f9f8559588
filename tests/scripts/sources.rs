//! Every `.sh` file of the library.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use mcp_ssh_sessions::ssh::script;

use crate::shells::{SHELLS, text};

/// Scripts that a login shell reads as a quoted word, in which csh gives a meaning to these characters.
const QUOTED: [&str; 3] = ["find_groups.sh", "end_groups.sh", "shell_command.sh"];

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")),
        &mut found,
    );
    assert!(found.len() >= 8, "{found:?}");
    found
}

fn collect(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "sh") {
            found.push(path);
        }
    }
}

#[test]
fn shellcheck_finds_nothing() {
    let output = Command::new("shellcheck").args(sources()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stdout));
}

#[test]
fn every_shell_reads_the_text_that_is_sent() {
    for path in sources() {
        let source = fs::read_to_string(&path).unwrap();
        let is_bash = source.starts_with("#!/bin/bash");
        for shell in SHELLS {
            if is_bash && shell != ["bash"] {
                continue;
            }
            for sent in [script::one_line(&source), script::lines(&source)] {
                // What is sent as lines need not be fit for a single line.
                if is_bash && !sent.contains('\n') {
                    continue;
                }
                let mut command = Command::new(shell[0]);
                command.args(&shell[1..]).args(["-n", "-c", &sent]);
                let output = command.output().unwrap();
                assert!(
                    output.status.success(),
                    "{shell:?} {}: {}",
                    path.display(),
                    text(&output.stderr)
                );
            }
        }
    }
}

#[test]
fn the_sources_keep_to_the_rules_of_the_joiner() {
    for path in sources() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let sent = script::one_line(&fs::read_to_string(&path).unwrap());
        assert!(
            !sent.contains(" #") && !sent.contains("<<"),
            "{name}: {sent}"
        );
        assert!(!sent.contains(['\n', '\t']), "{name}: {sent}");
        if QUOTED.contains(&name.as_str()) {
            assert!(!sent.contains(['\'', '\\', '!']), "{name}: {sent}");
        }
    }
}
