//! Which session is meant when none is named.

use std::sync::Arc;

use mcp_ssh_sessions::actors::request::ConnectRequest;
use mcp_ssh_sessions::actors::{Client, SessionError, SupervisorHandle};
use mcp_ssh_sessions::error::ErrorCode;

use crate::world::{ExecResult, World, answer, command, name, request};
use testkit::virtually_bounded;

async fn exec_unnamed(world: &World, line: &str) -> ExecResult {
    let running = world.supervisor.exec(None, command(line));
    virtually_bounded("a command", running).await
}

async fn default_of(world: &World) -> Option<String> {
    let default = world.list().await.default;
    default.map(|name| name.to_string())
}

async fn two() -> World {
    let world = World::with_hosts(&["web", "db"]).await;
    assert!(world.connect("web").await.is_default);
    assert!(world.connect("db").await.is_default);
    world
}

#[tokio::test(start_paused = true)]
async fn the_session_that_a_client_connects_last_is_its_default() {
    let world = two().await;
    assert_eq!(default_of(&world).await.as_deref(), Some("db"));
    assert_eq!(
        exec_unnamed(&world, "echo").await.unwrap().session,
        name("db")
    );
    // The stored default is for clients that begin later; a connect does not change the choice.
    assert_eq!(world.stored().default, Some(name("web")));
    assert!(world.connect("web").await.is_default);
    assert_eq!(default_of(&world).await.as_deref(), Some("web"));
}

#[tokio::test(start_paused = true)]
async fn without_any_session_there_is_none() {
    let world = World::new().await;
    let error = exec_unnamed(&world, "echo").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::NoDefaultSession);
    assert!(error.to_string().contains("ssh_connect"), "{error}");
    let errors = [
        world.supervisor.reconnect(None).await.unwrap_err(),
        world.supervisor.disconnect(None, false).await.unwrap_err(),
    ];
    assert!(
        errors
            .iter()
            .all(|error| error.code() == ErrorCode::NoDefaultSession)
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_to_connect_is_not_the_default() {
    let world = two().await;
    world.forget("web").await;
    world.forget("db").await;
    world.web().host.refuse_connects(true);
    let request = ConnectRequest {
        make_default: true,
        ..request("web", "web")
    };
    assert!(world.ask(request.clone()).await.is_err());
    assert_eq!(default_of(&world).await, None);
    assert!(world.connect("db").await.is_default);
    assert!(world.ask(request).await.is_err());
    assert_eq!(default_of(&world).await.as_deref(), Some("db"));
}

#[tokio::test(start_paused = true)]
async fn make_default_makes_it_the_default_also_where_it_is_up() {
    let world = two().await;
    let make_default = |session| ConnectRequest {
        make_default: true,
        ..request(session, session)
    };
    let report = world.ask(make_default("db")).await.unwrap();
    assert!(report.reused && report.is_default);
    assert_eq!(default_of(&world).await.as_deref(), Some("db"));
    assert_eq!(world.stored().default, Some(name("db")));
    // A choice precedes the session that was connected last.
    assert!(!world.connect("web").await.is_default);
    assert_eq!(default_of(&world).await.as_deref(), Some("db"));
    world.disconnect("web").await;
    assert!(world.ask(make_default("web")).await.unwrap().is_default);
    assert_eq!(
        exec_unnamed(&world, "echo").await.unwrap().session,
        name("web")
    );
}

#[tokio::test(start_paused = true)]
async fn a_default_can_be_set_by_name() {
    let world = two().await;
    assert!(world.connect("web").await.is_default);
    assert_eq!(
        world.supervisor.set_default(name("db")).await.unwrap(),
        None
    );
    assert_eq!(
        exec_unnamed(&world, "echo").await.unwrap().session,
        name("db")
    );
    assert_eq!(world.stored().default, Some(name("db")));
    let error = world.supervisor.set_default(name("api")).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::NoSuchSession);
    assert_eq!(default_of(&world).await.as_deref(), Some("db"));
}

#[tokio::test(start_paused = true)]
async fn a_saved_session_can_be_the_default_and_connects_for_a_call() {
    let world = two().await;
    world.disconnect("db").await;
    world.supervisor.set_default(name("db")).await.unwrap();
    assert!(exec_unnamed(&world, "echo").await.unwrap().reconnected);
}

#[tokio::test(start_paused = true)]
async fn the_default_stays_the_default_while_it_is_disconnected() {
    let world = two().await;
    let report = virtually_bounded("the end", world.supervisor.disconnect(None, false)).await;
    assert_eq!(report.unwrap().session, name("db"));
    assert_eq!(default_of(&world).await.as_deref(), Some("db"));
    assert!(exec_unnamed(&world, "echo").await.unwrap().reconnected);
}

