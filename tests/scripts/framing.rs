//! A shell is started, says which it is, and writes the end of a frame.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use mcp_ssh_sessions::ssh::script;

use crate::shells::{SHELLS, TOKEN, shell, text};

fn feed(mut command: Command, input: &str) -> Output {
    command
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

fn reading(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    command
}

#[test]
fn a_shell_says_which_it_is() {
    let hello = script::one_line(include_str!("../../src/ssh/framing/hello.sh"));
    for words in SHELLS {
        let output = feed(
            reading(words),
            &format!("{}\n", hello.replace("TOKEN", TOKEN)),
        );
        let said = text(&output.stdout);
        let said = said.strip_prefix(&format!("{TOKEN}e0 ")).unwrap();
        let mut parts = said.strip_suffix('\0').unwrap().splitn(3, ' ');
        assert!(parts.next().unwrap().parse::<u32>().is_ok(), "{said}");
        let is_bash = !parts.next().unwrap().is_empty();
        assert_eq!(is_bash, words == ["bash"], "{said}");
        assert_eq!(text(&output.stderr), format!("{TOKEN}e"), "{words:?}");
    }
}

#[test]
fn the_start_script_finds_bash() {
    let start = script::one_line(include_str!("../../src/ssh/framing/start.sh"));
    for words in SHELLS {
        let mut command = shell(words, &start);
        command.env("BASH_ENV", "/dev/null").env("ENV", "/dev/null");
        let output = feed(
            command,
            "echo \"${BASH_VERSION:+bash}${BASH_ENV-}${ENV-}\"\n",
        );
        assert_eq!(text(&output.stdout), "bash\n", "{words:?}");
    }
}

#[test]
fn a_frame_ends_on_both_streams() {
    let posix = script::lines(include_str!("../../src/ssh/framing/posix.sh"));
    let bash = script::lines(include_str!("../../src/ssh/framing/bash.sh"));
    let rows = [
        (SHELLS[0], format!("{posix}__mcp_sh 3 {TOKEN} x\n")),
        (SHELLS[1], format!("{bash}__mcp_sh 3 {TOKEN} x\n)\n")),
        (SHELLS[1], format!("{posix}__mcp_sh 3 {TOKEN} x\n")),
        (SHELLS[2], format!("{posix}__mcp_sh 3 {TOKEN} x\n")),
    ];
    for (words, input) in rows {
        let output = feed(reading(words), &input);
        assert_eq!(text(&output.stdout), format!("{TOKEN}e3 /\0"), "{words:?}");
        assert_eq!(text(&output.stderr), format!("{TOKEN}e"), "{words:?}");
    }
}

#[test]
fn the_state_follows_the_end_of_a_frame() {
    let posix = script::lines(include_str!("../../src/ssh/framing/posix.sh"));
    let bash = script::lines(include_str!("../../src/ssh/framing/bash.sh"));
    let end = format!("umask 027; export A=b\n__mcp_sh 0 {TOKEN}\n");
    for (words, init, close) in [
        (SHELLS[0], &posix, ""),
        (SHELLS[1], &bash, ")\n"),
        (SHELLS[2], &posix, ""),
    ] {
        let output = feed(reading(words), &format!("{init}{end}{close}"));
        let said = text(&output.stdout);
        let state = said.strip_prefix(&format!("{TOKEN}e0 /\0")).unwrap();
        assert!(state.starts_with("0027\n"), "{words:?} {state}");
        assert!(
            state.contains(" A=\"b\"\n") || state.contains(" A='b'\n"),
            "{words:?} {state}"
        );
        assert!(state.ends_with(&format!("\0{TOKEN}z")), "{words:?} {state}");
    }
}
