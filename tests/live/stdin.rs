//! Text for a command's stdin.

use std::time::Duration;

use mcp_ssh_sessions::actors::request::ExecRequest;
use mcp_ssh_sessions::limits;
use mcp_ssh_sessions::output::Stream;
use tokio::time::Instant;

use crate::world::{Client, bytes, command, nothing_left, succeeded};
use testkit::sshd::Sshd;

fn with_stdin(line: &str, text: String) -> ExecRequest {
    ExecRequest {
        stdin: Some(text),
        ..command(line)
    }
}

#[tokio::test]
async fn stdin_arrives_whole_and_ends() {
    let sshd = Sshd::start_default().await;
    let client = Client::connected(&sshd).await;
    // Without any text stdin is at its end.
    assert_eq!(
        succeeded(&client.run("cat; read x || echo end").await),
        "end\n"
    );
    for text in ["", "one line\n", "no newline", "grüße \u{0} \u{1b}[2J\r\n"] {
        let report = client
            .run_in("test", with_stdin("cat", text.to_owned()))
            .await;
        assert_eq!(succeeded(&report), text);
    }
    let line = "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789ABCDE\n";
    let mebibyte = line.repeat(1024 * 1024 / line.len());
    let report = client
        .run_in("test", with_stdin("cat", mebibyte.clone()))
        .await;
    assert!(
        bytes(&report, Stream::Stdout) == mebibyte.as_bytes(),
        "1 MiB came back changed"
    );
    // A command that stops reading, and one that never begins: both end when they want.
    let report = client
        .run_in("test", with_stdin("head -c 5", mebibyte))
        .await;
    assert_eq!(succeeded(&report), "01234");
}

#[tokio::test]
async fn a_command_that_reads_nothing_stalls_nobody() {
    let sshd = Sshd::start_default().await;
    let client = Client::connected(&sshd).await;
    for length in [1024 * 1024, limits::STDIN_MAX_BYTES] {
        let deaf = client.start(with_stdin("echo $$; exec sleep 1", "x".repeat(length)));
        deaf.first_line().await;
        let mut others = 0;
        while !deaf.call.is_finished() {
            let started = Instant::now();
            assert_eq!(succeeded(&client.run("echo other").await), "other\n");
            assert!(
                started.elapsed() < Duration::from_millis(500),
                "{:?}",
                started.elapsed()
            );
            others += 1;
        }
        assert!(others > 3, "only {others} commands ran beside it");
        let report = deaf.answer().await.unwrap();
        succeeded(&report);
        assert!(
            report.elapsed < Duration::from_secs(3),
            "{:?}",
            report.elapsed
        );
    }
    nothing_left(&sshd).await;
}