#[tokio::test(start_paused = true)]
async fn forgetting_the_default_leaves_the_only_session_or_none() {
    let world = World::with_hosts(&["web", "db", "api"]).await;
    for host in ["web", "db", "api"] {
        world.connect(host).await;
    }
    world.forget("api").await;
    assert_eq!(default_of(&world).await, None);
    let error = exec_unnamed(&world, "echo").await.unwrap_err();
    assert!(
        matches!(&error, SessionError::NoDefaultSession { known } if *known == [name("db"), name("web")]),
        "{error}"
    );
    world.forget("web").await;
    assert_eq!(world.stored().default, None);
    assert_eq!(default_of(&world).await.as_deref(), Some("db"));
    assert_eq!(
        exec_unnamed(&world, "echo").await.unwrap().session,
        name("db")
    );
}

/// A handle for another client of the same process.
fn another_client(world: &World) -> SupervisorHandle {
    world.supervisor.for_caller(Arc::new(Client::default()))
}

#[tokio::test(start_paused = true)]
async fn no_client_changes_where_the_calls_of_another_go() {
    let world = two().await;
    let early = another_client(&world);
    early.begin_client().await;
    world.supervisor.set_default(name("db")).await.unwrap();
    let late = another_client(&world);
    late.begin_client().await;
    world.supervisor.set_default(name("web")).await.unwrap();
    let session = async |client: &SupervisorHandle| {
        let running = client.exec(None, command("echo"));
        let result = virtually_bounded("a command", running).await;
        result.map(|report| report.session.to_string())
    };
    // The stored default is that of the client's beginning.
    assert_eq!(session(&early).await.unwrap(), "web");
    assert_eq!(session(&late).await.unwrap(), "db");
    assert_eq!(session(&world.supervisor).await.unwrap(), "web");
    assert_eq!(late.list().await.default, Some(name("db")));
    // A session that another client forgets is missed, not replaced.
    early.set_default(name("web")).await.unwrap();
    world.forget("web").await;
    let error = session(&early).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::NoSuchSession, "{error}");
}

#[tokio::test(start_paused = true)]
async fn where_a_default_would_be_a_guess_there_is_none() {
    let world = World::with_hosts(&["web", "db"]).await;
    let other = another_client(&world);
    other.begin_client().await;
    world.connect("web").await;
    let running = other.exec(None, command("echo"));
    let result = virtually_bounded("a command", running).await;
    assert_eq!(result.unwrap().session, name("web"), "the only session");
    world.connect("db").await;
    let error = other.exec(None, command("echo")).await.unwrap_err();
    assert!(
        matches!(&error, SessionError::NoDefaultSession { known } if *known == [name("db"), name("web")]),
        "{error}"
    );
    assert_eq!(other.list().await.default, None);
}

#[tokio::test(start_paused = true)]
async fn forgetting_another_session_changes_nothing() {
    let world = two().await;
    world.forget("web").await;
    assert_eq!(default_of(&world).await.as_deref(), Some("db"));
}

#[tokio::test(start_paused = true)]
async fn the_default_outlives_the_process() {
    let world = two().await;
    world.supervisor.set_default(name("db")).await.unwrap();
    let other = world.another_process().await;
    assert_eq!(default_of(&other).await.as_deref(), Some("db"));
    assert_eq!(
        exec_unnamed(&other, "echo").await.unwrap().session,
        name("db")
    );
    // The stored default counts only for a client that has connected nothing.
    assert!(other.connect("web").await.is_default);
    assert_eq!(other.stored().default, Some(name("db")));
    other.forget("db").await;
    assert_eq!(other.stored().default, None);
}

#[tokio::test(start_paused = true)]
async fn of_several_that_connect_at_once_the_last_is_the_default() {
    let hosts = ["a", "b", "c", "d", "e", "f"];
    for _ in 0..10 {
        let world = World::with_hosts(&hosts).await;
        for host in hosts {
            world.site(host).drop_syn();
        }
        let calls = hosts.map(|host| world.start_connect(request(host, host)));
        crate::world::settle().await;
        for host in hosts {
            world.site(host).answer();
        }
        for call in calls {
            answer(call).await.unwrap();
        }
        let default = default_of(&world).await.expect("a default");
        assert!(hosts.contains(&default.as_str()), "{default}");
        assert!(world.stored().default.is_some());
    }
}

/// A store that cannot be used does not matter to the default of a client that connects.
#[tokio::test(start_paused = true)]
async fn there_is_a_default_without_a_store_too() {
    let world = two().await;
    world.forget("web").await;
    world.forget("db").await;
    std::fs::write(world.store_path(), "{ broken").unwrap();
    assert!(world.connect("db").await.is_default);
    assert!(world.connect("web").await.is_default);
    assert_eq!(
        exec_unnamed(&world, "echo").await.unwrap().session,
        name("web")
    );
}
