//! When a lost session dials by itself: exponential intervals, a random part of each, one dial at a time.

use std::time::Duration;

use mcp_ssh_sessions::limits;
use tokio::time::Instant;

use crate::world::{World, settle};
use testkit::ssh_server::MemoryHost;

/// Allowed time of a dial that is refused at once, on a clock of milliseconds, timers included.
const SLACK: Duration = Duration::from_millis(10);

/// The gaps between the loss of a link and all dials until the session is dormant.
async fn gaps_of_an_outage() -> Vec<Duration> {
    let world = World::new().await;
    world.connect("web").await;
    let host = &world.web().host;
    host.refuse_connects(true);
    let lost = Instant::now();
    host.link.cut();
    tokio::time::sleep(limits::DORMANT_AFTER * 2).await;
    let mut times = world.web().dial_times();
    times[0] = lost;
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[tokio::test(start_paused = true)]
async fn every_delay_is_a_random_part_of_its_interval() {
    let outages = [
        gaps_of_an_outage().await,
        gaps_of_an_outage().await,
        gaps_of_an_outage().await,
    ];
    let (mut early, mut late) = (0, 0);
    for gaps in &outages {
        let mut interval = limits::BACKOFF_INITIAL;
        for (number, gap) in gaps.iter().enumerate() {
            assert!(
                *gap <= interval + SLACK,
                "gap {number}: {gap:?} of {interval:?}"
            );
            if *gap < interval / 2 {
                early += 1;
            } else {
                late += 1;
            }
            interval = (interval * 2).min(limits::BACKOFF_MAX);
        }
        // 30 min at 30 s in the middle: about 60, and not within any likelihood less than half of it.
        assert!((30..200).contains(&gaps.len()), "{}", gaps.len());
        let whole: Duration = gaps.iter().sum();
        let most = limits::DORMANT_AFTER + limits::BACKOFF_MAX + SLACK;
        assert!(
            whole <= most && whole + limits::BACKOFF_MAX >= limits::DORMANT_AFTER,
            "{whole:?}"
        );
    }
    // Full jitter: both halves of the intervals are used about equally, and no two outages alike.
    assert!(early > 20 && late > 20, "{early} early, {late} late");
    assert_ne!(outages[0][..5], outages[1][..5]);
    assert_ne!(outages[1][..5], outages[2][..5]);
}

#[tokio::test(start_paused = true)]
async fn a_link_that_did_not_last_does_not_begin_the_backoff_anew() {
    let world = World::new().await;
    world.connect("web").await;
    let host = &world.web().host;
    // Ten links, each cut as soon as it is up: the intervals go on growing.
    for _ in 0..10 {
        host.link.cut();
        world.until_state("web", "backoff").await;
        world.until_state("web", "ready").await;
    }
    let times = world.web().dial_times();
    let gaps: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // The last five intervals are 16 s and more: together they are below 2 s once in some ten thousand runs.
    let last: Duration = gaps[5..].iter().sum();
    assert!(last > Duration::from_secs(2), "{gaps:?}");

    // A link that lasts proves itself: the next delay is the first one again.
    for _ in 0..3 {
        tokio::time::sleep(limits::LINK_PROVEN_AFTER).await;
        let lost = Instant::now();
        host.link.cut();
        world.until_state("web", "backoff").await;
        assert_eq!(world.status("web").await.attempt, Some(0));
        world.until_state("web", "ready").await;
        let took = lost.elapsed();
        assert!(
            took < limits::BACKOFF_INITIAL + Duration::from_millis(200),
            "{took:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn links_that_never_last_end_in_dormant() {
    let world = World::new().await;
    world.connect("web").await;
    let host = &world.web().host;
    let start = Instant::now();
    while world.state("web").await != "dormant" {
        host.link.cut();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(start.elapsed() < limits::DORMANT_AFTER + limits::BACKOFF_MAX * 2);
    }
    assert!(start.elapsed() >= limits::DORMANT_AFTER);
    assert!(world.web().dials() > 20);
}

#[tokio::test(start_paused = true)]
async fn a_session_dials_once_at_a_time() {
    let world = World::with_host("web", MemoryHost::new()).await;
    world.connect("web").await;
    let site = world.web();
    site.drop_syn();
    site.host.link.cut();
    world.until_state("web", "connecting").await;
    let mut calls = Vec::new();
    for _ in 0..10 {
        calls.push(world.start("web", "echo once"));
        let (supervisor, name) = (world.supervisor.clone(), crate::world::name("web"));
        tokio::spawn(async move { supervisor.reconnect(Some(name)).await });
        drop(world.start_connect(crate::world::request("web", "web")));
        settle().await;
        assert_eq!(site.waiting(), 1);
    }
    assert_eq!(site.dials(), 2);
    site.answer();
    for call in calls {
        assert!(crate::world::answer(call).await.unwrap().reconnected);
    }
    assert_eq!((site.dials(), site.host.runner.runs("echo once")), (2, 10));
}

/// A dial that was given up has ended and does not continue beside the next dial.
#[tokio::test(start_paused = true)]
async fn a_dial_that_nobody_wants_any_more_ends() {
    let world = World::new().await;
    world.connect("web").await;
    let site = world.web();
    world.disconnect("web").await;
    site.drop_syn();
    for round in 0..5 {
        let call = world.start("web", "echo");
        settle().await;
        assert_eq!(site.waiting(), 1, "in round {round}");
        world.disconnect("web").await;
        assert!(crate::world::answer(call).await.is_err());
        settle().await;
        assert_eq!(
            site.waiting(),
            0,
            "a dial outlived its session's disconnect in round {round}"
        );
    }
}
