//! The guess that a program waits for input.

use std::time::Duration;

use serde_json::json;

use testkit::world::{World, poll, timed};

const HINT: &str = "seems to wait for input";

#[tokio::test]
async fn a_prompt_in_silence_is_told_with_the_way_to_answer() {
    let world = World::start().await;
    let command = "printf 'Really remove it? [y/N] '; read x; echo got $x";
    let arguments = json!({"command": command, "interactive": true, "waitMs": 25000});
    let (answer, took) = timed(world.call("ssh_exec", arguments)).await;
    assert!(
        took < Duration::from_secs(5),
        "the wait ends at the prompt: {took:?}"
    );
    assert_eq!(answer.meta("waitingForInput"), true, "{}", answer.status());
    assert!(answer.status().contains(HINT), "{}", answer.status());
    let job = answer.meta("job").as_str().unwrap().to_owned();
    let call = format!("ssh_input(job: \"{job}\", text: \"");
    poll("the hint", async || {
        let look = world.output(&job, json!({})).await;
        let status = look.status();
        let told = status.contains(HINT);
        assert!(!status.contains("Really"), "the line is ours: {status}");
        assert!(!told || status.contains(&call), "{status}");
        told.then_some(())
    })
    .await;
    world.input(&job, json!({"text": "y\n"})).await;
    let end = world.output(&job, json!({"waitMs": 20000})).await;
    assert_eq!(end.text(), "got y\n");
    assert!(!end.status().contains(HINT), "{}", end.status());
}

#[tokio::test]
async fn a_prompt_is_not_told_before_its_silence_is_over() {
    let world = World::start().await;
    let job = world
        .job("printf 'Name: '; read x", json!({"interactive": true}))
        .await;
    // Looked at until the hint comes: the prompt must have been there for 300 ms by then.
    let seen = poll("the prompt", async || {
        let look = world.output(&job, json!({"offsetBytes": 0})).await;
        (look.text() == "Name: ").then_some(tokio::time::Instant::now())
    })
    .await;
    poll("the hint", async || {
        let look = world.output(&job, json!({})).await;
        look.status().contains(HINT).then_some(())
    })
    .await;
    // Output is seen at most one poll after its arrival.
    assert!(seen.elapsed().as_millis() >= 200, "{:?}", seen.elapsed());
}

#[tokio::test]
async fn what_does_not_wait_is_not_said_to() {
    let world = World::start().await;
    let open = json!({"interactive": true});
    for (command, more) in [
        // A finished line.
        ("echo 'Password:'; read x", open.clone()),
        // No prompt.
        ("printf 'compiling 12 of 80'; read x", open.clone()),
        // Nothing at all.
        ("read x", open),
        // Its stdin is at its end.
        ("printf 'Password: '; exec sleep 1000", json!({})),
    ] {
        let job = world.job(command, more).await;
        let (look, took) = timed(world.output(&job, json!({"waitMs": 2500}))).await;
        assert!(took.as_millis() >= 2500, "{command}: it waited");
        assert_eq!(look.meta("outcome"), "running", "{command}");
        assert!(
            !look.status().contains(HINT),
            "{command}: {}",
            look.status()
        );
        assert!(
            look.status().contains("waits for more"),
            "{command}: {}",
            look.status()
        );
    }
}

#[tokio::test]
async fn a_wait_ends_at_prompts_of_every_dress() {
    let world = World::start().await;
    for command in [
        "printf '\\033[1;33mContinue? [Y/n]\\033[0m '; read x",
        "printf 'Password: '; stty -echo; read x",
        "printf '\\033[7m--More--(45%%)\\033[27m'; read x",
        "printf 'last\\n\\033[7m(END)\\033[27m\\033[K'; read x",
        "printf 'Press any key to continue . . . '; read x",
        "sh -c 'PS1=\"$ \" exec sh -i'",
    ] {
        let arguments = json!({"command": command, "pty": true, "waitMs": 25000});
        let (answer, took) = timed(world.call("ssh_exec", arguments)).await;
        assert!(took < Duration::from_secs(5), "{command}: {took:?}");
        assert_eq!(
            answer.meta("waitingForInput"),
            true,
            "{command}: {}",
            answer.status()
        );
        let job = answer.meta("job").as_str().unwrap().to_owned();
        // A look that waits is answered at once as well, until the answer is given.
        let (look, took) = timed(world.output(&job, json!({"waitMs": 25000}))).await;
        assert!(took < Duration::from_secs(3), "{command}: {took:?}");
        assert_eq!(look.meta("waitingForInput"), true, "{command}");
        world.input(&job, json!({"text": "exit\n"})).await;
        let end = world.ended(&job).await;
        assert_eq!(end.meta("outcome"), "exited", "{command}: {}", end.status());
    }
}

#[tokio::test]
async fn a_progress_bar_that_pauses_does_not_end_a_wait() {
    let world = World::start().await;
    let command = "printf '\\r[====>    ] 45%% (45/100)'; sleep 1.2; printf '\\r[==========>'; sleep 1.2; echo";
    let arguments = json!({"command": command, "pty": true, "waitMs": 25000});
    let answer = world.call("ssh_exec", arguments).await;
    assert_eq!(answer.meta("outcome"), "exited", "{}", answer.status());
}
