//! The official SDKs, Python and TypeScript, old and new, drive the binary over its three
//! transports, as their users will.
//!
//! `scripts/test` installs them below `target`; a missing one is a failure, not a test that is skipped.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy knows only test functions as tests, and helpers of these are none"
)]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

use testkit::binary;
use testkit::client::{MODERN_VERSION, error_code, stream, text};
use testkit::daemon::Daemon;
use testkit::host::Host;
use testkit::{eventually, processes, set_mode};

/// The last protocol version with a handshake.
const LATEST_LEGACY_VERSION: &str = "2025-11-25";
/// A whole run of an SDK, with the start of its interpreter on a loaded machine.
const DRIVE_LIMIT: Duration = Duration::from_secs(60);
/// After this time an SDK kills a server that was left and has not ended.
const CLOSE_LIMIT_MS: u64 = 2000;

/// A directory of the test's drivers.
fn drivers(language: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("tests/clients").join(language)
}

/// The directory that `scripts/test` has installed, or the place that a variable names.
fn installed(variable: &str, place: &str, file: &str) -> PathBuf {
    let default = || {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("target")
            .join(place)
    };
    let directory = std::env::var_os(variable).map_or_else(default, PathBuf::from);
    assert!(
        directory.join(file).exists(),
        "no {file} in {}: run `scripts/test install`, or set {variable} to where the SDK is installed",
        directory.display()
    );
    directory
}

/// The server that an SDK drives: the binary, behind a script that keeps the exit status.
struct Served {
    host: Host,
    home: TempDir,
}

impl Served {
    async fn new() -> Self {
        let served = Self {
            host: Host::start().await,
            home: testkit::readable_directory(),
        };
        let config = served.host.sshd.ssh_config();
        let lines = [
            "#!/bin/sh".to_owned(),
            format!(
                "'{}' --ssh-config '{}' --log trace 2>>'{}'",
                binary(),
                config.display(),
                served.file("log").display()
            ),
            format!("echo $? >>'{}'", served.file("ends").display()),
        ];
        std::fs::write(served.file("server"), lines.join("\n") + "\n").unwrap();
        set_mode(&served.file("server"), 0o755);
        served
    }

    fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.file(name)).unwrap_or_default()
    }

    /// The variable by which the server and its children are found.
    fn marker(&self) -> String {
        format!("HOME={}", self.home.path().display())
    }

    /// Runs a driver over stdio.
    async fn drive(&self, program: &Path, arguments: &[&str]) -> Value {
        let server = self.file("server");
        let server = ["stdio", server.to_str().unwrap()];
        self.run(program, &[arguments, &server].concat()).await
    }

    /// Runs a driver and returns the line that the driver printed.
    async fn run(&self, program: &Path, arguments: &[&str]) -> Value {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.home.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = timeout(DRIVE_LIMIT, command.output()).await;
        let output = output
            .expect("the driver ends in time")
            .expect("the driver starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{errors}\nlog of the server:\n{}",
            self.text("log")
        );
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {:?}\n{errors}", output.stdout))
    }

    /// Every server has ended by itself, with a good conscience.
    async fn verify_ends(&self) {
        let marker = self.marker();
        let none = || processes::with_environment(&marker).is_empty();
        eventually("the servers to end", none).await;
        let ends = self.text("ends");
        let good = !ends.is_empty() && ends.lines().all(|status| status == "0");
        assert!(good, "exit statuses {ends:?}, log:\n{}", self.text("log"));
        assert_eq!(self.host.commands(), []);
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Nothing, unless the test has failed.
        processes::kill_and_wait(&processes::with_environment(&self.marker()));
    }
}

fn verify(seen: &Value, sdk: &str, protocol: &str) {
    let version = seen["sdk"].as_str().unwrap();
    assert!(version.starts_with(sdk), "SDK {version} instead of {sdk}");
    assert_eq!(seen["protocolVersion"], protocol);
    assert!(
        seen["instructions"]
            .as_str()
            .unwrap()
            .contains("ssh_connect")
    );
    verify_tools(&seen["tools"]);
    verify_calls(seen);
    let close = seen["closeMs"].as_u64().unwrap();
    assert!(close < CLOSE_LIMIT_MS, "the server took {close} ms to end");
}

