//! Answers of `ssh_output`, and their time.

use std::time::Duration;

use serde_json::json;

use testkit::world::{World, poll, timed};

/// Prints as requested: `o` lines on stdout, `e` lines on stderr.
const ECHO: &str =
    "while read -r to text; do if [ $to = o ]; then echo $text; else echo $text >&2; fi; done";

async fn lines(world: &World, count: u32) -> String {
    // Later than the handover, which would otherwise show the first of them, and they would count as read.
    let command = format!("sleep 0.3; seq {count}; exec sleep 1000");
    let job = world.job(&command, json!({})).await;
    let all: String = (1..=count).map(|line| format!("{line}\n")).collect();
    arrived(world, &job, all.len()).await;
    job
}

/// Waits for this much output without reading.
async fn arrived(world: &World, job: &str, bytes: usize) {
    let what = format!("{bytes} bytes of {job}");
    poll(&what, async || {
        let look = world.output(job, json!({"offsetBytes": 0})).await;
        let have = look.number("stdoutBytes") + look.number("stderrBytes");
        (have >= bytes as u64).then_some(())
    })
    .await;
}

#[tokio::test]
async fn only_what_is_new_comes() {
    let world = World::start().await;
    let job = world.job(ECHO, json!({"interactive": true})).await;
    for text in ["one", "two"] {
        world
            .input(&job, json!({"text": format!("o {text}\n")}))
            .await;
        assert_eq!(world.read_until(&job, "\n").await, format!("{text}\n"));
        for _ in 0..2 {
            let nothing = world.output(&job, json!({})).await;
            assert_eq!(nothing.text(), "");
            assert!(nothing.streams().is_empty(), "no empty blocks");
            assert_eq!(nothing.number("remainingBytes"), 0);
            assert_eq!(nothing.meta("outcome"), "running");
        }
    }
}

#[tokio::test]
async fn offsets_are_read_and_move_no_mark() {
    let world = World::start().await;
    let job = lines(&world, 100).await;
    let all: String = (1..=100).map(|line| format!("{line}\n")).collect();
    let rows = [
        (
            json!({"offsetBytes": 0, "maxOutputBytes": 4}),
            "1\n2\n",
            4,
            all.len() - 4,
        ),
        (
            json!({"offsetBytes": 18, "maxOutputBytes": 3}),
            "10\n",
            21,
            all.len() - 21,
        ),
        (json!({"offsetBytes": -4}), "100\n", all.len(), 0),
        (json!({"offsetBytes": -100_000}), all.as_str(), all.len(), 0),
        (json!({"offsetBytes": all.len()}), "", all.len(), 0),
        (json!({"offsetBytes": 100_000}), "", all.len(), 0),
    ];
    for (arguments, text, next, remaining) in rows {
        let page = world.output(&job, arguments.clone()).await;
        assert_eq!(page.text(), text, "{arguments}");
        assert_eq!(page.number("nextOffsetBytes"), next as u64, "{arguments}");
        assert_eq!(
            page.number("remainingBytes"),
            remaining as u64,
            "{arguments}"
        );
    }
    let unread = world.output(&job, json!({})).await;
    assert_eq!(unread.text(), all, "all of it is still unread");
    assert_eq!(world.output(&job, json!({})).await.text(), "");
}

#[tokio::test]
async fn a_page_that_is_not_all_names_the_next_call() {
    let world = World::start().await;
    let job = lines(&world, 100).await;
    let page = world.output(&job, json!({"maxOutputBytes": 10})).await;
    let next = format!("ssh_output(job: \"{job}\")");
    assert!(
        page.status().contains("282 bytes more"),
        "{}",
        page.status()
    );
    assert!(page.status().contains(&next), "{}", page.status());
    let arguments = json!({"maxOutputBytes": 10, "offsetBytes": 20, "stream": "stdout"});
    let page = world.output(&job, arguments).await;
    let next = format!("ssh_output(job: \"{job}\", stream: \"stdout\", offsetBytes: 30)");
    assert!(page.status().contains(&next), "{}", page.status());
}

