//! A flood of output, and many jobs.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use testkit::eventually;
use testkit::world::{World, timed};

/// How long the flood lasts.
const FLOOD: Duration = Duration::from_secs(15);
/// Allowed growth of the server.
const GROWTH_MAX_BYTES: u64 = 16 * 1024 * 1024;
/// Delay that other work on the machine adds to any call. Only a starved session is slower; the benchmark's row
/// `output` measures the rest beside OpenSSH.
const NOISE: Duration = Duration::from_millis(500);

/// The median time of a command in the session `other`, over `count` commands.
async fn median(world: &World, count: usize) -> Duration {
    let mut times = Vec::new();
    for _ in 0..count {
        let arguments = json!({"command": "true", "session": "other"});
        let (answer, took) = timed(world.call("ssh_exec", arguments)).await;
        assert_eq!(answer.meta("exitCode"), 0, "{}", answer.status());
        times.push(took);
    }
    times.sort();
    times[times.len() / 2]
}

#[tokio::test]
async fn a_flood_takes_little_memory_and_leaves_the_others_alone() {
    let world = World::start().await;
    world.connect("other").await;
    let before = median(&world, 30).await;
    let resident = world.server.resident_bytes();
    let job = world.job("exec yes", json!({})).await;
    let (mut peak, mut times) = (0, Vec::new());
    let start = Instant::now();
    while start.elapsed() < FLOOD {
        times.push(median(&world, 5).await);
        peak = peak.max(world.server.resident_bytes());
    }
    times.sort();
    let during = times[times.len() / 2];
    let look = world.output(&job, json!({"offsetBytes": -4})).await;
    assert_eq!(look.text(), "y\ny\n");
    let flooded = look.number("stdoutBytes");
    assert!(flooded > 100 * 1024 * 1024, "only {flooded} bytes came");
    let grown = peak.saturating_sub(resident);
    assert!(
        grown < GROWTH_MAX_BYTES,
        "{grown} bytes more for {flooded} bytes of output"
    );
    assert!(
        during < before * 3 + NOISE,
        "{during:?} during the flood, {before:?} before"
    );
    let ((), took) = timed(async {
        world.input(&job, json!({"signal": "KILL"})).await;
        let end = world.ended(&job).await;
        assert_eq!(end.meta("signal"), "KILL", "{}", end.status());
    })
    .await;
    assert!(took < Duration::from_secs(5), "{took:?}");
    eventually("yes to be gone", || world.sshd.commands().is_empty()).await;
}

#[tokio::test]
async fn a_hundred_jobs_leave_nothing_behind() {
    // Below MaxSessions (10): a channel is kept for ending commands, and one is opened ahead.
    const AT_ONCE: usize = 8;
    let world = World::start().await;
    for round in 0..100_usize.div_ceil(AT_ONCE) {
        let mut jobs = Vec::new();
        for _ in 0..AT_ONCE {
            jobs.push(world.job("sleep 1000 & wait", json!({})).await);
        }
        eventually("the commands to start", || {
            world.processes("sleep 1000").len() == AT_ONCE
        })
        .await;
        // Each way of ending one in turn.
        let signal = ["KILL", "TERM", "HUP"][round % 3];
        for job in &jobs {
            world.input(job, json!({"signal": signal})).await;
        }
        for job in &jobs {
            let end = world.ended(job).await;
            assert_ne!(end.meta("outcome"), "running");
        }
    }
    eventually("all processes to be gone", || {
        world.sshd.commands().is_empty()
    })
    .await;
    assert!(world.jobs("web").await.is_empty());
    assert_channels_are_free(&world).await;
}

/// The host's list of processes and ours are never quite the same: an end is on its way, a helper is about to
/// exit. None of it may make one command be taken for another.
#[tokio::test]
async fn a_signal_ends_its_own_command_and_no_other() {
    let world = World::start().await;
    for round in 0..12 {
        let mut jobs = Vec::new();
        for number in 0..8 {
            let command = format!("exec sleep {}", 2000 + number);
            jobs.push(world.job(&command, json!({})).await);
        }
        // Each of them, and none still on its way to be one.
        let alive = |number: usize| world.processes(&format!("sleep {}", 2000 + number)).len();
        eventually("the commands to start", || {
            (0..8).all(|number| alive(number) == 1)
        })
        .await;
        // Two neighbours, one right behind the other.
        let first = round % 7;
        for job in &jobs[first..first + 2] {
            world.input(job, json!({"signal": "KILL"})).await;
        }
        for job in &jobs[first..first + 2] {
            let end = world.ended(job).await;
            assert_eq!(end.meta("signal"), "KILL", "{}", end.status());
        }
        for (number, job) in jobs.iter().enumerate() {
            let spared = !(first..first + 2).contains(&number);
            assert_eq!(alive(number), usize::from(spared), "round {round}: {job}");
        }
        for job in &jobs {
            world.try_input(job, json!({"signal": "KILL"})).await;
        }
        eventually("the rest to end", || world.sshd.commands().is_empty()).await;
    }
}

#[tokio::test]
async fn a_hundred_cancelled_calls_leave_nothing_behind() {
    let world = World::start().await;
    for _ in 0..13 {
        cancel_eight(&world, "exec sleep 1000").await;
    }
    // A background child of a shell ignores INT: each takes the second step.
    cancel_eight(&world, "sleep 1000 & wait").await;
    assert_channels_are_free(&world).await;
}

/// Eight calls at once, given up at once: more than there are channels left to end them with.
async fn cancel_eight(world: &World, command: &str) {
    const AT_ONCE: usize = 8;
    let mut calls = Vec::new();
    for _ in 0..AT_ONCE {
        let arguments = json!({"command": command, "waitMs": 50000});
        calls.push(world.server.begin("ssh_exec", arguments).await);
    }
    eventually("the commands to start", || {
        world.processes("sleep 1000").len() == AT_ONCE
    })
    .await;
    for call in &calls {
        world.server.cancel(call).await;
    }
    eventually("the commands to end", || world.sshd.commands().is_empty()).await;
}

/// As many commands at once as sshd lets in, less the channel that is kept for ending them.
async fn assert_channels_are_free(world: &World) {
    let mut calls = Vec::new();
    for _ in 0..9 {
        let arguments = json!({"command": "read -r x", "interactive": true, "waitMs": 0});
        calls.push(world.call("ssh_exec", arguments).await);
    }
    eventually("nine commands at once", || world.sshd.commands().len() == 9).await;
    for call in calls {
        let job = call.meta("job").as_str().unwrap().to_owned();
        world.input(&job, json!({"text": "\n"})).await;
        let end = world.ended(&job).await;
        assert_eq!(end.meta("exitCode"), 0, "{}", end.status());
    }
}
