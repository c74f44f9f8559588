//! No call on one session waits for another: whatever happens to `web`, `db` answers at once.

use std::time::Duration;

use mcp_ssh_sessions::actors::job::outcome::Outcome;
use mcp_ssh_sessions::limits;
use tokio::time::Instant;

use crate::world::{World, answer, name, request, settle};
use testkit::ssh_server::MemoryHost;
use testkit::virtually_bounded;

/// Time of a call that waits for nobody, on a link without delay: rounding of the clock.
const AT_ONCE: Duration = Duration::from_millis(50);

async fn two() -> World {
    let world = World::with_hosts(&["web", "db", "new"]).await;
    world.connect("web").await;
    world.connect("db").await;
    settle().await;
    world
}

/// Every kind of call on `db` and on new sessions, each at once.
async fn assert_others_answer(world: &World, what: &str) {
    let start = Instant::now();
    let at_once = |call: &str| {
        let took = start.elapsed();
        assert!(took < AT_ONCE, "{call} took {took:?} while {what}");
    };
    assert_eq!(world.output_of("db", "echo here").await, "here\n");
    at_once("exec");
    assert!(world.list().await.sessions.len() >= 2);
    at_once("list");
    assert!(world.connect("db").await.reused);
    at_once("connect of what is up");
    world.connect("new").await;
    at_once("connect");
    world.reconnect("db").await.unwrap();
    at_once("reconnect");
    world.supervisor.set_default(name("db")).await.unwrap();
    at_once("set_default");
    world.forget("new").await;
    at_once("disconnect");
}

#[tokio::test(start_paused = true)]
async fn a_silent_host_delays_nobody_else() {
    let world = two().await;
    let site = world.web();
    let _running = world.start("web", "hang");
    site.host.runner.wait_live(1).await;
    site.host.link.stall();
    let _calls: Vec<_> = (0..50).map(|_| world.start("web", "echo")).collect();
    settle().await;
    assert_eq!(world.state("web").await, "ready", "not noticed yet");
    assert_others_answer(&world, "a host is silent").await;
}

#[tokio::test(start_paused = true)]
async fn a_host_that_cannot_be_reached_delays_nobody_else() {
    let world = two().await;
    let site = world.web();
    site.drop_syn();
    site.host.link.cut();
    let _calls: Vec<_> = (0..50).map(|_| world.start("web", "echo")).collect();
    settle().await;
    assert_eq!(
        (world.state("web").await, site.waiting()),
        ("connecting", 1)
    );
    assert_others_answer(&world, "a host cannot be reached").await;
}

#[tokio::test(start_paused = true)]
async fn a_host_that_stalls_in_its_login_delays_nobody_else() {
    let world = two().await;
    let site = world.web();
    site.host
        .set_options(|options| options.auth_delay = Duration::from_secs(20));
    let _logins: Vec<_> = (0..10)
        .map(|n| world.start_connect(request(&format!("web{n}"), "web")))
        .collect();
    settle().await;
    assert_others_answer(&world, "logins of a host stall").await;
}

#[tokio::test(start_paused = true)]
async fn a_session_at_its_limit_delays_nobody_else() {
    let world = World::with_hosts(&["db", "new"]).await;
    world.add_host(
        "web",
        MemoryHost::with(|options| options.max_sessions = 100),
    );
    world.connect("web").await;
    world.connect("db").await;
    settle().await;
    let most = limits::JOBS_RUNNING_MAX + limits::JOBS_QUEUED_MAX;
    let _calls: Vec<_> = (0..most)
        .map(|_| world.start("web", "hang-stubborn"))
        .collect();
    world
        .web()
        .host
        .runner
        .wait_live(limits::JOBS_RUNNING_MAX)
        .await;
    assert_others_answer(&world, "a session is full").await;
    // Nor while it is being ended, which takes its time.
    let supervisor = world.supervisor.clone();
    let _ending =
        tokio::spawn(async move { supervisor.disconnect(Some(name("web")), false).await });
    settle().await;
    assert_others_answer(&world, "a session is being ended").await;
}

#[tokio::test(start_paused = true)]
async fn the_loss_of_one_link_is_not_that_of_another() {
    let world = two().await;
    let (web, db) = (world.web(), world.site("db"));
    let web_call = world.start("web", "hang");
    let db_call = world.start("db", "sleep 20000; echo still here");
    web.host.runner.wait_live(1).await;
    db.host.runner.wait_live(1).await;
    web.host.refuse_connects(true);
    web.host.link.cut();
    let lost = answer(web_call).await.unwrap();
    assert!(
        matches!(lost.outcome, Outcome::ConnectionLost(_)),
        "{lost:?}"
    );
    let kept = answer(db_call).await.unwrap();
    assert_eq!(kept.outcome, Outcome::Exited(0));
    assert_eq!((world.state("db").await, db.dials()), ("ready", 1));
}

/// The list is asked of all sessions side by side, and of those that cannot be reached too.
#[tokio::test(start_paused = true)]
async fn the_list_of_many_broken_sessions_is_there_at_once() {
    let names: Vec<_> = (0..20).map(|n| format!("host{n}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let world = World::with_hosts(&names).await;
    for host in &names {
        world.connect(host).await;
    }
    for (n, host) in names.iter().enumerate() {
        let site = world.site(host);
        match n % 3 {
            0 => site.host.link.stall(),
            1 => {
                site.drop_syn();
                site.host.link.cut();
            }
            _ => {}
        }
    }
    settle().await;
    let start = Instant::now();
    let list = virtually_bounded("the list", world.supervisor.list()).await;
    assert_eq!(list.sessions.len(), 20);
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
}
