//! Events of a connection that has been replaced change nothing.

use std::time::Duration;

use mcp_ssh_sessions::actors::job::outcome::Outcome;
use mcp_ssh_sessions::actors::job::report::CommandReport;
use mcp_ssh_sessions::limits;

use crate::world::{World, answer, name, request, settle};

/// A command on a link that was dropped on purpose was ended, or lost with the link.
fn assert_ended(report: CommandReport) {
    assert!(
        matches!(
            report.outcome,
            Outcome::Cancelled(_) | Outcome::ConnectionLost(_)
        ),
        "{report:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_dial_that_ends_after_its_session_was_disconnected_is_ignored() {
    let world = World::new().await;
    world.connect("web").await;
    world.disconnect("web").await;
    let site = world.web();
    // Held in authentication: the connection is there, and is to go.
    site.host
        .set_options(|options| options.auth_delay = Duration::from_secs(2));
    let call = world.start_connect(request("web", "web"));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(
        (world.state("web").await, site.host.link.live()),
        ("connecting", 1)
    );
    world.disconnect("web").await;
    let error = answer(call).await.unwrap_err();
    assert!(error.to_string().contains("was ended"), "{error}");
    tokio::time::sleep(Duration::from_secs(60)).await;
    let status = world.status("web").await;
    assert_eq!((status.state.as_str(), site.dials()), ("saved", 2));
    assert_eq!(site.host.link.live(), 0, "a connection that nobody has");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_connection_that_was_replaced_is_ignored() {
    let world = World::new().await;
    world.connect("web").await;
    let site = world.web();
    for round in 2..5 {
        // The news of the old link's end arrives after the new link was asked for.
        assert!(!world.reconnect("web").await.unwrap().reused);
        tokio::time::sleep(Duration::from_secs(120)).await;
        let status = world.status("web").await;
        assert_eq!(
            (status.state.as_str(), status.reconnects),
            ("ready", round - 1)
        );
        assert_eq!((site.dials() as u64, site.host.link.live()), (round, 1));
        assert!(status.connected_for.unwrap() >= Duration::from_secs(120));
        assert_eq!(status.last_error, None);
    }
}

/// The old link is a black hole: the news of its end comes seconds after the new one is up.
#[tokio::test(start_paused = true)]
async fn a_stalled_link_can_be_replaced_at_once() {
    let world = World::new().await;
    world.connect("web").await;
    let site = world.web();
    let running = world.start("web", "hang");
    site.host.runner.wait_live(1).await;
    site.host.link.stall();
    let supervisor = world.supervisor.clone();
    let reconnect = tokio::spawn(async move { supervisor.reconnect(Some(name("web"))).await });
    settle().await;
    site.host.link.pass();
    answer(reconnect).await.unwrap();
    assert_ended(answer(running).await.unwrap());
    assert_eq!(world.output_of("web", "echo new").await, "new\n");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((world.state("web").await, site.dials()), ("ready", 2));
    assert_eq!(site.host.link.live(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_delay_that_is_over_after_a_call_has_dialled_is_ignored() {
    let world = World::new().await;
    world.connect("web").await;
    let site = world.web();
    site.host.refuse_connects(true);
    site.host.link.cut();
    tokio::time::sleep(Duration::from_secs(300)).await;
    world.until_state("web", "backoff").await;
    // Many calls, each of which puts a delay of its own behind it.
    let before = site.dials();
    for _ in 0..5 {
        assert!(world.exec("web", "echo").await.is_err());
    }
    assert_eq!(site.dials(), before + 5);
    // One more dial by itself, however many delays have been begun.
    let next = world.status("web").await.next_attempt_in.unwrap();
    tokio::time::sleep(next + Duration::from_millis(20)).await;
    assert_eq!(site.dials(), before + 6);
    site.host.refuse_connects(false);
    world.exec("web", "echo").await.unwrap();
    tokio::time::sleep(limits::DORMANT_AFTER).await;
    assert_eq!(
        (site.dials(), world.state("web").await),
        (before + 7, "ready")
    );
}

#[tokio::test(start_paused = true)]
async fn a_reconnect_while_connecting_shares_the_dial() {
    let world = World::new().await;
    let site = world.web();
    site.drop_syn();
    let connect = world.start_connect(request("web", "web"));
    settle().await;
    let supervisor = world.supervisor.clone();
    let reconnect = tokio::spawn(async move { supervisor.reconnect(Some(name("web"))).await });
    let command = world.start("web", "echo waited");
    settle().await;
    site.answer();
    assert!(!answer(connect).await.unwrap().reused);
    assert!(!answer(reconnect).await.unwrap().reused);
    answer(command).await.unwrap();
    assert_eq!((site.dials(), site.host.runner.runs("echo waited")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_reconnect_drops_the_link_and_ends_what_runs_on_it() {
    let world = World::new().await;
    world.connect("web").await;
    let site = world.web();
    let running = world.start("web", "echo begun; hang");
    site.host.runner.wait_live(1).await;
    settle().await;
    world.reconnect("web").await.unwrap();
    assert_ended(answer(running).await.unwrap());
    site.host.runner.wait_live(0).await;
    settle().await;
    assert_eq!((site.dials(), site.host.link.live()), (2, 1));
    assert_eq!(site.host.runner.runs("echo begun; hang"), 1);
}
