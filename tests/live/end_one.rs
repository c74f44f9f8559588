//! Ending one command, by a timeout or because the caller gave up. Afterwards no process is left.

use std::time::Duration;

use mcp_ssh_sessions::actors::job::outcome::Outcome;
use mcp_ssh_sessions::actors::job::report::CommandReport;
use mcp_ssh_sessions::actors::request::ExecRequest;
use mcp_ssh_sessions::error::Fate;
use mcp_ssh_sessions::ssh::ending::{KillReport, Signal};
use tokio::task::JoinSet;

use crate::world::{Client, TEST, command, nothing_left, processes, request, stdout, succeeded};
use testkit::sshd::Sshd;

/// Commands that never end by themselves, and the signal that ends the last process of each. Children that a shell
/// starts in the background ignores INT (POSIX, "Asynchronous Lists").
const ENDLESS: [(&str, Signal); 7] = [
    ("echo $$; exec sleep 1000", Signal::Int),
    ("echo $$; sleep 1001; :", Signal::Int),
    ("echo $$; sleep 1002 | cat | cat", Signal::Int),
    (
        "sh -c 'trap \"\" INT; echo $PPID; exec sleep 1003' & wait",
        Signal::Term,
    ),
    (
        "sh -c 'trap \"\" INT; sleep 1004; :' & echo $$; exec sleep 1005",
        Signal::Term,
    ),
    (
        "trap '' INT TERM; echo $$; while :; do sleep 0.1; done",
        Signal::Kill,
    ),
    (
        "(trap '' INT TERM; exec sleep 1006) & echo $$; sleep 1007; :",
        Signal::Kill,
    ),
];

/// How to end a command.
#[derive(Debug, Clone, Copy)]
enum By {
    Timeout,
    Cancel,
}

/// Runs an endless command in a session of its own and ends the command.
async fn run_and_end(client: Client, session: String, line: &'static str, by: By) -> CommandReport {
    client.dial(request(&session, TEST)).await.unwrap();
    let request = ExecRequest {
        timeout: matches!(by, By::Timeout).then_some(Duration::from_millis(500)),
        ..command(line)
    };
    let (cancel, output) = (request.cancel.clone(), request.watch.clone());
    let call = client.run_in(&session, request);
    let give_up = async {
        if matches!(by, By::Cancel) {
            let begun = || output.get().is_some_and(|output| !output.lock().is_empty());
            testkit::eventually("the command to begin", begun).await;
            cancel.cancel();
        }
    };
    let (report, ()) = tokio::join!(call, give_up);
    // The channel is free, and the session is unchanged.
    assert_eq!(
        succeeded(&client.run_in(&session, command("echo next")).await),
        "next\n"
    );
    report
}

async fn each_is_ended(by: By) {
    let sshd = Sshd::start_default().await;
    let client = Client::new(sshd.ssh_config()).await;
    let mut running = JoinSet::new();
    for (number, (line, signal)) in ENDLESS.into_iter().enumerate() {
        let ending = run_and_end(client.clone(), format!("s{number}"), line, by);
        running.spawn(async move { (line, signal, ending.await) });
    }
    for (line, signal, report) in running.join_all().await {
        let kill = KillReport {
            signal,
            gone: Some(true),
        };
        let expected = match by {
            By::Timeout => Outcome::TimedOut {
                after: Duration::from_millis(500),
                kill: Some(kill),
            },
            By::Cancel => Outcome::Cancelled(Some(kill)),
        };
        assert_eq!(report.outcome, expected, "{line}");
        assert_eq!(report.outcome.fate(), Fate::Completed, "{line}");
        // Earlier output is still there.
        let pid = stdout(&report);
        assert!(pid.trim().parse::<u32>().is_ok(), "{line}: {pid:?}");
    }
    // The product has said that they are gone: there is nothing to wait for.
    assert_eq!(processes(&sshd, "sleep 10"), [], "{by:?}");
    nothing_left(&sshd).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_over_its_time_is_ended_with_all_its_processes() {
    each_is_ended(By::Timeout).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_whose_caller_gives_up_is_ended_with_all_its_processes() {
    each_is_ended(By::Cancel).await;
}

#[tokio::test]
async fn a_command_that_ends_in_time_is_left_alone() {
    let sshd = Sshd::start_default().await;
    let client = Client::connected(&sshd).await;
    let request = ExecRequest {
        timeout: Some(Duration::from_secs(20)),
        ..command("sleep 0.3; echo done")
    };
    assert_eq!(succeeded(&client.run_in(TEST, request).await), "done\n");
}

#[tokio::test]
async fn a_command_may_answer_its_interrupt() {
    let sshd = Sshd::start_default().await;
    let client = Client::connected(&sshd).await;
    // Runs longer after INT than the first step, so that TERM ends the command: the words stand in the output.
    let line = "trap 'echo tidy; exit 7' INT; echo ready; while :; do sleep 0.1; done";
    let running = client.start(command(line));
    running.first_line().await;
    running.cancel.cancel();
    let report = running.answer().await.unwrap();
    assert_eq!(stdout(&report), "ready\ntidy\n");
    let kill = KillReport {
        signal: Signal::Int,
        gone: Some(true),
    };
    assert_eq!(report.outcome, Outcome::Cancelled(Some(kill)));
}
