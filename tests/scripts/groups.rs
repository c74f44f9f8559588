//! Process groups are found by their order and ended.

use mcp_ssh_sessions::ssh::script;

use crate::shells::{SHELLS, Server, TOKEN, shell, text};

/// Three commands: the first ends on INT, the second on TERM, the third on KILL only.
const COMMANDS: &str = "
    command 'echo $$ >one.pid; exec sleep 1000'
    command 'trap \"\" INT; echo $$ >two.pid; exec sleep 1001'
    command 'trap \"\" INT TERM; echo $$ >three.pid; exec sleep 1002'
    until_file one.pid; until_file two.pid; until_file three.pid
";

fn group_script() -> String {
    let find = include_str!("../../src/ssh/ending/find_by_order.sh");
    let end = include_str!("../../src/ssh/ending/end_groups.sh");
    script::one_line(&format!("{find}{end}"))
}

#[test]
fn a_command_is_ended_by_the_signal_that_it_takes_and_no_other_is_touched() {
    for words in SHELLS {
        let rows = [("one", "INT"), ("two", "TERM"), ("three", "KILL")];
        for (index, (name, signal)) in rows.into_iter().enumerate() {
            let server = Server::new();
            let position = index + 1;
            let body = format!("{COMMANDS} run {TOKEN} 3 {position} 6");
            let said = server.run(words, &group_script(), &body);
            assert_eq!(
                said,
                format!("{TOKEN} found\n{TOKEN} gone {signal}\n"),
                "{words:?}"
            );
            for (other, _) in rows {
                let file = format!("{other}.pid");
                assert_eq!(
                    server.is_alive(&file),
                    other != name,
                    "{words:?} {name} {other}"
                );
            }
        }
    }
}

#[test]
fn all_commands_are_ended_at_once() {
    for words in SHELLS {
        let server = Server::new();
        let said = server.run(
            words,
            &group_script(),
            &format!("{COMMANDS} run {TOKEN} 3 0 4"),
        );
        assert_eq!(
            said,
            format!("{TOKEN} found\n{TOKEN} gone KILL\n"),
            "{words:?}"
        );
        for file in ["one.pid", "two.pid", "three.pid"] {
            server.assert_ends(file);
        }
    }
}

#[test]
fn one_signal_reaches_one_command() {
    let commands = "
        command 'trap \"echo >first.got\" USR1; echo $$ >first.pid; while :; do sleep 0.05; done'
        command 'trap \"echo >second.got\" USR1; echo $$ >second.pid; while :; do sleep 0.05; done'
        until_file first.pid; until_file second.pid
    ";
    for words in SHELLS {
        let server = Server::new();
        let body = format!("{commands} run {TOKEN} 2 2 0 USR1; until_file second.got");
        let said = server.run(words, &group_script(), &body);
        assert_eq!(said, format!("{TOKEN} found\n{TOKEN} sent\n"), "{words:?}");
        assert!(!server.path().join("first.got").exists(), "{words:?}");
    }
}

#[test]
fn a_count_that_does_not_fit_touches_nothing() {
    for words in SHELLS {
        let server = Server::new();
        let said = server.run(
            words,
            &group_script(),
            &format!("{COMMANDS} run {TOKEN} 2 1 4"),
        );
        assert_eq!(said, format!("{TOKEN} unsure 3\n"), "{words:?}");
        for file in ["one.pid", "two.pid", "three.pid"] {
            assert!(server.is_alive(file), "{words:?} {file}");
        }
    }
}

#[test]
fn under_another_parent_the_script_is_a_stranger() {
    for words in SHELLS {
        let mut command = shell(words, &group_script());
        let output = command.args([TOKEN, "1", "1", "4"]).output().unwrap();
        assert_eq!(
            text(&output.stdout),
            format!("{TOKEN} stranger\n"),
            "{words:?}"
        );
    }
}
