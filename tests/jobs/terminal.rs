//! `pty: true`: programs that insist on a terminal, and their output made readable.

use std::fmt::Write;

use serde_json::{Value, json};

use testkit::eventually;
use testkit::temp_user::TempUser;
use testkit::world::{Answer, World, poll};

fn pty() -> Value {
    json!({"pty": true})
}

/// A command on a terminal, to its end.
async fn run(world: &World, command: &str) -> Answer {
    let arguments = json!({"command": command, "pty": true, "waitMs": 20000});
    let answer = world.call("ssh_exec", arguments).await;
    assert_eq!(answer.meta("outcome"), "exited", "{}", answer.status());
    answer
}

#[tokio::test]
async fn there_is_a_terminal_of_a_known_size_and_type() {
    let world = World::start().await;
    let answer = run(&world, "test -t 0 && test -t 1 && test -t 2 && tty").await;
    assert_eq!(answer.meta("exitCode"), 0);
    assert!(answer.text().starts_with("/dev/pts/"), "{}", answer.text());
    assert_eq!(run(&world, "stty size").await.text(), "40 120\n");
    assert_eq!(run(&world, "echo $TERM").await.text(), "xterm\n");
    let cells = run(&world, "tput cols; tput lines").await;
    assert_eq!(cells.text(), "120\n40\n");
    // Without `pty` there is no terminal.
    let arguments = json!({"command": "test -t 0 || test -t 1 || echo none"});
    assert_eq!(world.call("ssh_exec", arguments).await.text(), "none\n");
}

#[tokio::test]
async fn a_dialogue_with_python() {
    let world = World::start().await;
    let job = world.job("/usr/bin/python3 -q", pty()).await;
    world.read_until(&job, ">>>").await;
    world.input(&job, json!({"text": "6 * 7\n"})).await;
    let said = world.read_until(&job, "42\n").await;
    assert!(said.contains("6 * 7"), "a terminal echoes: {said:?}");
    world.input(&job, json!({"text": "exit(3)\n"})).await;
    let end = world.ended(&job).await;
    assert_eq!(end.meta("exitCode"), 3, "{}", end.status());
}

#[tokio::test]
async fn a_password_is_asked_for_and_not_echoed() {
    let world = World::start().await;
    let command = "bash -c 'read -s -p \"Password: \" x; echo; echo got ${#x}'";
    let job = world.job(command, pty()).await;
    poll("the hint", async || {
        let look = world.output(&job, json!({"offsetBytes": 0})).await;
        let told = look.status().contains("seems to wait for input");
        told.then_some(())
    })
    .await;
    world.input(&job, json!({"text": "secret\n"})).await;
    let end = world.ended(&job).await;
    assert_eq!(end.meta("exitCode"), 0);
    let all = world.output(&job, json!({})).await.text();
    assert!(all.starts_with("Password:"), "{all:?}");
    assert!(all.contains("got 6\n"), "{all:?}");
    assert!(!all.contains("secret"), "{all:?}");
}

#[tokio::test]
async fn su_takes_a_password_on_a_terminal() {
    // Only root makes users; whoever else runs the tests leaves this one out.
    let (Some(user), Some(other)) = (TempUser::create("/bin/sh"), TempUser::create("/bin/sh"))
    else {
        return;
    };
    let world = World::start().await;
    // Root needs no password for `su`, so a user asks for another one.
    let command = format!(
        "su {} -c 'exec su {} -c id\\ -un'",
        user.name(),
        other.name()
    );
    let job = world.job(&command, pty()).await;
    world.read_until(&job, "Password:").await;
    let text = format!("{}\n", other.password());
    world.input(&job, json!({"text": text})).await;
    let end = world.ended(&job).await;
    assert_eq!(end.meta("exitCode"), 0, "{}", end.status());
    let all = world.output(&job, json!({"offsetBytes": 0})).await.text();
    assert!(all.contains(&format!("{}\n", other.name())), "{all:?}");
    assert!(!all.contains(other.password()));
}

#[tokio::test]
async fn control_keys_can_be_typed() {
    let world = World::start().await;
    let job = world.job("exec sleep 1000", pty()).await;
    eventually("the command to start", || {
        !world.processes("sleep 1000").is_empty()
    })
    .await;
    world.input(&job, json!({"text": "\u{3}"})).await;
    let end = world.ended(&job).await;
    assert_eq!(end.meta("signal"), "INT", "{}", end.status());

    let job = world.job("cat; echo over", pty()).await;
    world.input(&job, json!({"text": "line\n"})).await;
    world.read_until(&job, "line\nline\n").await;
    world.input(&job, json!({"text": "\u{4}"})).await;
    let end = world.output(&job, json!({"waitMs": 20000})).await;
    assert_eq!(end.meta("exitCode"), 0);
    assert_eq!(end.text(), "over\n");

    let job = world.job("cat; echo over", pty()).await;
    let closed = world
        .input(&job, json!({"text": "line\n", "closeInput": true}))
        .await;
    assert_eq!(closed.field("closed"), true);
    let end = world.output(&job, json!({"waitMs": 20000})).await;
    assert!(end.text().ends_with("over\n"), "{:?}", end.text());
}

