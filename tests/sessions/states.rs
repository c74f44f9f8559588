//! Every state and every way from one to the next, as `ssh_sessions` shows them.

use std::time::Duration;

use mcp_ssh_sessions::demo::generate_key;
use mcp_ssh_sessions::limits;

use crate::world::{World, answer, request, settle};

const MINUTE: Duration = Duration::from_secs(60);

/// A session that was lost and cannot come back: `backoff`.
async fn lost() -> World {
    let world = World::new().await;
    world.connect("web").await;
    let host = &world.web().host;
    host.refuse_connects(true);
    host.link.cut();
    world.until_state("web", "backoff").await;
    world
}

/// The same, half an hour later: `dormant`.
async fn dormant() -> World {
    let world = lost().await;
    tokio::time::sleep(limits::DORMANT_AFTER).await;
    world.until_state("web", "dormant").await;
    world
}

/// A session whose key is no longer taken: `failed`.
async fn failed() -> World {
    let world = World::new().await;
    world.connect("web").await;
    let site = world.web();
    site.set_user_key(&generate_key());
    site.host.link.cut();
    world.until_state("web", "failed").await;
    world
}

async fn in_state(state: &str) -> World {
    let world = match state {
        "backoff" | "connecting" => lost().await,
        "dormant" => dormant().await,
        "failed" => failed().await,
        _ => World::new().await,
    };
    match state {
        "ready" => drop(world.connect("web").await),
        "saved" => {
            world.connect("web").await;
            world.disconnect("web").await;
        }
        "connecting" => {
            world.web().drop_syn();
            world.until_state("web", "connecting").await;
        }
        _ => {}
    }
    world
}

#[tokio::test(start_paused = true)]
async fn a_session_goes_from_connecting_to_ready() {
    let world = World::new().await;
    let site = world.web();
    site.drop_syn();
    let call = world.start_connect(request("web", "web"));
    settle().await;
    let status = world.status("web").await;
    assert_eq!(status.state.as_str(), "connecting");
    assert_eq!((status.host.as_str(), status.port), ("web", None));
    assert!(status.connected_for.is_none() && status.next_attempt_in.is_none());
    site.answer();
    answer(call).await.unwrap();
    tokio::time::sleep(MINUTE).await;
    let status = world.status("web").await;
    assert_eq!(status.state.as_str(), "ready");
    assert_eq!(
        (status.port, status.username.as_deref()),
        (Some(22), Some("tester"))
    );
    assert!(status.connected_for.unwrap() >= MINUTE, "{status:?}");
    assert_eq!(
        (status.reconnects, status.attempt, &status.last_error),
        (0, None, &None)
    );
}

#[tokio::test(start_paused = true)]
async fn a_lost_session_backs_off_and_comes_back_by_itself() {
    let world = lost().await;
    let status = world.status("web").await;
    assert!(
        status.next_attempt_in.unwrap() <= limits::BACKOFF_MAX,
        "{status:?}"
    );
    assert!(status.last_error.is_some() && status.connected_for.is_none());
    tokio::time::sleep(MINUTE).await;
    let attempts = world.status("web").await.attempt.unwrap();
    assert_eq!(attempts as usize, world.web().dials() - 1);
    assert!(attempts >= 3, "{attempts}");

    world.web().host.refuse_connects(false);
    world.until_state("web", "ready").await;
    let status = world.status("web").await;
    assert_eq!((status.reconnects, &status.last_error), (1, &None));
    assert!(status.connected_for.unwrap() < MINUTE);
    assert_eq!(
        status.attempt, None,
        "attempts are those of an outage, and it is over"
    );
    assert!(!world.exec("web", "echo").await.unwrap().reconnected);
}