#[tokio::test]
async fn waiting_ends_with_the_job_a_page_or_the_time() {
    let world = World::start().await;
    let long = Duration::from_secs(20);
    // The time.
    let job = world.job(ECHO, json!({"interactive": true})).await;
    let (look, took) = timed(world.output(&job, json!({"waitMs": 600}))).await;
    assert_eq!(look.meta("outcome"), "running");
    assert!(
        took >= Duration::from_millis(600) && took < long,
        "{took:?}"
    );
    // With an offset, a full page is a reason to answer; a little output is not.
    let arguments = json!({"job": job, "waitMs": 50000, "maxOutputBytes": 8, "offsetBytes": 0});
    let mut call = world.server.begin("ssh_output", arguments).await;
    world.input(&job, json!({"text": "o 123\n"})).await;
    arrived(&world, &job, 4).await;
    assert!(!call.is_answered());
    let (page, took) = timed(async {
        world.input(&job, json!({"text": "o 567\no 9\n"})).await;
        call.answer().await
    })
    .await;
    assert!(took < long, "{took:?}");
    assert_eq!(page.text(), "123\n567\n");
    assert_eq!(page.meta("outcome"), "running");
    // The end.
    let arguments = json!({"job": job, "waitMs": 50000});
    let call = world.server.begin("ssh_output", arguments).await;
    let (end, took) = timed(async {
        world.input(&job, json!({"closeInput": true})).await;
        call.answer().await
    })
    .await;
    assert!(took < long, "{took:?}");
    assert_eq!(end.meta("outcome"), "exited", "{}", end.status());
    assert_eq!(end.text(), "123\n567\n9\n");
}

#[tokio::test]
async fn waiting_for_a_chatty_job_shows_the_end_and_counts_what_stands_before() {
    let world = World::start().await;
    let command =
        "sleep 0.3; for i in 1 2 3 4 5; do seq 1000; sleep 0.1; done; echo the end; exit 3";
    let job = world.job(command, json!({})).await;
    let arguments = json!({"waitMs": 50000, "maxOutputBytes": 50});
    let end = world.output(&job, arguments).await;
    assert_eq!(end.meta("exitCode"), 3, "{}", end.status());
    assert!(
        end.text().ends_with("999\n1000\nthe end\n"),
        "{}",
        end.text()
    );
    assert!(end.text().len() <= 50, "{}", end.text());
    let total = end.number("stdoutBytes");
    let before = total - end.text().len() as u64;
    assert_eq!(end.number("omittedBytes"), before);
    let call =
        format!("{before} bytes before not shown: ssh_output(job: \"{job}\", offsetBytes: 0)");
    assert!(end.status().contains(&call), "{}", end.status());
    let all = world
        .output(&job, json!({"offsetBytes": 0, "maxOutputBytes": 200_000}))
        .await;
    assert_eq!(all.text().len() as u64, total);
    let next = world.output(&job, json!({})).await;
    assert_eq!(next.text(), "", "the end was read");
}

#[tokio::test]
async fn until_ends_the_wait_at_a_matching_line() {
    let world = World::start().await;
    let long = Duration::from_secs(20);
    let command =
        "echo starting; sleep 0.2; echo READY on 80; sleep 0.3; echo later; exec sleep 1000";
    let arguments = json!({"command": command, "until": "^READY", "waitMs": 50000});
    let (start, took) = timed(world.call("ssh_exec", arguments)).await;
    assert!(took < long, "{took:?}");
    assert_eq!(start.meta("outcome"), "running", "{}", start.status());
    assert_eq!(start.meta("matched"), 9);
    assert_eq!(start.text(), "starting\nREADY on 80\n");
    assert!(
        start.status().contains("until matched at byte 9"),
        "{}",
        start.status()
    );
    let job = start.meta("job").as_str().unwrap().to_owned();
    // The line was shown, so that the next wait is for another.
    let arguments = json!({"until": "READY|later", "waitMs": 50000});
    let (next, took) = timed(world.output(&job, arguments)).await;
    assert!(took < long, "{took:?}");
    assert_eq!(
        (next.text().as_str(), next.number("matched")),
        ("later\n", 21)
    );
    let arguments = json!({"until": "never", "waitMs": 300});
    let none = world.output(&job, arguments).await;
    assert!(none.meta("matched").is_null());
    assert!(
        none.status().contains("until did not match"),
        "{}",
        none.status()
    );
    // A command that ends has its match too.
    let arguments = json!({"command": "echo a; echo b", "until": "b"});
    let ended = world.call("ssh_exec", arguments).await;
    assert_eq!(ended.number("matched"), 2);
    // On a slow machine the end comes after the answer.
    if ended.meta("outcome") != "exited" {
        let job = ended.meta("job").as_str().unwrap().to_owned();
        let end = world.output(&job, json!({"waitMs": 50000})).await;
        assert_eq!(end.meta("outcome"), "exited", "{}", end.status());
    }
    let arguments = json!({"command": "true", "until": "("});
    let bad = world.call("ssh_exec", arguments).await;
    bad.assert_error("invalidParameter", &["until"]);
}