#[tokio::test]
async fn signals_reach_a_job_on_a_terminal() {
    let world = World::start().await;
    for signal in ["INT", "TERM", "HUP", "KILL"] {
        let job = world.job("exec sleep 1000", pty()).await;
        eventually("the command to start", || {
            !world.processes("sleep 1000").is_empty()
        })
        .await;
        world.input(&job, json!({"signal": signal})).await;
        let end = world.ended(&job).await;
        assert_eq!(end.meta("signal"), signal, "{}", end.status());
    }
}

#[tokio::test]
async fn a_terminals_tricks_are_played_out() {
    let world = World::start().await;
    let bar = r"for n in 10 50 100; do printf '\r%3d%%' $n; done; echo; echo done";
    assert_eq!(run(&world, bar).await.text(), "100%\ndone\n");
    let colours = r"printf '\033[1;31mred\033[0m and \033[4mplain\033[0m\n'";
    assert_eq!(run(&world, colours).await.text(), "red and plain\n");
    let cursor = r"printf 'abc\b\bX\n'; printf 'gone\033[2K\rnew\n'";
    assert_eq!(run(&world, cursor).await.text(), "aXc\nnew\n");
}

#[tokio::test]
async fn pages_of_a_terminal_do_not_split_its_escapes() {
    let world = World::start().await;
    let command = r"for n in $(seq 1 60); do printf '\033[1;38;5;196mw%d\033[0m\n' $n; done";
    let job = world.job(command, pty()).await;
    world.ended(&job).await;
    let mut all = String::new();
    for size in [37_u64, 23, 41].iter().cycle() {
        let page = world.output(&job, json!({"maxOutputBytes": size})).await;
        all.push_str(&page.text());
        if page.number("remainingBytes") == 0 {
            break;
        }
    }
    // A page may end in the middle of a line, which shows as a line break at most.
    let words: String = all.split_whitespace().collect();
    let wanted: String = (1..=60).map(|n| format!("w{n}")).collect();
    assert_eq!(words, wanted);
}

#[tokio::test]
async fn every_line_of_a_long_page_is_there() {
    let world = World::start().await;
    let job = world.job("seq 1 60000", pty()).await;
    world.ended(&job).await;
    let before = world.server.resident_bytes();
    let mut all = String::new();
    loop {
        let page = world.output(&job, json!({"maxOutputBytes": 262_144})).await;
        all.push_str(&page.text());
        if page.number("remainingBytes") == 0 {
            break;
        }
        // A page ends at its size, not at a line.
        all = all.trim_end_matches('\n').to_owned();
    }
    let digits: String = all.chars().filter(char::is_ascii_digit).collect();
    let mut wanted = String::new();
    for line in 1..=60_000 {
        write!(wanted, "{line}").unwrap();
    }
    assert!(
        digits == wanted,
        "{} of {} digits; it starts with {:?}",
        digits.len(),
        wanted.len(),
        all.chars().take(40).collect::<String>()
    );
    let grown = world.server.resident_bytes().saturating_sub(before);
    assert!(grown < 32 * 1024 * 1024, "reading it took {grown} bytes");
}

#[tokio::test]
async fn the_screen_of_top_is_shown_until_it_is_told_to_end() {
    let world = World::start().await;
    for end_it in [json!({"text": "q"}), json!({"signal": "INT"})] {
        let job = world.job("exec top -d 0.5", pty()).await;
        let screen = poll("the screen of top", async || {
            let look = world.output(&job, json!({"stream": "screen"})).await;
            let text = look.text();
            let whole = text.contains("load average") && text.contains("PID");
            whole.then_some(text)
        })
        .await;
        let rows: Vec<_> = screen.lines().collect();
        assert!(rows[0].starts_with("top - "), "{screen}");
        assert!(rows.len() <= 40, "{} rows", rows.len());
        assert!(
            rows.iter().all(|row| row.chars().count() <= 120),
            "{screen}"
        );
        assert!(!screen.contains("\\x1b"), "{screen}");
        // The program continues to draw: the uptime line stands at the top of every screen.
        let look = world.output(&job, json!({"stream": "screen"})).await;
        assert!(look.text().starts_with("top - "), "{}", look.text());
        world.input(&job, end_it.clone()).await;
        let end = world.ended(&job).await;
        assert_ne!(end.meta("outcome"), "running", "{end_it}");
    }
    eventually("top to be gone", || world.sshd.commands().is_empty()).await;
}

#[tokio::test]
async fn there_is_no_screen_without_a_terminal() {
    let world = World::start().await;
    let job = world.job("echo x; exec sleep 1000", json!({})).await;
    let answer = world.output(&job, json!({"stream": "screen"})).await;
    answer.assert_error("invalidParameter", &[&job, "pty: true"]);
}
