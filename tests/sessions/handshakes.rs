//! Dials under way: how many at once, how long each phase may take, and the remains of a dial that was given up.

use std::time::Duration;

use mcp_ssh_sessions::actors::SessionError;
use mcp_ssh_sessions::actors::request::ConnectRequest;
use mcp_ssh_sessions::error::ErrorCode;
use mcp_ssh_sessions::limits::{
    AUTH_TIMEOUT, CONNECT_TIMEOUT_DEFAULT, CONNECT_TIMEOUT_MAX, HANDSHAKE_TIMEOUT, HANDSHAKES_MAX,
    HANDSHAKES_PER_DESTINATION_MAX,
};
use mcp_ssh_sessions::ssh::error::{Phase, SshError};
use tokio::time::Instant;

use crate::world::{World, answer, dial_failure, request, settle};

fn with_timeout(session: &str, host: &str, limit: Duration) -> ConnectRequest {
    ConnectRequest {
        connect_timeout: Some(limit),
        ..request(session, host)
    }
}

/// Logins of the host take this long at least: twice, for the offer of a key and for its proof.
fn slow_logins(world: &World, host: &str, each: Duration) {
    let host = world.site(host);
    host.host
        .set_options(|options| options.auth_delay = each / 2);
}

/// Asserts that no more than `most` of dials that begin at these times and take `each` overlap, and that as
/// many do at times.
fn assert_at_once(mut times: Vec<Instant>, most: usize, each: Duration) {
    times.sort();
    for (first, next) in times.iter().zip(&times[most..]) {
        let apart = *next - *first;
        assert!(apart >= each, "{} dials at once: {apart:?}", most + 1);
    }
    let used = times[most - 1] - times[0];
    assert!(used < each, "no more than {} at once", most - 1);
}

#[tokio::test(start_paused = true)]
async fn one_destination_sees_few_handshakes_at_once() {
    const EACH: Duration = Duration::from_secs(2);
    let world = World::new().await;
    slow_logins(&world, "web", EACH);
    let calls: Vec<_> = (0..40)
        .map(|n| world.start_connect(with_timeout(&format!("web{n}"), "web", CONNECT_TIMEOUT_MAX)))
        .collect();
    for call in calls {
        answer(call).await.unwrap();
    }
    let times = world.web().handshake_times();
    assert_eq!(times.len(), 40);
    assert_at_once(times, HANDSHAKES_PER_DESTINATION_MAX, EACH);
    assert_eq!(world.web().host.link.live(), 40);
}

#[tokio::test(start_paused = true)]
async fn all_destinations_together_see_few_handshakes_at_once() {
    const EACH: Duration = Duration::from_secs(4);
    let hosts: Vec<_> = (0..10).map(|n| format!("host{n}")).collect();
    let hosts: Vec<_> = hosts.iter().map(String::as_str).collect();
    let world = World::with_hosts(&hosts).await;
    let mut calls = Vec::new();
    for host in &hosts {
        slow_logins(&world, host, EACH);
        for n in 0..4 {
            let session = format!("{host}-{n}");
            calls.push(world.start_connect(with_timeout(&session, host, CONNECT_TIMEOUT_MAX)));
        }
    }
    for call in calls {
        answer(call).await.unwrap();
    }
    // The connects themselves need no slot of these: hosts that do not answer must not keep others waiting.
    let times: Vec<_> = hosts
        .iter()
        .flat_map(|host| world.site(host).handshake_times())
        .collect();
    assert_eq!(times.len(), 40);
    assert_at_once(times, HANDSHAKES_MAX, EACH);
    for host in hosts {
        assert!(world.site(host).dials() == HANDSHAKES_PER_DESTINATION_MAX);
    }
}

