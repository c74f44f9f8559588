//! Much output: counts are complete, little memory is held, and nobody else waits.

use std::time::Duration;

use mcp_ssh_sessions::limits;
use mcp_ssh_sessions::output::Stream;
use mcp_ssh_sessions::tools::render::{Block, excerpt};
use tokio::time::Instant;

use crate::world::{
    Client, TEST, command, host_block, nothing_left, request, stderr, succeeded, write_config,
};
use testkit::sshd::Sshd;

/// Lines of 7 bytes: 14 MB.
const LINES: u64 = 2_000_000;
/// The output of `seq` for these numbers.
const BYTES: u64 = LINES * 7;

/// The numbers 1000000 to 2999999 without their first digit, one a line.
const FLOOD: &str = "seq -f %1.0f 1000000 2999999 | cut -c 2-";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_counted_exactly_and_held_in_little_memory() {
    let sshd = Sshd::start_default().await;
    let client = Client::connected(&sshd).await;
    let report = client.run(&format!("{FLOOD}; echo last >&2")).await;
    assert_eq!(stderr(&report), "last\n");
    let output = report.output.lock();
    assert_eq!(output.len(Some(Stream::Stdout)), BYTES);
    assert_eq!(output.newlines(Stream::Stdout), LINES);
    assert_eq!((output.dropped(None), output.degraded()), (0, None));
    let held = output.memory_bytes() as u64;
    assert!(
        held <= limits::OUTPUT_MEMORY_BYTES + 256 * 1024,
        "{held} bytes in memory"
    );
    let page = |offset| output.read(Some(Stream::Stdout), offset, 14).bytes();
    assert_eq!(page(0), b"000000\n000001\n");
    assert_eq!(page(BYTES / 2), b"000000\n000001\n");
    assert_eq!(page(BYTES - 14), b"999998\n999999\n");
    let shown = excerpt(
        &output,
        limits::OUTPUT_DEFAULT_BYTES,
        None,
        mcp_ssh_sessions::text::visible,
    );
    let [head, omitted, tail, end] = &shown.blocks[..] else {
        panic!("{:?}", shown.blocks);
    };
    let text = |block: &Block| match block {
        Block::Text { text, .. } => text.clone(),
        Block::Omitted { .. } => panic!("{block:?}"),
    };
    let (head, tail, end) = (text(head), text(tail), text(end));
    assert!(head.starts_with("000000\n") && tail.ends_with("999999\n"));
    assert_eq!(end, "last\n");
    let Block::Omitted {
        bytes,
        lines,
        dropped_bytes,
        ..
    } = omitted
    else {
        panic!("{omitted:?}");
    };
    assert_eq!(head.len() as u64 + bytes + tail.len() as u64, BYTES);
    assert_eq!((*lines, *dropped_bytes), (bytes / 7, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_delays_neither_its_own_session_nor_another() {
    let sshd = Sshd::start_default().await;
    let other = Sshd::start_default().await;
    let text = host_block(&sshd, TEST, "") + &host_block(&other, "other", "");
    let client = Client::new(write_config(&sshd, &text)).await;
    client.must_connect(TEST).await;
    client.must_connect("other").await;
    // A second session to the flooded server.
    client.dial(request("beside", TEST)).await.unwrap();
    let flood = client.start(command(&format!("echo $$; while :; do {FLOOD}; done")));
    flood.first_line().await;
    let flooded = || {
        flood
            .output
            .get()
            .map_or(0, |output| output.lock().len(None))
    };
    let mut slowest = Duration::ZERO;
    let mut ran = 0;
    // Beyond the retained part, so that dropping continues too.
    while flooded() < limits::OUTPUT_KEPT_BYTES + BYTES {
        for session in ["other", "beside", TEST] {
            let started = Instant::now();
            succeeded(&client.run_in(session, command("true")).await);
            slowest = slowest.max(started.elapsed());
            ran += 1;
        }
    }
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    assert!(ran >= 9, "only {ran} commands ran meanwhile");
    assert!(!flood.call.is_finished());
    flood.cancel.cancel();
    let report = flood.answer().await.unwrap();
    let (kept, held) = {
        let output = report.output.lock();
        let kept = output.len(None) - output.dropped(None);
        (kept, output.memory_bytes() as u64)
    };
    assert_eq!(kept, limits::OUTPUT_KEPT_BYTES);
    assert!(
        held <= limits::OUTPUT_MEMORY_BYTES + 256 * 1024,
        "{held} bytes in memory"
    );
    nothing_left(&sshd).await;
}
