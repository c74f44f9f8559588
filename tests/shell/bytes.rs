//! Output and commands of any content and size, byte for byte.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::json;

use crate::support::{assert_ran, shell, shell_with, stream};
use testkit::world::World;

/// Outputs of one run of the property.
const OUTPUTS: usize = 150;

/// Octal escapes of printf for any bytes.
fn printf(bytes: &[u8]) -> String {
    let escaped: String = bytes.iter().map(|byte| format!("\\{byte:03o}")).collect();
    format!("printf '{escaped}'")
}

/// How the tools show bytes, without the product's own code.
fn shown(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\t' | '\n' | '\r' => text.push(c),
                '\0'..='\x1f' | '\x7f' => text.push_str(&format!("\\x{:02x}", c as u32)),
                '\u{80}'..='\u{9f}' => text.push_str(&format!("\\u{{{:x}}}", c as u32)),
                c => text.push(c),
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// Bytes, among them all that a frame is made of.
fn output() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..30),
        "[a-f0-9]{32}e[0-9] /tmp".prop_map(String::into_bytes),
        "[a-f0-9]{31}".prop_map(String::into_bytes),
        Just(b"\0\n)\n".to_vec()),
        Just(b"__mcp_sh \"$?\"".to_vec()),
        Just("ü\u{7f}\u{85}é".as_bytes().to_vec()),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

#[tokio::test]
async fn any_output_comes_back_unchanged_on_both_streams() {
    let world = World::start().await;
    let mut runner = TestRunner::deterministic();
    for number in 0..OUTPUTS {
        let (out, err) = (output(), output())
            .new_tree(&mut runner)
            .unwrap()
            .current();
        let command = format!(
            "{}; {} >&2; (exit {})",
            printf(&out),
            printf(&err),
            number % 256
        );
        let answer = shell(&world, &command).await;
        assert_ran(&answer, number as u64 % 256, &shown(&out), &shown(&err));
        assert_eq!(answer.number("stdoutBytes"), out.len() as u64);
        assert_eq!(answer.number("stderrBytes"), err.len() as u64);
        assert_eq!(answer.meta("shellGeneration"), 1, "{}", answer.status());
    }
}

#[tokio::test]
async fn output_without_an_end_of_line_stays_without() {
    let world = World::start().await;
    for (command, stdout) in [
        ("printf x", "x"),
        ("printf 'x\\n\\n'", "x\n\n"),
        ("printf ' '", " "),
        (":", ""),
        ("echo", "\n"),
    ] {
        assert_ran(&shell(&world, command).await, 0, stdout, "");
    }
}

#[tokio::test]
async fn old_frames_in_the_output_are_output() {
    let world = World::start().await;
    // The frames inside the shell: the history has the lines, and the descriptors are gone.
    shell(&world, "set -o history").await;
    let answer = shell(&world, "history; declare -f __mcp_sh; cat /proc/$$/cmdline").await;
    assert_eq!(answer.meta("exitCode"), 0, "{}", answer.status());
    let said = stream(&answer, "stdout");
    assert!(
        said.contains("__mcp_sh \"$?\"") && said.contains("bash"),
        "{said}"
    );
    assert_ran(&shell(&world, "echo on").await, 0, "on\n", "");
}

#[tokio::test]
async fn a_command_of_a_mebibyte_is_run() {
    let world = World::start().await;
    let long = "x'\\\"$`".repeat(1024 * 1024 / 6);
    let quoted = long.replace('\'', "'\\''");
    let answer = shell(&world, &format!("v='{quoted}'; echo ${{#v}}")).await;
    assert_ran(&answer, 0, &format!("{}\n", long.len()), "");
    let answer = shell(&world, "echo ${#v}").await;
    assert_ran(&answer, 0, &format!("{}\n", long.len()), "");
    let too_long = "x".repeat(4 * 1024 * 1024 + 1);
    let answer = shell(&world, &too_long).await;
    answer.assert_error("invalidParameter", &["4194304"]);
}

#[tokio::test]
async fn a_gigabyte_of_output_takes_no_memory() {
    let world = World::start().await;
    shell(&world, ":").await;
    let before = world.server.resident_bytes();
    let command = "head -c 1000000000 /dev/zero | tr '\\0' x; echo end >&2";
    let more = json!({"waitMs": 0});
    let answer = shell_with(&world, command, more).await;
    let job = answer
        .meta("job")
        .as_str()
        .expect("it takes a while")
        .to_owned();
    let mut most = 0;
    let end = testkit::world::poll("the end", async || {
        most = most.max(world.server.resident_bytes());
        let look = json!({"offsetBytes": i64::MAX});
        let answer = world.output(&job, look).await;
        (answer.meta("outcome") != "running").then_some(answer)
    })
    .await;
    assert_eq!(end.meta("exitCode"), 0, "{}", end.status());
    assert_eq!(end.number("stdoutBytes"), 1_000_000_000);
    let grown = most.saturating_sub(before);
    assert!(grown < 48 * 1024 * 1024, "{grown} bytes more");
    assert_ran(&shell(&world, "echo on").await, 0, "on\n", "");
}