fn verify_tools(tools: &Value) {
    let tools = tools.as_array().unwrap();
    let find = |name: &str| {
        tools
            .iter()
            .find(|tool| tool["name"] == name)
            .expect("the tool")
    };
    for tool in tools {
        assert!(
            tool["title"].is_string() && tool["annotations"].is_object(),
            "{tool}"
        );
    }
    assert!(find("ssh_exec")["outputSchema"].is_null());
    assert!(find("ssh_sessions")["outputSchema"].is_object());
    assert_eq!(find("ssh_exec")["_meta"]["anthropic/alwaysLoad"], true);
    assert_eq!(find("ssh_sessions")["annotations"]["readOnlyHint"], true);
}

fn verify_calls(seen: &Value) {
    let connected = &seen["connect"]["structuredContent"];
    assert_eq!(connected["session"], "test", "{}", seen["connect"]);
    assert_eq!(connected["state"], "ready");
    assert_eq!(connected["isDefault"], true);
    let exec = &seen["exec"];
    assert!(text(exec).starts_with("exit 3 in "), "{exec}");
    assert_ne!(exec["isError"], true, "{exec}");
    assert!(
        exec.get("structuredContent").is_none_or(Value::is_null),
        "{exec}"
    );
    assert_eq!(stream(exec, "stdout"), "out\n");
    assert_eq!(stream(exec, "stderr"), "err\n");
    assert_eq!(exec["_meta"]["mcp-ssh-sessions/result"]["exitCode"], 3);
    let sessions = &seen["sessions"]["structuredContent"]["sessions"];
    assert_eq!(sessions[0]["session"], "test", "{sessions}");
    assert_eq!(error_code(&seen["unknown"]), "noSuchSession");
    let expected =
        json!({"session": "test", "forgotten": false, "endedJobs": [], "unconfirmed": []});
    assert_eq!(seen["disconnect"]["structuredContent"], expected);
}

async fn python(major: &str, variable: &str, place: &str, protocol: &str) {
    let program = installed(variable, place, "bin/python").join("bin/python");
    let driver = drivers("python").join("drive.py");
    let served = Served::new().await;
    let seen = served.drive(&program, &[driver.to_str().unwrap()]).await;
    verify(&seen, major, protocol);
    served.verify_ends().await;
    let arguments = [driver.to_str().unwrap()];
    over_the_daemon(&served, &program, &arguments, major, protocol).await;
}

/// The same through a daemon, over both of its transports.
async fn over_the_daemon(
    served: &Served,
    program: &Path,
    arguments: &[&str],
    sdk: &str,
    protocol: &str,
) {
    let daemon = Daemon::start(&served.host.sshd.ssh_config()).await;
    let url = daemon.url("/mcp");
    for transport in ["http", "sse"] {
        let seen = served
            .run(program, &[arguments, &[transport, &url]].concat())
            .await;
        verify(&seen, sdk, protocol);
    }
    // Nobody has left anything: no client its connection, no session its command.
    eventually("the connections to end", || daemon.open_files() < 40).await;
    assert_eq!(served.host.commands(), []);
}

async fn typescript(major: &str, protocol: &str) {
    let modules = installed(
        "MCP_SSH_TEST_NODE",
        "node",
        "node_modules/@modelcontextprotocol",
    );
    let served = Served::new().await;
    // A module finds others beside itself only.
    let driver = served.file("drive.mjs");
    std::fs::copy(drivers("typescript").join("drive.mjs"), &driver).unwrap();
    std::os::unix::fs::symlink(modules.join("node_modules"), served.file("node_modules")).unwrap();
    let arguments = [driver.to_str().unwrap(), major];
    let seen = served.drive(Path::new("node"), &arguments).await;
    verify(&seen, major, protocol);
    served.verify_ends().await;
    over_the_daemon(&served, Path::new("node"), &arguments, major, protocol).await;
}

#[tokio::test]
async fn python_sdk_1() {
    python("1.", "MCP_SSH_TEST_VENV1", "venv1", LATEST_LEGACY_VERSION).await;
}

#[tokio::test]
async fn python_sdk_2() {
    python("2.", "MCP_SSH_TEST_VENV2", "venv2", MODERN_VERSION).await;
}

#[tokio::test]
async fn typescript_sdk_1() {
    typescript("1", LATEST_LEGACY_VERSION).await;
}

#[tokio::test]
async fn typescript_sdk_2() {
    typescript("2", MODERN_VERSION).await;
}
