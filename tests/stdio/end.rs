//! The end of the server: at once, in order, and with all its children.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::{END_LIMIT, REMOTE_END_LIMIT, connected, gone_within, running};
use testkit::binary;
use testkit::client::{Client, Ended};
use testkit::host::Host;
use testkit::{bounded, eventually};

/// Waits for the end, which must be orderly, quick and leave no local process.
async fn verify_end(client: Client) -> Ended {
    let begun = Instant::now();
    let ended = client.ended().await;
    let took = begun.elapsed();
    assert!(
        took <= END_LIMIT,
        "it ended after {took:?}: {}",
        ended.stderr
    );
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    // A killed process may need a moment to be gone.
    eventually("no local process", || ended.home.processes().is_empty()).await;
    assert!(begun.elapsed() <= 2 * END_LIMIT, "{:?}", begun.elapsed());
    ended
}

#[tokio::test]
async fn an_end_of_input_before_anything_else() {
    let mut client = Client::builder().start();
    client.close_input();
    let ended = verify_end(client).await;
    assert!(
        ended.messages.is_empty() && ended.stderr.is_empty(),
        "{ended:?}"
    );
}

#[tokio::test]
async fn an_end_of_input_after_the_handshake() {
    let mut client = Client::builder().start();
    client.initialize().await;
    client.close_input();
    let ended = verify_end(client).await;
    assert!(ended.stderr.is_empty(), "{}", ended.stderr);
}

#[tokio::test]
async fn what_was_asked_right_before_the_end_of_input_is_answered() {
    let mut client = Client::builder().start();
    client.initialize().await;
    let list = client.begin("tools/list", json!({})).await;
    let call = client.begin_call("ssh_sessions", json!({})).await;
    client.close_input();
    let ended = verify_end(client).await;
    for id in [list, call] {
        assert_eq!(ended.answers(&id).len(), 1, "{:?}", ended.messages);
    }
}

/// How a client can leave.
#[derive(Debug, Clone, Copy)]
enum Farewell {
    InputClosed,
    OutputClosed,
    BothClosed,
    Signal(Signal),
}

/// Leaves while a command runs that would go on for an hour; looks at both ends.
async fn leave(farewell: Farewell, command: &str, process: &str) {
    let (host, mut client) = connected().await;
    client
        .begin_call("ssh_exec", json!({"command": command}))
        .await;
    let process = running(&host, process).await;
    match farewell {
        Farewell::InputClosed => client.close_input(),
        Farewell::OutputClosed => {
            client.close_output();
            // The server notices with the next answer.
            client.begin("ping", json!({})).await;
        }
        Farewell::BothClosed => {
            client.close_output();
            client.close_input();
        }
        Farewell::Signal(signal) => client.signal(signal),
    }
    verify_end(client).await;
    gone_within(process, REMOTE_END_LIMIT).await;
    all_gone_within(&host, REMOTE_END_LIMIT).await;
}

/// Waits until nothing runs on a host, which must not take longer than `limit`.
async fn all_gone_within(host: &Host, limit: Duration) {
    let begun = Instant::now();
    eventually("all commands to end", || host.commands().is_empty()).await;
    let took = begun.elapsed();
    assert!(took <= limit, "the last command ended after {took:?}");
}

#[tokio::test]
async fn an_end_of_input_ends_a_running_command() {
    leave(Farewell::InputClosed, "exec sleep 3600", "sleep 3600").await;
}

#[tokio::test]
async fn sigint_ends_a_running_command() {
    leave(
        Farewell::Signal(Signal::INT),
        "exec sleep 3600",
        "sleep 3600",
    )
    .await;
}

#[tokio::test]
async fn sigterm_ends_a_running_command() {
    leave(
        Farewell::Signal(Signal::TERM),
        "exec sleep 3600",
        "sleep 3600",
    )
    .await;
}

#[tokio::test]
async fn a_hangup_ends_a_running_command() {
    leave(
        Farewell::Signal(Signal::HUP),
        "exec sleep 3600",
        "sleep 3600",
    )
    .await;
}

#[tokio::test]
async fn a_closed_output_ends_a_running_command() {
    leave(Farewell::OutputClosed, "exec sleep 3600", "sleep 3600").await;
}

#[tokio::test]
async fn a_client_that_was_killed_ends_a_running_command() {
    leave(Farewell::BothClosed, "exec sleep 3600", "sleep 3600").await;
}

#[tokio::test]
async fn a_command_with_children_that_ignores_signals_is_ended_too() {
    let command = "trap '' INT TERM HUP; sleep 3600; sleep 3600";
    leave(Farewell::InputClosed, command, "sleep 3600").await;
}

