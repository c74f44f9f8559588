//! `ssh_input`: text, the end of the input, signals.

use std::time::Duration;

use serde_json::json;

use testkit::eventually;
use testkit::world::{World, poll, timed};

const INTERACTIVE: fn() -> serde_json::Value = || json!({"interactive": true});

#[tokio::test]
async fn text_goes_through_and_its_end_ends_the_program() {
    let world = World::start().await;
    let job = world.job("cat", INTERACTIVE()).await;
    let record = world.input(&job, json!({"text": "one\ntw"})).await;
    assert_eq!(record.field("job"), &json!(job));
    assert_eq!(record.field("writtenBytes"), 6);
    assert_eq!(record.field("closed"), false);
    assert!(record.field("signal").is_null());
    assert_eq!(world.read_until(&job, "tw").await, "one\ntw");
    let record = world
        .input(&job, json!({"text": "o€\n", "closeInput": true}))
        .await;
    assert_eq!(record.field("writtenBytes"), 5, "bytes, not characters");
    assert_eq!(record.field("closed"), true);
    let end = world.output(&job, json!({"waitMs": 20000})).await;
    assert_eq!(end.text(), "o€\n");
    assert_eq!(end.meta("exitCode"), 0, "{}", end.status());
}

#[tokio::test]
async fn answers_to_a_program_that_asks() {
    let world = World::start().await;
    let command =
        "for n in 1 2 3; do printf 'name %s? ' $n; read name || exit 9; echo \"hello $name\"; done";
    let job = world.job(command, INTERACTIVE()).await;
    for (number, name) in ["ann", "bob", "cy"].into_iter().enumerate() {
        let question = format!("name {}? ", number + 1);
        let said = world.read_until(&job, &question).await;
        assert!(said.ends_with(&question), "{said}");
        world
            .input(&job, json!({"text": format!("{name}\n")}))
            .await;
    }
    let end = world.output(&job, json!({"waitMs": 20000})).await;
    assert_eq!(end.text(), "hello cy\n");
    assert_eq!(end.meta("exitCode"), 0);
}

#[tokio::test]
async fn the_stdin_of_the_call_comes_before_the_input() {
    let world = World::start().await;
    let more = json!({"interactive": true, "stdin": "from the call\n"});
    let job = world.job("cat", more).await;
    world
        .input(
            &job,
            json!({"text": "from the input\n", "closeInput": true}),
        )
        .await;
    let end = world.output(&job, json!({"waitMs": 20000})).await;
    assert_eq!(end.text(), "from the call\nfrom the input\n");
}