#[tokio::test]
async fn until_matches_a_prompt_and_works_in_the_shell() {
    let world = World::start().await;
    let long = Duration::from_secs(20);
    let command = "echo one; printf 'mysql> '; sleep 1000";
    for (tool, at) in [("ssh_exec", 4), ("ssh_shell", 4)] {
        let arguments = json!({"command": command, "until": "mysql> $", "waitMs": 50000});
        let (prompt, took) = timed(world.call(tool, arguments)).await;
        assert!(took < long, "{took:?}");
        assert_eq!(prompt.number("matched"), at, "{}", prompt.status());
        assert_eq!(prompt.meta("outcome"), "running");
        let job = prompt.meta("job").as_str().unwrap().to_owned();
        world.input(&job, json!({"signal": "KILL"})).await;
    }
}

#[tokio::test]
async fn a_grep_that_waits_ends_with_a_match_whatever_else_is_printed() {
    let world = World::start().await;
    let command = "sleep 0.3; seq 20000; sleep 0.3; echo ERROR here; exec sleep 1000";
    let job = world.job(command, json!({})).await;
    let arguments = json!({"grep": "ERROR", "waitMs": 50000, "maxOutputBytes": 100});
    let (found, took) = timed(world.output(&job, arguments)).await;
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert_eq!(found.text(), "20001:ERROR here\n", "{}", found.status());
    assert_eq!(found.meta("outcome"), "running");
}

#[tokio::test]
async fn streams_are_read_alone_and_together_in_order() {
    let world = World::start().await;
    let job = world.job(ECHO, json!({"interactive": true})).await;
    let mut expected = Vec::new();
    let mut bytes = 0;
    for (to, text) in [("o", "a"), ("e", "b"), ("e", "c"), ("o", "d"), ("e", "e")] {
        world
            .input(&job, json!({"text": format!("{to} {text}\n")}))
            .await;
        bytes += 2;
        // Each line is known to have come before the next is requested.
        arrived(&world, &job, bytes).await;
        let stream = if to == "o" { "stdout" } else { "stderr" };
        expected.push((stream, format!("{text}\n")));
    }
    let arguments = json!({"offsetBytes": 0});
    let both = world.output(&job, arguments).await;
    assert_eq!(both.text(), "a\nb\nc\nd\ne\n");
    for (stream, text) in both.streams() {
        for line in text.split_inclusive('\n') {
            let (wanted, wanted_line) = expected.remove(0);
            assert_eq!((stream.as_str(), line), (wanted, wanted_line.as_str()));
        }
    }
    assert!(expected.is_empty(), "{expected:?}");
    // Each way of reading has its own mark, and its own count.
    let stderr = world.output(&job, json!({"stream": "stderr"})).await;
    assert_eq!(stderr.text(), "b\nc\ne\n");
    assert_eq!(stderr.number("nextOffsetBytes"), 6);
    let arguments = json!({"stream": "stderr", "offsetBytes": 2, "maxOutputBytes": 2});
    assert_eq!(world.output(&job, arguments).await.text(), "c\n");
    let stdout = world.output(&job, json!({"stream": "stdout"})).await;
    assert_eq!(
        stdout.streams(),
        [("stdout".to_owned(), "a\nd\n".to_owned())]
    );
    assert_eq!(
        world.output(&job, json!({"stream": "stdout"})).await.text(),
        ""
    );
    let unread = world.output(&job, json!({})).await;
    assert_eq!(unread.text(), "a\nb\nc\nd\ne\n");
    let bad = world.output(&job, json!({"stream": "stdin"})).await;
    bad.assert_error("invalidParameter", &["stream"]);
}

