//! Fixtures for the tests and benchmarks of `mcp-ssh-sessions`: clients, servers to connect to, and links that fail
//! on request. `tests/fixtures` tests them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a fixture that does not work ends its test, and clippy knows only test functions as tests"
)]

pub mod client;
pub mod daemon;
pub mod host;
pub mod link;
pub mod processes;
pub mod raw_client;
pub mod ssh_server;
pub mod sshd;
pub mod temp_user;
pub mod world;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

/// The program under test: cargo names the file; a test that is started by hand finds the file beside its own directory.
pub fn binary() -> &'static str {
    static BINARY: LazyLock<String> = LazyLock::new(|| {
        std::env::var("CARGO_BIN_EXE_mcp-ssh-sessions").unwrap_or_else(|_| {
            let test = std::env::current_exe().expect("a path");
            let profile = test.ancestors().nth(2).expect("target/PROFILE/deps/TEST");
            let binary = profile.join("mcp-ssh-sessions");
            binary.to_str().expect("a path in UTF-8").to_owned()
        })
    });
    &BINARY
}

/// Bound of every wait. A condition that does not hold by then never will, however slow the machine.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// The same on a paused clock: longer than every backoff and timeout of the product.
pub const VIRTUAL_PATIENCE: Duration = Duration::from_secs(24 * 3600);
/// Time between two looks at a condition that cannot be awaited.
const POLL: Duration = Duration::from_millis(5);

/// Waits until `condition` holds; panics with `what` when it does not. For real time: a paused clock would
/// be moved by the polling.
pub async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(POLL).await;
        }
    };
    bounded(what, waiting).await;
}

/// Awaits `future`; panics with `what` after [`PATIENCE`].
pub async fn bounded<T>(what: &str, future: impl Future<Output = T>) -> T {
    within(PATIENCE, what, future).await
}

/// Awaits `future`; panics with `what` after [`VIRTUAL_PATIENCE`].
pub async fn virtually_bounded<T>(what: &str, future: impl Future<Output = T>) -> T {
    within(VIRTUAL_PATIENCE, what, future).await
}

async fn within<T>(limit: Duration, what: &str, future: impl Future<Output = T>) -> T {
    let result = tokio::time::timeout(limit, future).await;
    result.unwrap_or_else(|_| panic!("waited {limit:?} in vain for {what}"))
}

/// A temporary directory that other users may enter.
pub fn readable_directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    set_mode(directory.path(), 0o755);
    directory
}

/// Sets the permissions of a file or directory.
pub fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("own file");
}

/// Runs a program to the end and returns the output; panics with stderr if the program fails.
pub fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?}: {}: {errors}",
        output.status
    );
    String::from_utf8(output.stdout).expect("text")
}
