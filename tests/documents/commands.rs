//! Commands and snippets: those of the README run, or are marked with the reason why not; JSON parses.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use regex::Regex;

use super::markdown::{documents, first_cells, read, section, split};

/// How a command of the README is covered.
enum Covered {
    /// Runs here, with the program of this build and these arguments, and must exit 0.
    Run(&'static [&'static str]),
    /// Does not run here, for this reason.
    Marked(&'static str),
}

use Covered::{Marked, Run};

/// Every command of the README.
const COMMANDS: [(&str, Covered); 7] = [
    (
        "cargo run --release -- demo",
        Marked("tests/demo runs the demo"),
    ),
    ("scripts/test", Marked("runs these tests")),
    (
        "cargo install --path .",
        Marked("installs a program; the stage `build` of scripts/test compiles the same"),
    ),
    ("mcp-ssh-sessions doctor", Run(&["doctor"])),
    (
        "claude mcp add --scope user ssh -- mcp-ssh-sessions",
        Marked("needs Claude Code"),
    ),
    (
        "mcp-ssh-sessions --http 7722",
        Marked("binds a fixed port; tests/http starts daemons on free ones"),
    ),
    (
        "cargo bench --bench openssh",
        Marked("takes minutes and an idle machine"),
    ),
];

/// The commands of console blocks, without comments, and those named in the text.
fn commands(text: &str) -> Vec<String> {
    let (prose, blocks) = split(text);
    let console = blocks.iter().filter(|block| block.language == "console");
    let lines = console.flat_map(|block| {
        block
            .code
            .lines()
            .filter_map(|line| line.strip_prefix("$ "))
    });
    let mut found: Vec<String> = lines
        .map(|line| line.split(" #").next().unwrap_or(line).trim().to_owned())
        .collect();
    let named = prose
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| code.starts_with("cargo "));
    found.extend(named.map(str::to_owned));
    found
}

#[test]
fn every_command_of_the_readme_is_run_or_marked() {
    let found = commands(&read("README.md"));
    let listed: Vec<_> = COMMANDS
        .iter()
        .map(|(command, _)| (*command).to_owned())
        .collect();
    assert_eq!(found, listed, "README.md and this list differ");
    for (command, covered) in &COMMANDS {
        match covered {
            Marked(reason) => assert!(!reason.is_empty(), "{command}"),
            Run(arguments) => drop(run(arguments)),
        }
    }
}

/// The output of the program with these arguments, which must succeed.
fn run(arguments: &[&str]) -> String {
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_mcp-ssh-sessions"))
        .args(arguments)
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{arguments:?}: {stdout}{stderr}");
    stdout.into_owned()
}

#[test]
fn the_options_table_is_that_of_the_program() {
    let help = run(&["--help"]);
    let option = Regex::new(r"(?m)^ +(?:-\w, )?(--[a-z-]+) <").unwrap();
    let offered: BTreeSet<_> = option
        .captures_iter(&help)
        .map(|captures| captures[1].to_owned())
        .collect();
    let daemon = read("docs/daemon.md");
    let table = section(&daemon, "## Options");
    let listed = first_cells(table)
        .into_iter()
        .filter_map(|cell| cell.split(' ').next());
    assert_eq!(
        listed.map(str::to_owned).collect::<BTreeSet<_>>(),
        offered,
        "docs/daemon.md"
    );
    let variable = Regex::new(r"\[env: (\w+)=").unwrap();
    for captures in variable.captures_iter(&help) {
        assert!(
            table.contains(&format!("`{}`", &captures[1])),
            "{}",
            &captures[1]
        );
    }
}

#[test]
fn json_snippets_parse() {
    let mut parsed = 0;
    for document in documents() {
        for block in split(&document.text)
            .1
            .iter()
            .filter(|block| block.language == "json")
        {
            let value: Result<serde_json::Value, _> = serde_json::from_str(&block.code);
            assert!(value.is_ok(), "{}: {}", document.path.display(), block.code);
            parsed += 1;
        }
    }
    assert!(parsed > 20, "only {parsed} snippets were found");
}
