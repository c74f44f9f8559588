//! Plain commands: exit codes, signals, exact streams, background processes.

use std::time::Duration;

use mcp_ssh_sessions::actors::job::outcome::Outcome;
use mcp_ssh_sessions::error::{ErrorCode, Fate};
use mcp_ssh_sessions::limits;
use mcp_ssh_sessions::output::Stream;
use tokio::time::Instant;

use crate::world::{
    Client, assert_says, bytes, command, nothing_left, refused, stderr, stdout, succeeded,
};
use testkit::sshd::Sshd;

#[tokio::test]
async fn exit_codes_and_signals_are_told_as_they_are() {
    let sshd = Sshd::start_default().await;
    let client = Client::connected(&sshd).await;
    for status in [0, 1, 3, 126, 127, 255] {
        let report = client.run(&format!("exit {status}")).await;
        assert_eq!(report.outcome, Outcome::Exited(status));
        assert_eq!(report.outcome.fate(), Fate::Completed);
        assert!(!report.held_by_background && !report.reconnected);
    }
    let missing = client.run("no-such-program-here").await;
    assert_eq!(missing.outcome, Outcome::Exited(127));
    assert!(!stderr(&missing).is_empty());
    for signal in ["KILL", "TERM", "SEGV", "USR1"] {
        let report = client.run(&format!("kill -s {signal} $$; sleep 5")).await;
        let Outcome::Signaled(told) = &report.outcome else {
            panic!("{signal}: {:?}", report.outcome);
        };
        assert_eq!(told.as_str(), signal);
    }
}

#[tokio::test]
async fn both_streams_arrive_byte_by_byte() {
    let sshd = Sshd::start_default().await;
    let client = Client::connected(&sshd).await;
    let mut random = vec![0; 300];
    rand::fill(&mut random[..]);
    let cases: [(&str, &[u8]); 7] = [
        ("empty", b""),
        ("NUL", b"\0"),
        ("no final newline", b"a\nb"),
        ("blanks and newlines", b"\n\n  a \t\r\n\n"),
        ("invalid UTF-8", b"\xff\xfe\xc3\x28\xed\xa0\x80 ok"),
        ("terminal sequences", b"\x1b[2J\x9b1m\x07\x08"),
        ("random", &random),
    ];
    for (what, content) in cases {
        let octal: String = content.iter().map(|byte| format!("\\{byte:03o}")).collect();
        let line = format!("printf '{octal}'; printf '{octal}x' >&2");
        let report = client.run(&line).await;
        assert_eq!(report.outcome, Outcome::Exited(0), "{what}");
        assert_eq!(bytes(&report, Stream::Stdout), content, "{what}");
        assert_eq!(
            bytes(&report, Stream::Stderr),
            [content, b"x"].concat(),
            "{what}"
        );
    }
}

#[tokio::test]
async fn a_background_process_does_not_hold_a_command_up() {
    let sshd = Sshd::start_default().await;
    let client = Client::connected(&sshd).await;
    let started = Instant::now();
    let report = client.run("echo hi; sleep 8 & exit 3").await;
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(
        (report.outcome.clone(), stdout(&report)),
        (Outcome::Exited(3), "hi\n".into())
    );
    assert!(report.held_by_background);
    // A process that was left behind on purpose survives.
    assert_eq!(crate::world::processes(&sshd, "sleep 8").len(), 1);
    let detached = client
        .run("sleep 9 >/dev/null 2>&1 </dev/null & echo hi")
        .await;
    assert_eq!(succeeded(&detached), "hi\n");
    assert!(!detached.held_by_background);
}

#[tokio::test]
async fn commands_of_one_session_run_side_by_side() {
    let sshd = Sshd::start_default().await;
    let client = Client::connected(&sshd).await;
    let directory = client.directory.path().display().to_string();
    // Each waits for the other's file, so that neither can end alone.
    let meet = |mine: &str, other: &str| {
        command(&format!(
            "touch {directory}/{mine}; while [ ! -e {directory}/{other} ]; do sleep 0.02; done; echo {mine}"
        ))
    };
    let (a, b) = tokio::join!(
        client.run_in("test", meet("a", "b")),
        client.run_in("test", meet("b", "a")),
    );
    assert_eq!((&*succeeded(&a), &*succeeded(&b)), ("a\n", "b\n"));
    nothing_left(&sshd).await;
}

#[tokio::test]
async fn a_command_line_may_be_as_long_as_the_host_takes_it() {
    let sshd = Sshd::start_default().await;
    let client = Client::connected(&sshd).await;
    let longest = |spare: usize| {
        let filler = "x".repeat(limits::EXEC_LINE_MAX_BYTES - "echo ${#}; : ".len() + spare);
        command(&format!("echo ${{#}}; : {filler}"))
    };
    assert_eq!(succeeded(&client.run_in("test", longest(0)).await), "0\n");
    let text = refused(
        client.exec("test", longest(1)).await,
        ErrorCode::InvalidParameter,
    );
    assert_says(&text, &["131072 bytes", "131071", "stdin"]);
    for empty in ["", "  ", "\n"] {
        refused(
            client.exec("test", command(empty)).await,
            ErrorCode::InvalidParameter,
        );
    }
    refused(
        client.exec("test", command("echo a\0b")).await,
        ErrorCode::InvalidParameter,
    );
    assert_eq!(
        crate::world::logged(&sshd, "Starting session: command"),
        1,
        "nothing else was sent"
    );
}
