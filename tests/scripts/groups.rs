//! Process groups are found by their mark, or else by their order, and ended.

use mcp_ssh_sessions::ssh::script;

use crate::shells::{SHELLS, Server, TOKEN, shell, text};

/// Three commands: the first ends on INT, the second on TERM, the third on KILL only.
const COMMANDS: &str = "
    command 'echo $$ >one.pid; exec sleep 1000'
    command 'trap \"\" INT; echo $$ >two.pid; exec sleep 1001'
    command 'trap \"\" INT TERM; echo $$ >three.pid; exec sleep 1002'
    until_file one.pid; until_file two.pid; until_file three.pid
";

/// Three commands, as the script's first argument.
const LIST: &str = "om1:om2:om3";

fn group_script() -> String {
    let find = include_str!("../../src/ssh/ending/find_groups.sh");
    let end = include_str!("../../src/ssh/ending/end_groups.sh");
    script::one_line(&format!("{find}{end}"))
}

#[test]
fn a_command_is_ended_by_the_signal_that_it_takes_and_no_other_is_touched() {
    for words in SHELLS {
        let rows = [("one", "INT"), ("two", "TERM"), ("three", "KILL")];
        for (index, (name, signal)) in rows.into_iter().enumerate() {
            let server = Server::new();
            let body = format!("{COMMANDS} run {TOKEN} {LIST} m{} 6", index + 1);
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
            &format!("{COMMANDS} run {TOKEN} {LIST} 0 4"),
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
        let body = format!("{commands} run {TOKEN} om1:om2 m2 0 USR1; until_file second.got");
        let said = server.run(words, &group_script(), &body);
        assert_eq!(said, format!("{TOKEN} found\n{TOKEN} sent\n"), "{words:?}");
        assert!(!server.path().join("first.got").exists(), "{words:?}");
    }
}

/// Commands whose marks are in their environment, between two children that are none of ours.
const MARKED: &str = "
    command 'echo $$ >zero.pid; exec sleep 1003'
    marked m1 'echo $$ >one.pid; sleep 1000; :'
    marked m2 'trap \"\" INT; echo $$ >two.pid; exec sleep 1001'
    marked m3 'exec env -i PATH=\"$PATH\" sh -c \"echo \\$\\$ >three.pid; exec sleep 1002\"'
    until_file zero.pid; until_file one.pid; until_file two.pid; until_file three.pid
";

#[test]
fn a_command_is_found_by_its_mark_whatever_else_is_there() {
    let lists = ["om2", "cm0:sm7:om1:zm8:om2:om3:cm9", "om2:om1"];
    for words in SHELLS {
        for list in lists {
            let server = Server::new();
            let said = server.run(
                words,
                &group_script(),
                &format!("{MARKED} run {TOKEN} {list} m2 6"),
            );
            assert_eq!(
                said,
                format!("{TOKEN} found\n{TOKEN} gone TERM\n"),
                "{words:?}"
            );
            for (file, is_alive) in [("zero", true), ("one", true), ("two", false)] {
                assert_eq!(server.is_alive(&format!("{file}.pid")), is_alive, "{file}");
            }
        }
    }
}

#[test]
fn a_command_that_has_lost_its_mark_is_found_by_elimination() {
    // `zero` and `three` have no mark; the server admits marks.
    let rows = [
        ("om0:om1:om2:om3", "found\nTOKEN gone INT"),
        ("om0:sm7:om1:om2:zm8:om3", "found\nTOKEN gone INT"),
        ("om0:om1:om2:om3:cm9", "fewer 4"),
        ("om0:om1:om2:om3:om9", "unsure 4"),
        ("om1:om2:om3", "unsure 4"),
    ];
    for words in SHELLS {
        for (list, expected) in rows {
            let server = Server::new();
            let body = format!("{MARKED} export LC_MCP_SSH={TOKEN}; run {TOKEN} {list} m3 6");
            let said = server.run(words, &group_script(), &body);
            let expected = expected.replace("TOKEN", TOKEN);
            assert_eq!(said, format!("{TOKEN} {expected}\n"), "{words:?} {list}");
            let is_ended = expected.starts_with("found");
            assert_eq!(server.is_alive("three.pid"), !is_ended, "{words:?} {list}");
            for file in ["zero.pid", "one.pid", "two.pid"] {
                assert!(server.is_alive(file), "{words:?} {list} {file}");
            }
        }
    }
}

#[test]
fn a_command_that_cannot_be_told_from_others_is_not_touched() {
    let rows = [
        ("om1:om2", "unsure 3"),
        ("om1:om2:om3:om4", "unsure 3"),
        // Processes that may have ended unseen: the list without them fits.
        ("zm8:om1:om2:om3", "fewer 3"),
        ("om1:om2:cm8:sm3:cm9", "fewer 3"),
        ("om1:cm2:cm3:cm4", "unsure 3"),
    ];
    for words in SHELLS {
        for (list, expected) in rows {
            let server = Server::new();
            let body = format!("{COMMANDS} run {TOKEN} {list} m1 4");
            let said = server.run(words, &group_script(), &body);
            assert_eq!(said, format!("{TOKEN} {expected}\n"), "{words:?} {list}");
            for file in ["one.pid", "two.pid", "three.pid"] {
                assert!(server.is_alive(file), "{words:?} {file}");
            }
        }
    }
}

#[test]
fn under_another_parent_the_script_is_a_stranger() {
    for words in SHELLS {
        let mut command = shell(words, &group_script());
        let output = command.args([TOKEN, "om1", "m1", "4"]).output().unwrap();
        assert_eq!(
            text(&output.stdout),
            format!("{TOKEN} stranger\n"),
            "{words:?}"
        );
    }
}