/// Dials that wait for one destination hold no slot that another destination could use.
#[tokio::test(start_paused = true)]
async fn a_queue_for_one_destination_is_none_for_another() {
    let world = World::with_hosts(&["web", "db"]).await;
    slow_logins(&world, "web", Duration::from_secs(10));
    let _queue: Vec<_> = (0..40)
        .map(|n| world.start_connect(request(&format!("web{n}"), "web")))
        .collect();
    settle().await;
    let start = Instant::now();
    world.connect("db").await;
    assert!(
        start.elapsed() < Duration::from_millis(50),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(world.web().dials(), HANDSHAKES_PER_DESTINATION_MAX);
}

/// Black-holed hosts hold no handshake slot, however many they are.
#[tokio::test(start_paused = true)]
async fn hosts_that_do_not_answer_keep_nobody_waiting() {
    let hosts: Vec<_> = (0..HANDSHAKES_MAX * 2)
        .map(|n| format!("hole{n}"))
        .collect();
    let mut names: Vec<_> = hosts.iter().map(String::as_str).collect();
    names.push("db");
    let world = World::with_hosts(&names).await;
    let mut calls = Vec::new();
    for hole in &hosts {
        world.site(hole).drop_syn();
        calls.push(world.start_connect(request(hole, hole)));
    }
    settle().await;
    let start = Instant::now();
    world.connect("db").await;
    assert!(
        start.elapsed() < Duration::from_millis(50),
        "{:?}",
        start.elapsed()
    );
    for call in calls {
        assert_phase(&answer(call).await.unwrap_err(), Phase::Tcp);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dial_that_gets_no_turn_in_time_says_so() {
    let world = World::new().await;
    world.web().drop_syn();
    let calls: Vec<_> = (0..HANDSHAKES_PER_DESTINATION_MAX)
        .map(|n| world.start_connect(with_timeout(&format!("web{n}"), "web", CONNECT_TIMEOUT_MAX)))
        .collect();
    settle().await;
    let error = world
        .ask(with_timeout("late", "web", Duration::from_secs(5)))
        .await
        .unwrap_err();
    assert_phase(&error, Phase::Queue);
    assert!(
        error
            .to_string()
            .contains("waiting for a free handshake slot"),
        "{error}"
    );
    assert_eq!(world.web().dials(), HANDSHAKES_PER_DESTINATION_MAX);
    world.web().answer();
    for call in calls {
        answer(call).await.unwrap();
    }
    world.connect("web").await;
}

#[tokio::test(start_paused = true)]
async fn slots_come_back_from_dials_that_fail() {
    let world = World::new().await;
    world.web().host.refuse_connects(true);
    for n in 0..HANDSHAKES_MAX * 3 {
        let error = world
            .ask(request(&format!("web{n}"), "web"))
            .await
            .unwrap_err();
        assert_eq!(error.code(), ErrorCode::ConnectFailed);
    }
    world.web().drop_syn();
    let calls: Vec<_> = (0..HANDSHAKES_MAX * 3)
        .map(|n| {
            world.start_connect(with_timeout(
                &format!("web{n}"),
                "web",
                Duration::from_secs(2),
            ))
        })
        .collect();
    for call in calls {
        assert_eq!(answer(call).await.unwrap_err().code(), ErrorCode::TimedOut);
    }
    world.web().answer();
    world.web().host.refuse_connects(false);
    world.connect("web").await;
}

fn assert_phase(error: &SessionError, expected: Phase) {
    let SshError::PhaseTimeout { phase, .. } = dial_failure(error) else {
        panic!("{error}");
    };
    assert_eq!(*phase, expected, "{error}");
    assert_eq!(error.code(), ErrorCode::TimedOut);
    assert!(error.is_retryable());
}

/// Connects and has to fail in this phase, after this time.
async fn fails_after(world: &World, request: ConnectRequest, phase: Phase, limit: Duration) {
    let start = Instant::now();
    let error = world.ask(request).await.unwrap_err();
    assert_phase(&error, phase);
    let off = start.elapsed().abs_diff(limit);
    assert!(
        off < Duration::from_millis(100),
        "{:?} instead of {limit:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn nobody_who_answers_a_syn() {
    let world = World::new().await;
    let site = world.web();
    site.drop_syn();
    fails_after(
        &world,
        request("web", "web"),
        Phase::Tcp,
        CONNECT_TIMEOUT_DEFAULT,
    )
    .await;
    let short = with_timeout("web", "web", Duration::from_secs(3));
    fails_after(&world, short, Phase::Tcp, Duration::from_secs(3)).await;
    assert_eq!((site.waiting(), site.dials()), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_goes_silent_in_the_handshake() {
    let world = World::new().await;
    let site = world.web();
    site.host.link.stall();
    fails_after(
        &world,
        request("web", "web"),
        Phase::Handshake,
        HANDSHAKE_TIMEOUT,
    )
    .await;
    let long = with_timeout("web", "web", CONNECT_TIMEOUT_MAX);
    fails_after(&world, long, Phase::Handshake, HANDSHAKE_TIMEOUT).await;
    let short = with_timeout("web", "web", Duration::from_secs(4));
    fails_after(&world, short, Phase::Handshake, Duration::from_secs(4)).await;
    // The connections were closed from here, which the server learns when the link passes.
    assert_eq!(site.host.link.live(), 3);
    site.host.link.pass();
    settle().await;
    assert_eq!((site.host.link.live(), site.host.auth_attempts()), (0, 0));
    assert!(world.list().await.sessions.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_login_that_never_ends() {
    let world = World::new().await;
    let site = world.web();
    slow_logins(&world, "web", Duration::from_secs(3600));
    fails_after(
        &world,
        request("web", "web"),
        Phase::Authentication,
        CONNECT_TIMEOUT_DEFAULT,
    )
    .await;
    let long = with_timeout("web", "web", CONNECT_TIMEOUT_MAX);
    fails_after(&world, long, Phase::Authentication, AUTH_TIMEOUT).await;
    // The server is busy with its PAM for the hour; then it finds that nobody is there.
    tokio::time::sleep(Duration::from_secs(3 * 3600)).await;
    assert_eq!(site.host.link.live(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_login_that_takes_its_time_is_waited_for() {
    let world = World::new().await;
    slow_logins(&world, "web", Duration::from_secs(25));
    let report = world
        .ask(with_timeout("web", "web", CONNECT_TIMEOUT_MAX))
        .await
        .unwrap();
    assert!(report.connect_time >= Duration::from_secs(25), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_the_configuration_and_that_of_the_call() {
    let world = World::new().await;
    let site = world.web();
    site.configure(|resolved| resolved.connect_timeout = Some(Duration::from_secs(2)));
    site.drop_syn();
    fails_after(
        &world,
        request("web", "web"),
        Phase::Tcp,
        Duration::from_secs(2),
    )
    .await;
    let longer = with_timeout("web", "web", Duration::from_secs(6));
    fails_after(&world, longer, Phase::Tcp, Duration::from_secs(6)).await;
    site.configure(|resolved| resolved.connect_timeout = Some(Duration::from_secs(3600)));
    fails_after(
        &world,
        request("web", "web"),
        Phase::Tcp,
        CONNECT_TIMEOUT_MAX,
    )
    .await;
}

/// Every phase in turn is slow, and none of them too slow: the whole still has its limit.
#[tokio::test(start_paused = true)]
async fn all_phases_together_have_one_limit() {
    let world = World::new().await;
    let site = world.web();
    slow_logins(&world, "web", Duration::from_secs(6));
    site.host.link.set_delay(Duration::from_millis(500));
    site.drop_syn();
    let start = Instant::now();
    let call = world.start_connect(with_timeout("web", "web", Duration::from_secs(10)));
    tokio::time::sleep(Duration::from_secs(4)).await;
    site.answer();
    let error = answer(call).await.unwrap_err();
    assert_phase(&error, Phase::Authentication);
    let off = start.elapsed().abs_diff(Duration::from_secs(10));
    assert!(off < Duration::from_millis(100), "{:?}", start.elapsed());
}

/// Phases that fail on a reconnect are retried, each with a dial that leaves nothing behind.
#[tokio::test(start_paused = true)]
async fn dials_that_time_out_leave_no_connection_at_the_server() {
    let world = World::new().await;
    world.connect("web").await;
    let site = world.web();
    slow_logins(&world, "web", Duration::from_secs(60));
    site.host.link.cut();
    tokio::time::sleep(Duration::from_secs(600)).await;
    let dials = site.dials();
    assert!(dials > 10, "{dials}");
    assert!(
        site.host.link.live() <= 5,
        "{} connections of {dials} dials",
        site.host.link.live()
    );
    slow_logins(&world, "web", Duration::ZERO);
    world.until_state("web", "ready").await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(site.host.link.live(), 1);
}

/// F-22 in small: every session of a host is lost at once, and the host sees a queue and not a storm.
#[tokio::test(start_paused = true)]
async fn a_storm_of_reconnects_is_a_queue() {
    const EACH: Duration = Duration::from_secs(1);
    let world = World::new().await;
    for n in 0..60 {
        world.ask(request(&format!("web{n}"), "web")).await.unwrap();
    }
    let site = world.web();
    let before = site.dials();
    slow_logins(&world, "web", EACH);
    site.host.link.cut();
    for n in 0..60 {
        world.until_state(&format!("web{n}"), "ready").await;
    }
    let times = site.dial_times().split_off(before);
    // Those that got no turn in time have tried again.
    assert!((60..120).contains(&times.len()), "{}", times.len());
    assert_at_once(times, HANDSHAKES_PER_DESTINATION_MAX, EACH);
    for n in 0..60 {
        world.output_of(&format!("web{n}"), "echo back").await;
    }
}
