//! Logins that are refused, and passwords: how long they are kept and where they are not.

use std::time::Duration;

use mcp_ssh_sessions::actors::SessionError;
use mcp_ssh_sessions::demo::generate_key;
use mcp_ssh_sessions::error::{ErrorCode, Fate};
use mcp_ssh_sessions::limits;
use mcp_ssh_sessions::store::AuthKind;

use crate::world::{World, name, request, request_with_password, settle};
use testkit::ssh_server::MemoryHost;

const PASSWORD: &str = "correct horse battery staple";

/// A host that takes a password and no key.
async fn with_password() -> World {
    let host = MemoryHost::with(|options| options.password = Some(PASSWORD.to_owned()));
    let world = World::with_host("web", host).await;
    world
        .web()
        .configure(|resolved| resolved.identity_files.clear());
    world
}

#[tokio::test(start_paused = true)]
async fn a_login_that_is_refused_on_a_reconnect_is_not_tried_again() {
    let world = World::new().await;
    world.connect("web").await;
    let site = world.web();
    site.set_user_key(&generate_key());
    let attempts = site.host.auth_attempts();
    site.host.link.cut();
    world.until_state("web", "failed").await;
    assert_eq!(site.host.auth_attempts(), attempts + 1);
    tokio::time::sleep(limits::DORMANT_AFTER * 2).await;
    for _ in 0..3 {
        let error = world.exec("web", "echo").await.unwrap_err();
        assert_eq!(
            (error.code(), error.state().map(|state| state.as_str())),
            (ErrorCode::AuthFailed, Some("failed"))
        );
        assert_eq!((error.fate(), error.is_retryable()), (Fate::NotSent, false));
    }
    assert_eq!((site.dials(), site.host.auth_attempts()), (2, attempts + 1));
}

/// sshd drops a connection for many reasons while it authenticates: only a refusal is final.
#[tokio::test(start_paused = true)]
async fn a_link_that_breaks_during_the_login_is_tried_again() {
    let world = World::new().await;
    world.connect("web").await;
    let site = world.web();
    site.host
        .set_options(|options| options.auth_delay = Duration::from_secs(5));
    site.host.link.cut();
    for _ in 0..3 {
        world.until_state("web", "connecting").await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        site.host.link.cut();
        world.until_state("web", "backoff").await;
    }
    site.host
        .set_options(|options| options.auth_delay = Duration::ZERO);
    world.until_state("web", "ready").await;
}

#[tokio::test(start_paused = true)]
async fn a_password_is_kept_for_reconnects() {
    let world = with_password().await;
    let report = world
        .ask(request_with_password("web", PASSWORD))
        .await
        .unwrap();
    assert_eq!(
        (report.auth, &report.auth_kind),
        ("password", &AuthKind::Password)
    );
    let site = world.web();
    for round in 1..4 {
        site.host.link.cut();
        assert!(world.exec("web", "echo").await.unwrap().reconnected);
        site.host.link.cut();
        world.until_state("web", "ready").await;
        assert_eq!(world.status("web").await.reconnects, round * 2);
    }
    world.reconnect("web").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_password_is_gone_after_a_disconnect() {
    let world = with_password().await;
    world
        .ask(request_with_password("web", PASSWORD))
        .await
        .unwrap();
    world.disconnect("web").await;
    let site = world.web();
    let attempts = site.host.auth_attempts();
    let refused = [
        world.exec("web", "echo").await.unwrap_err(),
        world.reconnect("web").await.unwrap_err(),
    ];
    for error in refused {
        assert!(
            matches!(&error, SessionError::PasswordNeeded(session) if *session == name("web")),
            "{error}"
        );
        assert_eq!(
            (error.code(), error.state().map(|state| state.as_str())),
            (ErrorCode::NotConnected, Some("saved"))
        );
        assert!(
            error
                .to_string()
                .contains("call ssh_connect with the password"),
            "{error}"
        );
    }
    assert_eq!((site.dials(), site.host.auth_attempts()), (1, attempts));
    world
        .ask(request_with_password("web", PASSWORD))
        .await
        .unwrap();
    world.exec("web", "echo").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_password_is_not_known_to_another_process() {
    let world = with_password().await;
    world
        .ask(request_with_password("web", PASSWORD))
        .await
        .unwrap();
    let other = world.another_process().await;
    let error = other.exec("web", "echo").await.unwrap_err();
    assert!(matches!(error, SessionError::PasswordNeeded(_)), "{error}");
    assert_eq!(world.web().dials(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_password_answers_keyboard_interactive() {
    let host = MemoryHost::with(|options| options.keyboard_interactive = Some(PASSWORD.to_owned()));
    let world = World::with_host("web", host).await;
    world
        .web()
        .configure(|resolved| resolved.identity_files.clear());
    let report = world
        .ask(request_with_password("web", PASSWORD))
        .await
        .unwrap();
    assert_eq!(report.auth_kind, AuthKind::KeyboardInteractive);
    world.web().host.link.cut();
    assert!(world.exec("web", "echo").await.unwrap().reconnected);
    world.disconnect("web").await;
    let error = world.exec("web", "echo").await.unwrap_err();
    assert!(matches!(error, SessionError::PasswordNeeded(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_is_tried_once() {
    let world = with_password().await;
    let error = world
        .ask(request_with_password("web", "wrong sentinel"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::AuthFailed);
    assert!(!error.to_string().contains("sentinel"), "{error}");
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let site = world.web();
    assert_eq!((site.dials(), site.host.auth_attempts()), (1, 1));
    assert!(world.list().await.sessions.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_password_that_was_changed_on_the_host_ends_the_retrying() {
    let world = with_password().await;
    world
        .ask(request_with_password("web", PASSWORD))
        .await
        .unwrap();
    let site = world.web();
    site.host
        .set_options(|options| options.password = Some("another one".to_owned()));
    site.host.link.cut();
    world.until_state("web", "failed").await;
    tokio::time::sleep(limits::DORMANT_AFTER).await;
    assert_eq!((site.dials(), site.host.auth_attempts()), (2, 2));
    world
        .ask(request_with_password("web", "another one"))
        .await
        .unwrap();
}

/// A key session that is lost needs no password, whatever was given to a session of another name.
#[tokio::test(start_paused = true)]
async fn a_session_that_logged_in_with_its_key_needs_no_password_later() {
    let host = MemoryHost::with(|options| options.password = Some(PASSWORD.to_owned()));
    let world = World::with_host("web", host).await;
    let report = world
        .ask(request_with_password("web", PASSWORD))
        .await
        .unwrap();
    assert_eq!(report.auth, "publickey", "the key is tried first");
    assert_eq!(world.stored().sessions["web"].auth, AuthKind::PublicKey);
    world.disconnect("web").await;
    assert!(world.exec("web", "echo").await.unwrap().reconnected);
}

#[tokio::test(start_paused = true)]
async fn a_key_file_that_is_named_and_missing_is_told_before_any_traffic() {
    let world = World::new().await;
    let mut with_key = request("web", "web");
    with_key.spec.private_key_path = Some("/nonexistent/key".to_owned());
    let error = world.ask(with_key).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::LocalPathError, "{error}");
    assert!(error.to_string().contains("/nonexistent/key"), "{error}");
    settle().await;
    assert_eq!(world.web().dials(), 0);
    assert!(world.list().await.sessions.is_empty());
}