#[tokio::test]
async fn each_signal_arrives() {
    let world = World::start().await;
    let names = ["INT", "TERM", "HUP", "QUIT", "USR1", "USR2"];
    let traps: String = names
        .iter()
        .map(|name| format!("trap 'echo got {name}' {name}; "))
        .collect();
    let command = format!("bash -c \"{traps} echo ready; while :; do sleep 0.05; done\"");
    let job = world.job(&command, json!({})).await;
    world.read_until(&job, "ready\n").await;
    for name in names {
        let record = world.input(&job, json!({"signal": name})).await;
        assert_eq!(record.field("signal"), name);
        world.read_until(&job, &format!("got {name}\n")).await;
    }
    world.input(&job, json!({"signal": "KILL"})).await;
    let end = world.ended(&job).await;
    assert!(
        end.status().starts_with("killed by SIGKILL in "),
        "{}",
        end.status()
    );
    assert_eq!(end.meta("outcome"), "signaled");
    assert_eq!(end.meta("signal"), "KILL");
    eventually("all processes to be gone", || {
        world.sshd.commands().is_empty()
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_done_is_said() {
    let world = World::start().await;
    let plain = world.job("exec sleep 1000", json!({})).await;
    let answer = world.try_input(&plain, json!({"text": "x\n"})).await;
    answer.assert_error("invalidParameter", &[&plain, "interactive: true"]);
    let answer = world.try_input(&plain, json!({})).await;
    answer.assert_error("invalidParameter", &["text", "closeInput", "signal"]);
    for bad in ["STOP", "SIGTERM", "9"] {
        let answer = world.try_input(&plain, json!({"signal": bad})).await;
        answer.assert_error("invalidParameter", &["signal"]);
    }
    assert_eq!(world.jobs("web").await.len(), 1, "nothing has ended it");

    let closed = world.job("cat; exec sleep 1000", INTERACTIVE()).await;
    world.input(&closed, json!({"closeInput": true})).await;
    let answer = world.try_input(&closed, json!({"text": "x\n"})).await;
    answer.assert_error("invalidParameter", &[&closed, "closed"]);

    world.input(&plain, json!({"signal": "KILL"})).await;
    world.ended(&plain).await;
    for late in [
        json!({"text": "x\n"}),
        json!({"closeInput": true}),
        json!({"signal": "TERM"}),
    ] {
        let answer = world.try_input(&plain, late).await;
        answer.assert_error("jobEnded", &[&plain, "ssh_output"]);
    }
}

#[tokio::test]
async fn a_mebibyte_goes_through() {
    let world = World::start().await;
    let text = "0123456789abcde\n".repeat(65_536);
    for (command, expected) in [("wc -c", Some("1048576\n")), ("cat", None)] {
        let job = world.job(command, INTERACTIVE()).await;
        let record = world
            .input(&job, json!({"text": text, "closeInput": true}))
            .await;
        assert_eq!(record.field("writtenBytes"), 1_048_576);
        let end = world.ended(&job).await;
        assert_eq!(end.meta("exitCode"), 0, "{}", end.status());
        if let Some(expected) = expected {
            assert_eq!(world.output(&job, json!({})).await.text(), expected);
            continue;
        }
        let mut got = String::new();
        while got.len() < text.len() {
            let arguments = json!({"maxOutputBytes": 262_144});
            let page = world.output(&job, arguments).await.text();
            assert!(!page.is_empty(), "the output ends after {}", got.len());
            got.push_str(&page);
        }
        assert!(got == text, "what came back differs");
    }
}

#[tokio::test]
async fn a_program_that_never_reads_holds_nobody_up() {
    let world = World::start().await;
    world.connect("other").await;
    let job = world.job("exec sleep 1000", INTERACTIVE()).await;
    let text = "x".repeat(4 * 1024 * 1024);
    let arguments = json!({"job": job, "text": text});
    let call = world.server.begin("ssh_input", arguments).await;
    // During the wait the others continue, the same session included.
    for session in ["web", "other"] {
        let arguments = json!({"command": "echo free", "session": session});
        let (answer, took) = timed(world.call("ssh_exec", arguments)).await;
        assert_eq!(answer.text(), "free\n");
        assert!(took < Duration::from_secs(4), "{session}: {took:?}");
    }
    let (answer, took) = timed(call.answer()).await;
    assert!(took < Duration::from_secs(15), "{took:?}");
    answer.assert_error("timedOut", &[&job, &format!("of {} bytes", text.len())]);
    let words: Vec<_> = answer.status().split(' ').collect();
    let took_at = words.iter().position(|word| *word == "took").unwrap();
    let taken: usize = words[took_at + 1].parse().unwrap();
    assert!(taken > 0 && taken < text.len(), "{taken}");
    // A signal does not stand behind the text.
    world.input(&job, json!({"signal": "KILL"})).await;
    let end = world.ended(&job).await;
    assert_eq!(end.meta("signal"), "KILL", "{}", end.status());
}

#[tokio::test]
async fn what_was_not_taken_can_be_sent_later() {
    let world = World::start().await;
    // The shell's word about its child that the signal kills too is of no interest.
    let command = "exec 2>&-; trap 'exec wc -c' USR1; echo ready; while :; do sleep 0.05; done";
    let job = world
        .job(&format!("bash -c \"{command}\""), INTERACTIVE())
        .await;
    world.read_until(&job, "ready\n").await;
    let text = "x".repeat(4 * 1024 * 1024);
    let answer = world.try_input(&job, json!({"text": text})).await;
    answer.assert_error("timedOut", &["took"]);
    let said = answer.status();
    let from = said.split("from byte ").nth(1).expect("where to go on");
    let from: String = from.chars().take_while(char::is_ascii_digit).collect();
    let from: usize = from.parse().unwrap();
    world.input(&job, json!({"signal": "USR1"})).await;
    world
        .input(&job, json!({"text": text[from..], "closeInput": true}))
        .await;
    assert_eq!(
        world.read_until(&job, "\n").await,
        format!("{}\n", text.len())
    );
}

#[tokio::test]
async fn calls_at_once_do_not_mix_their_texts() {
    let world = World::start().await;
    let job = world.job("cat", INTERACTIVE()).await;
    let line = |letter: &str| format!("{}\n", letter.repeat(20_000));
    let calls = ["a", "b", "c"].map(|letter| {
        let arguments = json!({"job": job, "text": line(letter)});
        world.server.begin("ssh_input", arguments)
    });
    for call in calls {
        assert!(!call.await.answer().await.is_error());
    }
    world.input(&job, json!({"closeInput": true})).await;
    world.ended(&job).await;
    let mut got: Vec<String> = Vec::new();
    let page = world.output(&job, json!({"maxOutputBytes": 262_144})).await;
    got.extend(page.text().split_inclusive('\n').map(str::to_owned));
    got.sort();
    assert_eq!(got, [line("a"), line("b"), line("c")]);
    poll("no job", async || {
        world.jobs("web").await.is_empty().then_some(())
    })
    .await;
}
