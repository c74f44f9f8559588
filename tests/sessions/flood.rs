//! A command that prints without end: its output is bounded, and nobody else waits for it.

use std::process::{Command, Stdio};
use std::time::Duration;

use mcp_ssh_sessions::actors::job::outcome::Outcome;
use mcp_ssh_sessions::actors::request::ExecRequest;
use mcp_ssh_sessions::limits;
use mcp_ssh_sessions::output::Stream;

use crate::world::{World, answer, command, stdout};
use testkit::ssh_server::FLOOD_LINE;

const FLOOD_BYTES: usize = 64 * 1024 * 1024;
/// One window of the channel, which fills while the reader rests, a few copies of data under way, and the output that one
/// command keeps in memory. The server shares the process, and most of that window is its own; `tests/jobs/load.rs`
/// holds the program alone to less.
const GROWTH_MAX_KIB: usize = limits::CHANNEL_WINDOW_BYTES as usize / 1024 + 8 * 1024;
/// Rounds of other calls beside a flood, which takes one for each of its batches.
const ROUNDS_MAX: usize = 10_000;
/// Set for the process that measures itself.
const ROLE: &str = "SESSIONS_TEST_ROLE";

fn flood() -> ExecRequest {
    ExecRequest {
        wait: limits::WAIT_MAX,
        ..command(&format!("flood {FLOOD_BYTES}; exit 3"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_arrives_whole_and_others_answer_meanwhile() {
    let world = World::with_hosts(&["web", "db"]).await;
    world.connect("web").await;
    world.connect("db").await;
    let call = world.start_run("web", flood());
    world.web().host.runner.wait_live(1).await;
    let (mut same, mut other) = (0, 0);
    while !call.is_finished() {
        assert_eq!(world.output_of("db", "echo dry").await, "dry\n");
        other += 1;
        assert_eq!(world.output_of("web", "echo dry").await, "dry\n");
        same += 1;
        world.list().await;
        // The reader of a flood rests between its batches, and a paused clock stands still while anyone works.
        tokio::time::sleep(limits::FLOOD_REST).await;
        assert!(same < ROUNDS_MAX, "the flood does not end");
    }
    assert!(
        same > 3 && other > 3,
        "{same} on the same session, {other} on the other"
    );
    let report = answer(call).await.unwrap();
    assert_eq!(report.outcome, Outcome::Exited(3));
    let output = report.output.lock();
    assert_eq!(output.len(Some(Stream::Stdout)), FLOOD_BYTES as u64);
    assert_eq!((output.dropped(None), output.degraded()), (0, None));
    let most = limits::OUTPUT_MEMORY_BYTES as usize * 3 / 2;
    assert!(
        output.memory_bytes() < most,
        "{} bytes",
        output.memory_bytes()
    );
    // The expected text at any offset is known.
    for offset in [0, 1_000_003, FLOOD_BYTES - 1000] {
        let page = output
            .read(Some(Stream::Stdout), offset as u64, 1000)
            .bytes();
        let shift = offset % FLOOD_LINE.len();
        let expected: Vec<_> = FLOOD_LINE
            .iter()
            .cycle()
            .skip(shift)
            .take(page.len())
            .collect();
        assert!(!page.is_empty() && page.iter().eq(expected), "at {offset}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_endless_flood_can_be_ended() {
    let world = World::new().await;
    world.connect("web").await;
    let request = command(&format!("flood {}", u32::MAX));
    let cancel = request.cancel.clone();
    let output = request.watch.clone();
    let call = world.start_run("web", request);
    let begun = async {
        while output
            .get()
            .is_none_or(|output| output.lock().len(None) < 4 * 1024 * 1024)
        {
            tokio::task::yield_now().await;
        }
    };
    testkit::virtually_bounded("the flood", begun).await;
    cancel.cancel();
    let report = answer(call).await.unwrap();
    assert!(
        matches!(report.outcome, Outcome::Cancelled(Some(_))),
        "{:?}",
        report.outcome
    );
    assert!(world.web().host.runner.live().is_empty());
    assert_eq!(world.output_of("web", "echo next").await, "next\n");
}

#[tokio::test(start_paused = true)]
async fn several_floods_share_one_connection() {
    let world = World::new().await;
    world.connect("web").await;
    let bytes = 4 * 1024 * 1024;
    let calls: Vec<_> = (0..6)
        .map(|_| world.start("web", &format!("flood {bytes}; err end")))
        .collect();
    for call in calls {
        let report = answer(call).await.unwrap();
        assert_eq!(report.outcome, Outcome::Exited(0));
        let output = report.output.lock();
        assert_eq!(output.len(Some(Stream::Stdout)), bytes);
        assert_eq!(output.len(Some(Stream::Stderr)), 4);
    }
}

/// Keepalives pass between the bytes: a busy link is not a dead one.
#[tokio::test(start_paused = true)]
async fn a_slow_flood_is_no_dead_peer() {
    let world = World::new().await;
    world.connect("web").await;
    let steps = "flood 1008; sleep 700; ".repeat(30) + "echo end";
    let request = ExecRequest {
        wait: limits::WAIT_MAX,
        ..command(&steps)
    };
    let report = world.run("web", request).await.unwrap();
    assert_eq!(report.outcome, Outcome::Exited(0));
    assert!(stdout(&report).ends_with("\nend\n"));
    assert!(report.elapsed > Duration::from_secs(20));
    assert_eq!(world.web().dials(), 1);
}

/// Measured in a process of its own, for the tests beside this one take memory too.
#[test]
fn a_flood_takes_little_memory() {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["flood::child", "--exact", "--ignored", "--nocapture"]);
    let child = child
        .env(ROLE, "flood")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stderr).into_owned();
    assert!(child.status.success(), "{said}");
    let grown = said
        .lines()
        .find_map(|line| line.strip_prefix("grown by KiB: "));
    let grown: usize = grown.unwrap_or_else(|| panic!("{said}")).parse().unwrap();
    assert!(grown < GROWTH_MAX_KIB, "{grown} KiB");
}

#[tokio::test(start_paused = true)]
#[ignore = "run by another test as a process of its own"]
async fn child() {
    if std::env::var(ROLE).as_deref() != Ok("flood") {
        return;
    }
    let world = World::new().await;
    world.connect("web").await;
    world.output_of("web", "flood 100000").await;
    let before = most_resident_kib();
    let report = world.run("web", flood()).await.unwrap();
    assert_eq!(report.output.lock().len(None), FLOOD_BYTES as u64);
    let grown = most_resident_kib() - before;
    eprintln!("grown by KiB: {grown}");
}

/// The most memory that this process has had so far.
fn most_resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.unwrap().trim().trim_end_matches(" kB");
    number.parse().unwrap()
}
