//! Accounts whose server decides which program runs.

use std::time::Duration;

use mcp_ssh_sessions::actors::job::outcome::Outcome;
use mcp_ssh_sessions::actors::request::ExecRequest;
use mcp_ssh_sessions::error::ErrorCode;

use crate::world::{
    Client, TEST, assert_says, command, command_in, refused, stderr, stdout, succeeded,
};
use testkit::sshd::Sshd;

#[tokio::test]
async fn a_forced_command_runs_instead() {
    let server =
        Sshd::builder().config("Match all\nForceCommand echo \"forced: $SSH_ORIGINAL_COMMAND\"");
    let sshd = server.start().await;
    let client = Client::connected(&sshd).await;
    assert_eq!(
        succeeded(&client.run("echo  'a b'").await),
        "forced: echo  'a b'\n"
    );
    // A directory that was not entered is not reported as one that was missing.
    let report = client
        .run_in(TEST, command_in("/does/not/exist", "true"))
        .await;
    assert_says(&succeeded(&report), &["forced: ", "/does/not/exist"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forced_command_that_never_ends_does_not_hang_a_call() {
    let server = Sshd::builder().config("Match all\nForceCommand exec sleep 1000");
    let sshd = server.start().await;
    let client = Client::connected(&sshd).await;
    let request = ExecRequest {
        timeout: Some(Duration::from_millis(300)),
        ..command("echo hi")
    };
    let started = tokio::time::Instant::now();
    let report = client.run_in(TEST, request).await;
    // The helper is replaced too, so that only signal requests are left; for root sshd takes none.
    assert!(
        matches!(report.outcome, Outcome::TimedOut { kill: Some(_), .. }),
        "{:?}",
        report.outcome
    );
    assert!(
        started.elapsed() < Duration::from_secs(15),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn an_account_for_sftp_alone_says_so() {
    let server = Sshd::builder().config("Match all\nForceCommand internal-sftp");
    let sshd = server.start().await;
    let client = Client::connected(&sshd).await;
    for request in [command("echo hi"), command_in("/", "echo hi")] {
        let report = client.run_in(TEST, request).await;
        assert_eq!(report.outcome, Outcome::Exited(1));
        let said = stdout(&report) + &stderr(&report);
        assert_says(&said, &["sftp connections only"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_session_channels_is_told_as_that() {
    let sshd = Sshd::builder().config("MaxSessions 0").start().await;
    let client = Client::connected(&sshd).await;
    let text = refused(
        client.exec(TEST, command("echo hi")).await,
        ErrorCode::Unsupported,
    );
    assert_says(&text, &["session channels"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn few_channels_make_calls_queue() {
    for most in [1, 2, 3] {
        let sshd = Sshd::builder()
            .config(&format!("MaxSessions {most}"))
            .start()
            .await;
        let client = Client::connected(&sshd).await;
        let calls: Vec<_> = (0..8)
            .map(|number| client.start(command(&format!("sleep 0.05; echo {number}"))))
            .collect();
        for (number, call) in calls.into_iter().enumerate() {
            let report = call.answer().await.unwrap();
            assert_eq!(
                succeeded(&report),
                format!("{number}\n"),
                "MaxSessions {most}"
            );
        }
        assert_eq!(crate::world::connections(&sshd), 1);
    }
}
