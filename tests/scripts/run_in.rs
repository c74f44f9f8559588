//! A command runs in its directory with its variables.

use std::fs;
use std::process::Output;

use mcp_ssh_sessions::ssh::script;
use tempfile::TempDir;

use crate::shells::{SHELLS, TOKEN, shell, text};

/// Runs a command the way the product sends it, with a home directory of its own.
fn run(words: &[&str], home: &TempDir, directory: &str, command: &str, env: &[&str]) -> Output {
    let source = script::one_line(include_str!("../../src/ssh/command/run_in.sh"));
    let mut process = shell(words, &source);
    process
        .args(["sh", TOKEN, directory, command])
        .args(env)
        .env("HOME", home.path())
        .env("SHELL", "/bin/sh")
        .env("CDPATH", "/usr")
        .current_dir(home.path());
    process.output().unwrap()
}

#[test]
fn directories_are_taken_as_they_are() {
    let home = tempfile::tempdir().unwrap();
    let names = [
        "sub",
        "-",
        "-P",
        "a 'b' $c",
        "bin",
        "two\nlines",
        "back\\slash",
    ];
    for name in names {
        fs::create_dir(home.path().join(name)).unwrap();
    }
    let root = home.path().canonicalize().unwrap();
    let mut rows = vec![
        ("~".to_owned(), root.clone()),
        ("~/sub".to_owned(), root.join("sub")),
        (String::new(), root.clone()),
    ];
    for name in names {
        let sent = name.replace('\\', "\\\\").replace('\n', "\\n");
        rows.push((sent, root.join(name)));
    }
    for words in SHELLS {
        for (sent, expected) in &rows {
            let output = run(words, &home, sent, "/bin/pwd -P", &[]);
            let expected = format!("{}\n", expected.display());
            assert_eq!(text(&output.stdout), expected, "{words:?} {sent:?}");
            assert!(
                output.status.success() && output.stderr.is_empty(),
                "{words:?} {sent:?}"
            );
        }
    }
}

#[test]
fn variables_arrive_unchanged_and_concern_the_command_alone() {
    let home = tempfile::tempdir().unwrap();
    let env = [
        "A=it's \"x\" $HOME `y` !",
        "B=a\\\\b\\nc\\n",
        "PATH=/nowhere",
    ];
    for words in SHELLS {
        let output = run(
            words,
            &home,
            "",
            "printf '%s|' \"$A\" \"$B\" \"$PATH\"; exit 7",
            &env,
        );
        let expected = "it's \"x\" $HOME `y` !|a\\b\nc\n|/nowhere|";
        assert_eq!(text(&output.stdout), expected, "{words:?}");
        assert_eq!(output.status.code(), Some(7), "{words:?}");
    }
}

#[test]
fn nothing_runs_without_its_directory() {
    let home = tempfile::tempdir().unwrap();
    for words in SHELLS {
        let output = run(words, &home, "~/missing", "echo ran", &[]);
        assert_eq!(text(&output.stdout), "", "{words:?}");
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        let last = text(&output.stderr).lines().last().map(str::to_owned);
        assert_eq!(last.as_deref(), Some(TOKEN), "{words:?}");
    }
}
