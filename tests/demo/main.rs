//! `demo`: each step succeeds, with and without an OpenSSH client, and nothing stays behind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy knows only test functions as tests, and helpers of these are none"
)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use rustix::process::Signal;
use tempfile::TempDir;
use testkit::processes::{self, Process};
use testkit::{bounded, eventually, set_mode};
use tokio::process::Command;

/// The steps that have to be told, in their order.
const STEPS: [&str; 15] = [
    "start",
    "connect",
    "exec",
    "parallel",
    "timeout",
    "long output",
    "long job",
    "shell",
    "files",
    "unknown host key",
    "lost link",
    "reconnect",
    "sessions",
    "disconnect",
    "end",
];

/// A run of the demo with a place of its own for temporary files.
struct Demo {
    place: TempDir,
    command: Command,
}

impl Demo {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let mut command = Command::new(testkit::binary());
        command
            .arg("demo")
            .env("TMPDIR", place.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        Self { place, command }
    }

    async fn finish(&mut self) -> (String, Option<i32>) {
        let output = bounded("the demo", self.command.output()).await.unwrap();
        told(&output)
    }

    /// No file, and no process that was started with these temporary files in its environment.
    async fn assert_nothing_is_left(&self) {
        let names: Vec<_> = fs::read_dir(self.place.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert!(names.is_empty(), "left behind: {names:?}");
        let path = self.place.path().to_str().unwrap();
        // The last process may need a moment to end: SIGKILL was sent, and nobody waits for the end.
        eventually("every process to end", || {
            processes::with_environment_containing(path).is_empty()
        })
        .await;
    }
}

fn told(output: &Output) -> (String, Option<i32>) {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(errors, "", "{text}");
    (text, output.status.code())
}

fn assert_every_step_passed(text: &str, code: Option<i32>) {
    assert_eq!(code, Some(0), "{text}");
    let passed: Vec<&str> = text
        .lines()
        .filter_map(|line| {
            line.strip_prefix("✓ ")?
                .split_once(" (")
                .map(|(name, _)| name)
        })
        .collect();
    assert_eq!(passed, STEPS, "{text}");
    assert!(!text.contains('✗'), "{text}");
    let directory = text.split("all files are in ").nth(1).unwrap();
    let directory = directory.split(" until ").next().unwrap();
    assert!(Path::new(directory).is_absolute() && !Path::new(directory).exists());
    assert!(!text.contains('\x1b'), "{text}");
}

/// A directory with links to these programs and nothing else.
fn programs(names: &[&str]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for name in names {
        symlink(find(name), directory.path().join(name)).unwrap();
    }
    directory
}

fn find(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| panic!("no {name} in PATH"))
}

#[tokio::test]
async fn every_step_passes_and_nothing_is_left() {
    let mut demo = Demo::new();
    let (text, code) = demo.finish().await;
    assert_every_step_passed(&text, code);
    assert!(text.contains("exit 3 in"), "{text}");
    assert!(text.contains("hostKeyUnknown: "), "{text}");
    demo.assert_nothing_is_left().await;
}

#[tokio::test]
async fn it_needs_no_openssh_client_and_nothing_of_the_environment() {
    let programs = programs(&["sh", "sleep", "wc"]);
    let mut demo = Demo::new();
    demo.command
        .env_clear()
        .env("PATH", programs.path())
        .env("TMPDIR", demo.place.path());
    let (text, code) = demo.finish().await;
    assert_every_step_passed(&text, code);
    demo.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_place_that_ssh_config_cannot_name_is_left_alone() {
    let mut demo = Demo::new();
    let blank = demo.place.path().join("with blank");
    fs::create_dir(&blank).unwrap();
    demo.command.env("TMPDIR", &blank);
    let (text, code) = demo.finish().await;
    assert_every_step_passed(&text, code);
    fs::remove_dir(blank).unwrap();
    demo.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_step_that_fails_is_told_with_what_was_expected() {
    // Without sleep there is no command that could be ended.
    let programs = programs(&["wc"]);
    let mut demo = Demo::new();
    demo.command.env("PATH", programs.path());
    let (text, code) = demo.finish().await;
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("✗ timeout ("), "{text}");
    assert!(text.contains("expected a command that timed out"), "{text}");
    assert!(text.contains("got: exit 0"), "{text}");
    assert!(text.contains("✓ end ("), "{text}");
    demo.assert_nothing_is_left().await;
}

#[tokio::test]
async fn an_interrupted_walk_leaves_nothing() {
    let programs = programs(&["sleep"]);
    let mut demo = Demo::new();
    // A step that does not end, and that prints its directory.
    let (wc, there) = (programs.path().join("wc"), programs.path().join("there"));
    script(&wc, &format!("echo > {}; exec sleep 1000", there.display()));
    demo.command.env("PATH", programs.path());
    let child = demo.command.spawn().unwrap();
    eventually("the step to begin", || there.exists()).await;
    let process = Process::find(child.id().unwrap()).unwrap();
    process.signal(Signal::INT);
    let output = bounded("the end", child.wait_with_output()).await.unwrap();
    let (text, code) = told(&output);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("✗ interrupted"), "{text}");
    assert!(text.contains("✓ end ("), "{text}");
    demo.assert_nothing_is_left().await;
}

fn script(path: &Path, line: &str) {
    fs::write(path, format!("#!/bin/sh\n{line}\n")).unwrap();
    set_mode(path, 0o755);
}