#[tokio::test(start_paused = true)]
async fn a_session_is_connecting_while_it_retries() {
    let world = lost().await;
    let site = world.web();
    site.drop_syn();
    world.until_state("web", "connecting").await;
    settle().await;
    assert_eq!(site.waiting(), 1);
    let status = world.status("web").await;
    assert!(status.next_attempt_in.is_none(), "{status:?}");
    assert!(
        status.last_error.is_some(),
        "why it is down is still worth a word"
    );
    world.until_state("web", "backoff").await;
    let error = world.status("web").await.last_error.unwrap();
    assert!(
        error.contains("the TCP connect took longer than"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn half_an_hour_without_success_ends_the_retrying() {
    let world = dormant().await;
    let status = world.status("web").await;
    assert!(status.next_attempt_in.is_none() && status.last_error.is_some());
    let dials = world.web().dials();
    tokio::time::sleep(limits::DORMANT_AFTER * 20).await;
    assert_eq!(
        (world.state("web").await, world.web().dials()),
        ("dormant", dials)
    );
}

#[tokio::test(start_paused = true)]
async fn a_dormant_session_wakes_up_for_every_kind_of_call() {
    for call in ["exec", "connect", "reconnect"] {
        let world = dormant().await;
        world.web().host.refuse_connects(false);
        match call {
            "exec" => assert!(world.exec("web", "echo").await.unwrap().reconnected),
            "connect" => assert!(!world.connect("web").await.reused),
            _ => drop(world.reconnect("web").await.unwrap()),
        }
        assert_eq!(world.state("web").await, "ready", "{call}");
        assert_eq!(world.status("web").await.reconnects, 1, "{call}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dormant_session_that_cannot_wake_up_stays_dormant() {
    let world = dormant().await;
    let dials = world.web().dials();
    let error = world.exec("web", "echo").await.unwrap_err();
    assert_eq!(
        error.state().map(|state| state.as_str()),
        Some("dormant"),
        "{error}"
    );
    assert_eq!(
        (world.state("web").await, world.web().dials()),
        ("dormant", dials + 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_permanent_error_ends_the_retrying() {
    let world = failed().await;
    let dials = world.web().dials();
    assert_eq!(dials, 2);
    tokio::time::sleep(limits::DORMANT_AFTER * 2).await;
    assert_eq!(
        (world.state("web").await, world.web().dials()),
        ("failed", dials)
    );
    let status = world.status("web").await;
    assert!(status.next_attempt_in.is_none(), "{status:?}");
    assert!(
        status
            .last_error
            .unwrap()
            .contains("did not accept the login")
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_session_comes_back_when_it_is_connected_anew() {
    let world = failed().await;
    let site = world.web();
    site.set_user_key(&site.host.user_key());
    assert!(
        world.exec("web", "echo").await.is_err(),
        "a call does not dial"
    );
    assert_eq!(site.dials(), 2);
    world.connect("web").await;
    assert_eq!(world.output_of("web", "echo back").await, "back\n");
}

#[tokio::test(start_paused = true)]
async fn every_state_ends_in_saved_when_it_is_disconnected() {
    for state in [
        "ready",
        "connecting",
        "backoff",
        "dormant",
        "failed",
        "saved",
    ] {
        let world = in_state(state).await;
        assert_eq!(world.state("web").await, state);
        let report = world.disconnect("web").await;
        assert!(
            !report.forgotten && report.ended_jobs.is_empty(),
            "{state}: {report:?}"
        );
        let site = world.web();
        let dials = site.dials();
        site.answer();
        tokio::time::sleep(limits::DORMANT_AFTER).await;
        let status = world.status("web").await;
        assert_eq!(
            (status.state.as_str(), status.next_attempt_in),
            ("saved", None),
            "from {state}"
        );
        assert_eq!(site.dials(), dials, "from {state}");
        assert_eq!(site.host.link.live(), 0, "from {state}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_disconnected_session_comes_back_for_a_call() {
    for state in ["backoff", "failed", "dormant"] {
        let world = in_state(state).await;
        world.disconnect("web").await;
        let site = world.web();
        site.host.refuse_connects(false);
        site.set_user_key(&site.host.user_key());
        let report = world.exec("web", "echo").await.unwrap();
        assert!(report.reconnected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_session_is_gone_from_every_state() {
    for state in [
        "ready",
        "connecting",
        "backoff",
        "dormant",
        "failed",
        "saved",
    ] {
        let world = in_state(state).await;
        let report = world.forget("web").await;
        assert!(
            report.forgotten && report.notes.is_empty(),
            "{state}: {report:?}"
        );
        assert!(world.list().await.sessions.is_empty());
        assert!(world.exec("web", "echo").await.is_err());
        let dials = world.web().dials();
        tokio::time::sleep(limits::DORMANT_AFTER).await;
        assert_eq!(world.web().dials(), dials);
    }
}

/// A saved session of another process or of an earlier day.
#[tokio::test(start_paused = true)]
async fn a_session_of_the_store_connects_for_its_first_call() {
    let world = World::new().await;
    world.connect("web").await;
    let other = world.another_process().await;
    let status = other.status("web").await;
    assert_eq!(
        (status.state.as_str(), status.host.as_str()),
        ("saved", "web")
    );
    assert_eq!(other.web().dials(), 1, "looking dials nobody");
    let report = other.exec("web", "echo").await.unwrap();
    assert!(report.reconnected);
    assert_eq!(other.state("web").await, "ready");
}
