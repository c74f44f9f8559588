//! The command of a persistent shell is ended, signalled and looked at.

use mcp_ssh_sessions::ssh::script;

use crate::shells::{SHELLS, Server, TOKEN};

/// A shell with a process of an earlier command and a running command that ends on TERM.
const SHELL: &str = "
    sh -c 'sleep 1000 & echo $! >earlier.pid; (echo >ready; exec sleep 1001) & echo $! >running.pid; wait; echo >after' \
        </dev/null >/dev/null 2>&1 & shell=$!
    echo $shell >shell.pid
    until_file ready; until_file running.pid
";

fn command_script() -> String {
    script::one_line(include_str!("../../src/ssh/ending/shell_command.sh"))
}

#[test]
fn the_running_command_ends_and_earlier_processes_are_spared() {
    for words in SHELLS {
        let server = Server::new();
        let body = format!("{SHELL} run {TOKEN} $shell 6 end no $(cat earlier.pid)");
        let said = server.run(words, &command_script(), &body);
        // Processes that a shell starts in the background ignore INT.
        assert_eq!(
            said,
            format!("{TOKEN} found\n{TOKEN} gone TERM\n"),
            "{words:?}"
        );
        assert!(!server.is_alive("running.pid"), "{words:?}");
        assert!(server.is_alive("earlier.pid"), "{words:?}");
    }
}

#[test]
fn a_signal_reaches_the_descendants_only() {
    for words in SHELLS {
        let server = Server::new();
        let body = format!("{SHELL} run {TOKEN} $shell 6 TERM no $(cat earlier.pid)");
        let said = server.run(words, &command_script(), &body);
        assert_eq!(said, format!("{TOKEN} found\n{TOKEN} sent\n"), "{words:?}");
        server.assert_ends("running.pid");
        assert!(
            server.is_alive("shell.pid") && server.is_alive("earlier.pid"),
            "{words:?}"
        );
    }
}

#[test]
fn a_look_tells_busy_from_idle_and_stopped() {
    for words in SHELLS {
        let server = Server::new();
        let body = format!(
            "{SHELL} run {TOKEN} $shell 6 look no
             kill -s STOP $shell; sleep 0.2; run {TOKEN} $shell 6 look no; kill -s CONT $shell
             mkfifo input; sh <input >/dev/null 2>&1 & idle=$!; echo $idle >idle.pid
             exec 3>input; sleep 0.2; run {TOKEN} $idle 6 look no"
        );
        let said = server.run(words, &command_script(), &body);
        let expected = ["busy", "stopped", "idle"].map(|word| format!("{TOKEN} {word}\n"));
        assert_eq!(said, expected.concat(), "{words:?}");
    }
}

#[test]
fn a_process_of_another_parent_is_left_alone() {
    for words in SHELLS {
        let server = Server::new();
        let said = server.run(
            words,
            &command_script(),
            &format!("run {TOKEN} 1 4 end yes"),
        );
        assert_eq!(said, format!("{TOKEN} stranger\n"), "{words:?}");
    }
}
