//! The status line of every kind of outcome, and each remark.

use std::time::Duration;

use super::*;
use crate::actors::job::ended_by::EndedBy;
use crate::output::Stream;
use crate::ssh::disconnect::Disconnect;
use crate::ssh::ending::Signal;
use crate::ssh::shell::Background;

const RUNNING: Outcome = Outcome::Running;

fn facts(outcome: &Outcome) -> CommandFacts<'_> {
    CommandFacts {
        session: "web",
        job: "web-7",
        is_kept: false,
        outcome,
        own_end: None,
        ended_by: None,
        activity: Activity::Runs,
        elapsed: Duration::from_millis(420),
        cwd: None,
        reconnected: false,
        shell: None,
        lost_because: None,
        server_words: None,
        stdout_bytes: 10,
        stderr_bytes: 0,
        degraded: None,
        held_by_background: false,
        omitted: 0,
        escaped: 0,
        paging: None,
        until: None,
        remark: None,
    }
}

fn kill(signal: Signal, gone: Option<bool>) -> Option<KillReport> {
    Some(KillReport { signal, gone })
}

#[test]
fn each_outcome_has_its_line() {
    let after = Duration::from_secs(5);
    let rows = [
        (Outcome::Exited(3), "exit 3 in 0.42 s (session web)"),
        (
            Outcome::Signaled(Signal::Kill),
            "killed by SIGKILL in 0.42 s (session web)",
        ),
        (
            Outcome::TimedOut {
                after,
                kill: kill(Signal::Term, Some(true)),
            },
            "timed out after 5.00 s: sent TERM, gone (session web)",
        ),
        (
            Outcome::TimedOut { after, kill: None },
            "timed out after 5.00 s: it ended by itself at that moment (session web)",
        ),
        (
            Outcome::Cancelled(kill(Signal::Kill, Some(false))),
            "ended after 0.42 s: sent KILL, still there (session web)",
        ),
        (
            Outcome::Cancelled(kill(Signal::Int, None)),
            "ended after 0.42 s: sent INT, and the host could not confirm that it is gone (session web)",
        ),
        (
            Outcome::Running,
            "still running after 0.42 s as job web-7; ssh_output(job: \"web-7\", waitMs: 25000) waits for more (session web)",
        ),
    ];
    for (outcome, expected) in rows {
        assert_eq!(render(&facts(&outcome)), expected);
    }
}

#[test]
fn the_call_that_ended_a_command_is_named() {
    let by = |ended_by, outcome| {
        let facts = CommandFacts {
            ended_by: Some(ended_by),
            ..facts(outcome)
        };
        render(&facts)
    };
    let cancelled = Outcome::Cancelled(kill(Signal::Int, Some(true)));
    assert_eq!(
        by(EndedBy::Disconnect, &cancelled),
        "ended by ssh_disconnect after 0.42 s: sent INT, gone (session web)"
    );
    assert_eq!(
        by(EndedBy::Input, &Outcome::Signaled(Signal::Term)),
        "killed by SIGTERM in 0.42 s (session web; ended by ssh_input)"
    );
}

#[test]
fn a_running_command_names_the_next_step() {
    let line = |activity| {
        let facts = CommandFacts {
            activity,
            ..facts(&RUNNING)
        };
        render(&facts)
    };
    assert_eq!(
        line(Activity::WaitsForChannel),
        "not started after 0.42 s as job web-7; it waits for a free channel; \
         ssh_output(job: \"web-7\", waitMs: 25000) waits on (session web)"
    );
    assert_eq!(
        line(Activity::WaitsForInput),
        "still running after 0.42 s as job web-7; it seems to wait for input, see its last line; \
         answer with ssh_input(job: \"web-7\", text: \"…\\n\") (session web)"
    );
}

#[test]
fn a_lost_connection_keeps_the_server_s_words_out_of_the_line() {
    let outcome = Outcome::ConnectionLost(Disconnect::Transport("reset".into()));
    let facts = CommandFacts {
        lost_because: Some("reset"),
        server_words: Some("exit 0".into()),
        ..facts(&outcome)
    };
    assert_eq!(
        render(&facts),
        "connection lost after 0.42 s: whether the command finished is unknown; it was not run again (session web; reset)"
    );
}

#[test]
fn each_remark_stands_in_the_parentheses() {
    let exited = Outcome::Exited(0);
    let page = |stream, explicit| {
        Some(Paging {
            next_offset: 10,
            remaining: 1,
            stream,
            skipped: None,
            explicit,
        })
    };
    let base = || facts(&exited);
    let rows = [
        (
            CommandFacts {
                is_kept: true,
                cwd: Some("/a\nb"),
                ..base()
            },
            "session web, job web-7, cwd /a\\nb",
        ),
        (
            CommandFacts {
                reconnected: true,
                stdout_bytes: 0,
                ..base()
            },
            "session web; connected first; no output",
        ),
        (
            CommandFacts {
                paging: page(None, false),
                ..base()
            },
            "session web; 1 byte more: ssh_output(job: \"web-7\")",
        ),
        (
            CommandFacts {
                paging: page(Some(Stream::Stderr), true),
                ..base()
            },
            "session web; 1 byte more: ssh_output(job: \"web-7\", stream: \"stderr\", offsetBytes: 10)",
        ),
        (
            CommandFacts {
                remark: Some("no line matches"),
                escaped: 2,
                degraded: Some("disk full".into()),
                ..base()
            },
            "session web; no line matches; 2 characters made visible; output not kept whole: disk full",
        ),
    ];
    for (facts, expected) in rows {
        assert_eq!(render(&facts), format!("exit 0 in 0.42 s ({expected})"));
    }
}

#[test]
fn the_shell_is_remarked_on() {
    let exited = Outcome::Exited(0);
    let shell = ShellFacts {
        ended: Some("exit 3".into()),
        remarks: vec!["was in /tmp\x1b".into()],
        background: Background {
            bytes: 9,
            stdout: b"abc".to_vec(),
            stderr: Vec::new(),
        },
        ..ShellFacts::default()
    };
    let facts = CommandFacts {
        shell: Some(&shell),
        ..facts(&exited)
    };
    assert_eq!(
        render(&facts),
        "exit 0 in 0.42 s (session web; was in /tmp\\x1b; the shell ended: exit 3; the next ssh_shell starts a new one \
         with the last known directory and exported variables; \
         background processes had printed 9 bytes since the command before, the first 3 of them shown last)"
    );
}