#[tokio::test]
async fn commands_of_several_sessions_are_ended() {
    let host = Host::start().await;
    let mut client = Client::start(&host.sshd.ssh_config()).await;
    for name in ["a", "b", "c"] {
        client
            .succeed("ssh_connect", json!({"host": "test", "name": name}))
            .await;
        for _ in 0..3 {
            client
                .begin_call(
                    "ssh_exec",
                    json!({"command": "exec sleep 3600", "session": name}),
                )
                .await;
        }
    }
    let count = || {
        let commands = host.commands().into_iter();
        commands
            .filter(|process| process.command_line() == "sleep 3600")
            .count()
    };
    eventually("nine commands", || count() == 9).await;
    client.signal(Signal::TERM);
    verify_end(client).await;
    let begun = Instant::now();
    eventually("the commands to end", || host.commands().is_empty()).await;
    assert!(begun.elapsed() <= REMOTE_END_LIMIT, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_second_signal_changes_nothing() {
    let (host, mut client) = connected().await;
    client
        .begin_call("ssh_exec", json!({"command": "exec sleep 3600"}))
        .await;
    let process = running(&host, "sleep 3600").await;
    // As Claude Code does it.
    client.signal(Signal::INT);
    tokio::time::sleep(Duration::from_millis(100)).await;
    if process.is_alive() {
        client.signal(Signal::TERM);
    }
    verify_end(client).await;
    gone_within(process, REMOTE_END_LIMIT).await;
}

#[tokio::test]
async fn a_local_program_that_is_waited_for_is_ended() {
    let host = Host::start().await;
    // `ssh -G` runs it, and takes as long.
    let lines = "Match exec \"exec sleep 3600\"\nHost test";
    let config = host.sshd.ssh_config_with(lines);
    // Several times, because a process that ends before it has killed the other one does so by chance.
    for farewell in [Farewell::InputClosed, Farewell::Signal(Signal::TERM)].repeat(3) {
        let mut client = Client::start(&config).await;
        client
            .begin_call("ssh_connect", json!({"host": "test"}))
            .await;
        let home = client.home();
        let sleeps = || {
            let mut processes = home.processes().into_iter();
            processes.any(|process| process.name() == "sleep")
        };
        eventually("the local program to run", sleeps).await;
        match farewell {
            Farewell::Signal(signal) => client.signal(signal),
            _ => client.close_input(),
        }
        verify_end(client).await;
    }
}

#[tokio::test]
async fn a_connect_that_is_under_way_does_not_hold_the_end_up() {
    let (_host, mut client) = connected().await;
    // Takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    client
        .begin_call("ssh_connect", json!({"host": "127.0.0.1", "port": port}))
        .await;
    let dialled = bounded("the dial", silent.accept()).await.unwrap();
    client.close_input();
    verify_end(client).await;
    drop(dialled);
}

/// Requests whose answers are more than a pipe holds.
const UNREAD: usize = 40;

/// Leaves a server that has been asked `requests` times and whose answers nobody reads.
async fn leave_unread(farewell: Farewell, requests: usize) {
    let mut client = Client::builder().start();
    client.initialize().await;
    for _ in 0..requests {
        client.begin("tools/list", json!({})).await;
    }
    let process = client.process();
    match farewell {
        Farewell::Signal(signal) => client.signal(signal),
        _ => client.close_input(),
    }
    let begun = Instant::now();
    eventually("the end", || !process.is_alive()).await;
    assert!(begun.elapsed() <= END_LIMIT, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_left_on_a_signal() {
    leave_unread(Farewell::Signal(Signal::TERM), UNREAD).await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_left_at_the_end_of_input() {
    leave_unread(Farewell::InputClosed, UNREAD).await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_of_too_many_answers_is_left_too() {
    let too_many = mcp_ssh_sessions::limits::STDIO_CALLS_MAX + 50;
    leave_unread(Farewell::Signal(Signal::TERM), too_many).await;
    leave_unread(Farewell::InputClosed, too_many).await;
}

#[tokio::test]
async fn a_client_that_reads_late_gets_every_answer() {
    let mut client = Client::builder().start();
    client.initialize().await;
    let mut ids = Vec::new();
    for _ in 0..100 {
        ids.push(client.begin("tools/list", json!({})).await);
    }
    for id in ids {
        client.result(&id).await;
    }
    assert!(client.finish().await.status.success());
}

#[tokio::test]
async fn starting_and_stopping_leaves_nothing_behind() {
    let host = Host::start().await;
    for _ in 0..10 {
        let mut client = Client::start(&host.sshd.ssh_config()).await;
        client.succeed("ssh_connect", json!({"host": "test"})).await;
        client
            .begin_call("ssh_exec", json!({"command": "exec sleep 3600"}))
            .await;
        running(&host, "sleep 3600").await;
        client.close_input();
        verify_end(client).await;
        all_gone_within(&host, REMOTE_END_LIMIT).await;
    }
}

/// A pipe with a name whose only writer has gone before it is read, as a script leaves it.
#[tokio::test]
async fn an_input_from_a_named_pipe_ends_with_its_writer() {
    let home = tempfile::tempdir().unwrap();
    let script = r#"mkfifo p; (printf '{"jsonrpc":"2.0","id":1,"method":"ping"}\n' >p) & exec 3<p; wait; exec "$1" <&3"#;
    let mut command = tokio::process::Command::new("sh");
    command
        .args(["-c", script, "sh", binary()])
        .env("HOME", home.path())
        .current_dir(home.path())
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true);
    let ended = bounded("the binary to end", command.output()).await;
    assert!(ended.unwrap().status.success());
}