#[tokio::test]
async fn grep_shows_matching_lines_with_their_numbers() {
    let world = World::start().await;
    let job = lines(&world, 1000).await;
    let found = world.output(&job, json!({"grep": "^[0-9]?99$"})).await;
    assert_eq!(
        found.text(),
        "99:99\n199:199\n299:299\n399:399\n499:499\n599:599\n699:699\n799:799\n899:899\n999:999\n"
    );
    assert!(
        found.status().contains("10 matching lines"),
        "{}",
        found.status()
    );
    let none = world.output(&job, json!({"grep": "nothing"})).await;
    assert!(
        none.status().contains("no line matches"),
        "{}",
        none.status()
    );
    assert!(!none.is_error() && none.text().is_empty());
    let some = world
        .output(&job, json!({"grep": "9", "maxOutputBytes": 30}))
        .await;
    assert!(some.text().len() < 100, "{}", some.text());
    assert!(some.text().starts_with("9:9\n19:19\n"), "{}", some.text());
    assert!(
        some.status().contains("of 271 matching lines"),
        "{}",
        some.status()
    );
    for bad in ["[", "(", "a{2000000}", "(?=x)"] {
        let answer = world.output(&job, json!({"grep": bad})).await;
        answer.assert_error("invalidParameter", &["grep"]);
    }
    let unread = world.output(&job, json!({"maxOutputBytes": 4})).await;
    assert_eq!(unread.text(), "1\n2\n", "a search reads nothing");
}

#[tokio::test]
async fn grep_finds_a_match_deep_in_a_long_line() {
    let world = World::start().await;
    let command = "head -c 7000000 /dev/zero | tr '\\0' x; printf NEEDLE; head -c 9000 /dev/zero | tr '\\0' y";
    let job = world.job(command, json!({})).await;
    world.ended(&job).await;
    let found = world.output(&job, json!({"grep": "NEEDLE"})).await;
    let (x, y) = ("x".repeat(200), "y".repeat(200));
    let wanted = format!("1, byte 7000000:…{x}NEEDLE{y}…\n");
    assert_eq!(found.text(), wanted, "{}", found.status());
    assert!(found.status().contains("1 match"), "{}", found.status());
    let arguments = json!({"offsetBytes": 7_000_000, "maxOutputBytes": 6});
    assert_eq!(world.output(&job, arguments).await.text(), "NEEDLE");
}

#[tokio::test]
async fn grep_looks_at_the_stream_that_was_asked_for() {
    let world = World::start().await;
    let command = "echo same; echo same >&2; echo other >&2";
    let job = world.job(command, json!({})).await;
    world.ended(&job).await;
    let arguments = json!({"grep": "same|other", "stream": "stderr"});
    let found = world.output(&job, arguments).await;
    let expected = ("stderr".to_owned(), "1:same\n2:other\n".to_owned());
    assert_eq!(found.streams(), [expected]);
}

#[tokio::test]
async fn parameters_out_of_bounds_are_refused() {
    let world = World::start().await;
    let job = world.job("sleep 1000", json!({})).await;
    for (arguments, word) in [
        (json!({"waitMs": 50001}), "waitMs"),
        (json!({"maxOutputBytes": 262_145}), "maxOutputBytes"),
        (json!({"offset": 1}), "offsetBytes"),
    ] {
        let answer = world.output(&job, arguments).await;
        answer.assert_error("invalidParameter", &[word]);
    }
    let screen = world.output(&job, json!({"stream": "screen"})).await;
    screen.assert_error("invalidParameter", &[&job, "pty"]);
}

#[tokio::test]
async fn input_with_a_wait_returns_what_followed() {
    let world = World::start().await;
    let long = Duration::from_secs(20);
    let command =
        "printf '> '; while read -r x; do sleep 0.2; echo got $x; printf '> '; done; echo bye";
    let job = world.job(command, json!({"interactive": true})).await;
    world.read_until(&job, "> ").await;
    let arguments = json!({"text": "one\n", "until": "^> $"});
    let (first, took) = timed(world.input(&job, arguments)).await;
    assert!(took < long, "{took:?}");
    assert_eq!(first.text(), "got one\n> ", "{}", first.status());
    assert_eq!(first.meta("outcome"), "running");
    assert!(first.result["structuredContent"].is_null());
    assert!(first.meta("matched").is_number(), "{}", first.status());
    // Without a condition, the wait ends when the job seems to wait for input.
    let arguments = json!({"text": "two\n", "waitMs": 50000});
    let (second, took) = timed(world.input(&job, arguments)).await;
    assert!(took < long, "{took:?}");
    assert_eq!(second.text(), "got two\n> ", "{}", second.status());
    let arguments = json!({"closeInput": true, "waitMs": 50000});
    let end = world.input(&job, arguments).await;
    assert_eq!(
        (end.meta("outcome").as_str(), end.text().as_str()),
        (Some("exited"), "bye\n")
    );
}
