//! `ssh_connect`: the first one of a name, a second one, one that fails.

use std::time::Duration;

use mcp_ssh_sessions::actors::request::ConnectRequest;
use mcp_ssh_sessions::actors::{Retry, SessionError};
use mcp_ssh_sessions::demo::generate_key;
use mcp_ssh_sessions::error::ErrorCode;
use mcp_ssh_sessions::store::{AuthKind, SessionSpec};
use russh::keys::HashAlg;

use crate::world::{World, answer, name, request, settle};
use testkit::ssh_server::MemoryHost;

#[tokio::test(start_paused = true)]
async fn tells_where_it_led() {
    let world = World::new().await;
    let report = world.connect("web").await;
    let site = world.web();
    assert_eq!((report.host.as_str(), report.port), ("web", 22));
    assert_eq!(
        (report.username.as_str(), report.auth),
        ("tester", "publickey")
    );
    let key = site.host.host_key();
    let fingerprint = key.public_key().fingerprint(HashAlg::Sha256).to_string();
    assert_eq!(report.host_key.fingerprint, fingerprint);
    assert_eq!(report.host_key.algorithm, "ssh-ed25519");
    assert!(
        report.host_key.source.ends_with("known_hosts:1"),
        "{report:?}"
    );
    assert!(report.server_version.starts_with("SSH-2.0-"), "{report:?}");
    assert!(!report.reused && report.is_default);
    assert_eq!(report.notes, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_leaves_nothing_behind() {
    let world = World::new().await;
    let site = world.web();
    type Failure = fn(&MemoryHost);
    let failures: [(ErrorCode, Failure, Failure); 3] = [
        (
            ErrorCode::ConnectFailed,
            |host| host.refuse_connects(true),
            |host| host.refuse_connects(false),
        ),
        (
            ErrorCode::HostKeyChanged,
            |host| host.set_host_key(generate_key()),
            |_| {},
        ),
        (
            ErrorCode::AuthFailed,
            |host| {
                host.set_options(|options| {
                    options.authorized_key = generate_key().public_key().clone()
                })
            },
            |_| {},
        ),
    ];
    for (code, fail, mend) in failures {
        fail(&site.host);
        let error = world.ask(request("web", "web")).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        settle().await;
        assert!(world.list().await.sessions.is_empty(), "{code}");
        assert!(world.list().await.default.is_none(), "{code}");
        assert!(!world.store_path().exists(), "{code}");
        assert_eq!(site.host.link.live(), 0, "{code}");
        let error = world.exec("web", "echo").await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::NoSuchSession);
        mend(&site.host);
        site.record_host_key(site.host.host_key().public_key());
    }
    let before = site.dials();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(site.dials(), before, "a session that is gone still dials");
}

#[tokio::test(start_paused = true)]
async fn an_unknown_host_gets_no_credential() {
    let world = World::new().await;
    let site = world.web();
    site.record_host_key(generate_key().public_key());
    site.configure(|resolved| resolved.user_known_hosts_files.clear());
    let error = world.ask(request("web", "web")).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::HostKeyUnknown, "{error}");
    assert!(!error.is_retryable());
    assert_eq!((site.dials(), site.host.auth_attempts()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_on_a_saved_session_leaves_it_as_it_was() {
    let world = World::new().await;
    world.connect("web").await;
    world.disconnect("web").await;
    let site = world.web();
    site.host.refuse_connects(true);
    let error = world.ask(request("web", "web")).await.unwrap_err();
    assert_eq!(
        (error.code(), error.state().map(|state| state.as_str())),
        (ErrorCode::ConnectFailed, Some("saved"))
    );
    assert!(error.is_retryable());
    assert_eq!(world.state("web").await, "saved");
    let dials = site.dials();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(site.dials(), dials, "nobody waits for it to come back");

    site.host.refuse_connects(false);
    site.set_user_key(&generate_key());
    let error = world.ask(request("web", "web")).await.unwrap_err();
    assert_eq!(
        (error.code(), error.state().map(|state| state.as_str())),
        (ErrorCode::AuthFailed, Some("saved"))
    );
    // A call has no parameters to try, so the session fails.
    let error = world.exec("web", "echo").await.unwrap_err();
    assert_eq!(
        (error.code(), error.state().map(|state| state.as_str())),
        (ErrorCode::AuthFailed, Some("failed"))
    );
    assert_eq!(world.state("web").await, "failed");
    assert!(world.stored().sessions.contains_key("web"));
}

#[tokio::test(start_paused = true)]
async fn all_callers_of_one_dial_get_its_answer() {
    for refuse in [false, true] {
        let world = World::new().await;
        let site = world.web();
        site.drop_syn();
        let calls: Vec<_> = (0..5)
            .map(|_| world.start_connect(request("web", "web")))
            .collect();
        settle().await;
        assert_eq!((site.dials(), site.waiting()), (1, 1));
        assert_eq!(world.state("web").await, "connecting");
        site.host.refuse_connects(refuse);
        site.answer();
        for call in calls {
            match answer(call).await {
                Ok(report) => assert!(!refuse && !report.reused, "{report:?}"),
                Err(error) => {
                    assert!(refuse, "{error}");
                    assert_eq!(error.code(), ErrorCode::ConnectFailed);
                }
            }
        }
        assert_eq!(site.dials(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_up_is_confirmed_or_taken() {
    let world = World::with_hosts(&["web", "db"]).await;
    world.connect("web").await;
    let again = world.ask(request("web", "web")).await.unwrap();
    assert!(again.reused);
    assert_eq!(world.web().dials(), 1);

    let others = [
        SessionSpec::new("db", AuthKind::Agent),
        SessionSpec {
            username: Some("root".to_owned()),
            ..SessionSpec::new("web", AuthKind::Agent)
        },
        SessionSpec {
            port: Some(2222),
            ..SessionSpec::new("web", AuthKind::Agent)
        },
    ];
    for spec in others {
        let other = ConnectRequest {
            spec,
            ..request("web", "db")
        };
        let error = world.ask(other).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidParameter);
        assert!(matches!(&error, SessionError::NameTaken { target, .. } if target == "web"));
    }
    assert_eq!(world.site("db").dials(), 0);
    assert_eq!(world.output_of("web", "echo same").await, "same\n");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_down_may_get_another_target() {
    let world = World::with_hosts(&["web", "db"]).await;
    world.connect("web").await;
    world.disconnect("web").await;
    world.ask(request("web", "db")).await.unwrap();
    world.output_of("web", "echo here").await;
    assert_eq!(world.site("db").host.runner.runs("echo here"), 1);
    assert_eq!(world.web().host.runner.total_runs(), 0);
    assert_eq!(world.stored().sessions[&name("web")].host, "db");
}

/// A name stands for one host at a time, for the one that is tried too.
#[tokio::test(start_paused = true)]
async fn two_targets_of_one_name_are_not_confused() {
    for tried_first in ["web", "db"] {
        let world = World::with_hosts(&["web", "db"]).await;
        world.connect("web").await;
        world.disconnect("web").await;
        let (first, second) = match tried_first {
            "web" => ("web", "db"),
            _ => ("db", "web"),
        };
        world.site(first).drop_syn();
        let trying = world.start_connect(request("web", first));
        settle().await;
        let same = world.start_connect(request("web", first));
        let error = world.ask(request("web", second)).await.unwrap_err();
        assert!(
            matches!(&error, SessionError::NameTaken { target, .. } if target == first),
            "{error}"
        );
        world.site(first).answer();
        assert_eq!(answer(trying).await.unwrap().host, first);
        assert_eq!(answer(same).await.unwrap().host, first);
    }
}

/// Parameters that do not work are forgotten: the session goes on as it was.
#[tokio::test(start_paused = true)]
async fn a_target_that_cannot_be_reached_leaves_the_session_its_own() {
    let world = World::with_hosts(&["web", "db"]).await;
    world.connect("web").await;
    world.disconnect("web").await;
    world.site("db").host.refuse_connects(true);
    let error = world.ask(request("web", "db")).await.unwrap_err();
    assert_eq!(
        (error.code(), error.state().map(|state| state.as_str())),
        (ErrorCode::ConnectFailed, Some("saved"))
    );
    assert_eq!(world.status("web").await.host, "web");
    world.output_of("web", "echo home").await;
    assert_eq!(world.web().host.runner.runs("echo home"), 1);
    assert_eq!(world.stored().sessions["web"].host, "web");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_gives_up_does_not_end_the_dial() {
    let world = World::new().await;
    let site = world.web();
    site.drop_syn();
    let call = world.start_connect(request("web", "web"));
    settle().await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    site.answer();
    world.until_state("web", "ready").await;
    assert_eq!(world.output_of("web", "echo up").await, "up\n");
    assert_eq!(site.dials(), 1);
}

/// A call may come at any moment of the end of a first connect that fails: it shares the failure or finds no
/// session any more, and is never told of a defect.
#[tokio::test(start_paused = true)]
async fn a_call_that_meets_a_vanishing_session_is_answered() {
    let (mut shared, mut gone) = (0, 0);
    for moment in -20..120_i32 {
        let world = World::new().await;
        let site = world.web();
        site.drop_syn();
        site.host.refuse_connects(true);
        let first = world.start_connect(request("web", "web"));
        settle().await;
        // Before the dial ends, or so many turns of the scheduler behind.
        let early = (moment < 0).then(|| world.start("web", "echo"));
        yields(-moment).await;
        site.answer();
        yields(moment).await;
        let result = match early {
            Some(call) => answer(call).await,
            None => world.exec("web", "echo").await,
        };
        let error = result.unwrap_err();
        match error.code() {
            ErrorCode::ConnectFailed => shared += 1,
            ErrorCode::NoSuchSession => gone += 1,
            _ => panic!("at {moment}: {error}"),
        }
        let first = answer(first).await.unwrap_err();
        assert_eq!(first.code(), ErrorCode::ConnectFailed);
    }
    assert!(shared > 0 && gone > 0, "{shared} shared, {gone} gone");
}

async fn yields(count: i32) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_not_known_is_told_with_those_that_are() {
    let world = World::with_hosts(&["web", "db"]).await;
    let error = world.exec("api", "echo").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::NoSuchSession);
    assert!(error.to_string().contains("ssh_connect"), "{error}");
    world.connect("web").await;
    world.connect("db").await;
    let error = world.exec("api", "echo").await.unwrap_err();
    assert!(error.to_string().contains("there are: db, web"), "{error}");
    let error = world.reconnect("api").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::NoSuchSession);
    let error = world.supervisor.disconnect(Some(name("api")), true).await;
    assert_eq!(error.unwrap_err().code(), ErrorCode::NoSuchSession);
}

#[tokio::test(start_paused = true)]
async fn a_connect_is_tried_again_until_the_host_is_up() {
    let world = World::new().await;
    world.web().host.refuse_connects(true);
    let retry = Retry {
        within: Duration::from_secs(20),
        ..Retry::default()
    };
    let (supervisor, failures) = (world.supervisor.clone(), retry.failures.clone());
    let call = tokio::spawn(async move {
        let request = request("web", "web");
        supervisor.connect_within(request, retry).await
    });
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!call.is_finished());
    let failed = failures.get().expect("failed tries");
    assert!((3..10).contains(&failed.tries), "{failed:?}");
    world.web().host.refuse_connects(false);
    let report = answer(call).await.unwrap();
    assert!(report.is_default && !report.reused);
}

#[tokio::test(start_paused = true)]
async fn the_error_after_the_last_try_counts_the_tries() {
    let world = World::new().await;
    world.web().host.refuse_connects(true);
    let retry = Retry {
        within: Duration::from_secs(5),
        ..Retry::default()
    };
    let begun = tokio::time::Instant::now();
    let call = world
        .supervisor
        .connect_within(request("web", "web"), retry.clone());
    let error = call.await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(7));
    assert_eq!(error.code(), ErrorCode::ConnectFailed, "{error}");
    assert!(error.is_retryable() && error.to_string().contains("tries in"));
    // A failure that does not pass ends the tries at once.
    world.web().host.refuse_connects(false);
    world.web().host.set_options(|options| {
        options.authorized_key = generate_key().public_key().clone();
    });
    let begun = tokio::time::Instant::now();
    let call = world
        .supervisor
        .connect_within(request("web", "web"), retry);
    let error = call.await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::AuthFailed, "{error}");
    assert!(begun.elapsed() < Duration::from_millis(400));
}

#[tokio::test(start_paused = true)]
async fn a_reconnect_is_tried_again_and_does_not_drop_a_link_that_came_back() {
    let world = World::new().await;
    world.connect("web").await;
    world.web().host.refuse_connects(true);
    let retry = Retry {
        within: Duration::from_secs(30),
        ..Retry::default()
    };
    let supervisor = world.supervisor.clone();
    let call = tokio::spawn(async move {
        let session = Some(name("web"));
        supervisor.reconnect_within(session, retry).await
    });
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(!call.is_finished());
    world.web().host.refuse_connects(false);
    let report = answer(call).await.unwrap();
    assert_eq!(report.session, name("web"));
    assert_eq!(world.state("web").await, "ready");
}
