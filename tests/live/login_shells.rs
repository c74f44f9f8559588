//! Accounts with other login shells, and with start-up files that are in the way.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use mcp_ssh_sessions::actors::job::outcome::Outcome;
use mcp_ssh_sessions::actors::request::ExecRequest;
use mcp_ssh_sessions::error::ErrorCode;
use mcp_ssh_sessions::ssh::ending::{KillReport, Signal};

use crate::world::{
    Client, TEST, command, command_in, nothing_left, processes, refused, shell, stderr, stdout,
    succeeded, user,
};
use testkit::sshd::Sshd;
use testkit::temp_user::TempUser;

const ODD_VALUE: &str = "it's \"q\" \\ \\\\ $HOME `id` !! %s * ~ {a,b}\nline two\n";

/// A server and a client that is logged in as this user, in session `test`.
async fn log_in(user: &TempUser) -> (Sshd, Client) {
    let sshd = Sshd::start_default().await;
    let config = sshd.ssh_config_with(&format!("User {}", user.name()));
    let client = Client::new(config).await;
    client.must_connect(TEST).await;
    (sshd, client)
}

/// All that the product's own lines have to do under a login shell.
async fn everything_works_in(name: &str) {
    let path = shell(name);
    let user = user(&path);
    let (sshd, client) = log_in(&user).await;
    let plain = client.run("echo out; echo err >/dev/stderr; exit 3").await;
    assert_eq!(plain.outcome, Outcome::Exited(3));
    assert_eq!((&*stdout(&plain), &*stderr(&plain)), ("out\n", "err\n"));

    let odd = user.home().join("it's \\ odd $x");
    fs::create_dir(&odd).unwrap();
    let odd = odd.display().to_string();
    let request = ExecRequest {
        env: BTreeMap::from([("ODD".to_owned(), ODD_VALUE.to_owned())]),
        ..command_in(
            &odd,
            "pwd; printenv ODD; sh -c 'readlink /proc/$PPID/exe'; true",
        )
    };
    let report = client.run_in(TEST, request).await;
    let expected = format!("{odd}\n{ODD_VALUE}\n");
    let said = succeeded(&report);
    // The command itself was read by the account's own shell.
    let shell = said
        .strip_prefix(&expected)
        .unwrap_or_else(|| panic!("{said:?}"));
    assert!(shell.contains(name), "{shell}");
    let home = client.run_in(TEST, command_in("~", "pwd")).await;
    assert_eq!(
        succeeded(&home).trim_end(),
        user.home().display().to_string()
    );
    let missing = command_in("/does/not/exist", "touch canary");
    refused(client.exec(TEST, missing).await, ErrorCode::RemotePathError);
    assert!(!user.home().join("canary").exists());

    // The helper that ends commands, twice: the first must not confuse the second.
    for line in ["sleep 1000", "sleep 1001 | sleep 1002; true"] {
        let request = ExecRequest {
            timeout: Some(Duration::from_millis(300)),
            ..command(line)
        };
        let report = client.run_in(TEST, request).await;
        let Outcome::TimedOut {
            kill: Some(KillReport { gone, .. }),
            ..
        } = report.outcome
        else {
            panic!("{line}: {:?}", report.outcome);
        };
        assert_eq!(gone, Some(true), "{line}");
        assert_eq!(processes(&sshd, "sleep 100"), [], "{line}");
    }
    assert_eq!(succeeded(&client.run("echo next").await), "next\n");
    nothing_left(&sshd).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bash() {
    everything_works_in("bash").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dash() {
    everything_works_in("dash").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn zsh() {
    everything_works_in("zsh").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fish() {
    everything_works_in("fish").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tcsh() {
    everything_works_in("tcsh").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_up_file_that_prints_and_takes_its_time_changes_nothing() {
    let user = user(&shell("bash"));
    // Debian's bash reads this file for every command of an SSH session.
    fs::write(
        user.home().join(".bashrc"),
        "echo noise; echo noise >&2; sleep 0.5; alias ps=false\n",
    )
    .unwrap();
    let (sshd, client) = log_in(&user).await;
    let plain = client.run("echo hi").await;
    assert_eq!(
        (&*stdout(&plain), &*stderr(&plain)),
        ("noise\nhi\n", "noise\n")
    );
    // A directory takes a second shell, which reads the file too.
    let placed = client.run_in(TEST, command_in("/", "pwd")).await;
    assert!(
        succeeded(&placed).ends_with("noise\n/\n"),
        "{:?}",
        stdout(&placed)
    );
    let running = client.start(command("echo begun; exec sleep 1000"));
    running.first_line().await;
    testkit::eventually("the command to begin", || {
        processes(&sshd, "sleep 1000").len() == 1
    })
    .await;
    running.cancel.cancel();
    let report = running.answer().await.unwrap();
    let kill = KillReport {
        signal: Signal::Int,
        gone: Some(true),
    };
    assert_eq!(report.outcome, Outcome::Cancelled(Some(kill)));
    assert_eq!(processes(&sshd, "sleep 1000"), []);
    // A missing directory is reported without the noise of other lines.
    let missing = command_in("/does/not/exist", "true");
    refused(client.exec(TEST, missing).await, ErrorCode::RemotePathError);
}

#[tokio::test]
async fn an_account_without_a_shell_says_so_itself() {
    let user = user(&shell("nologin"));
    let (_sshd, client) = log_in(&user).await;
    for request in [command("echo hi"), command_in("/", "echo hi")] {
        let report = client.run_in(TEST, request).await;
        assert_eq!(report.outcome, Outcome::Exited(1));
        assert!(
            stdout(&report).contains("not available"),
            "{:?}",
            stdout(&report)
        );
    }
}
