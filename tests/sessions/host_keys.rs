//! The host key on every reconnect: known_hosts and the session's own pin, and no credential to an impostor.

use std::time::Duration;

use mcp_ssh_sessions::demo::generate_key;
use mcp_ssh_sessions::error::ErrorCode;
use mcp_ssh_sessions::limits;
use mcp_ssh_sessions::ssh::error::SshError;

use crate::world::{World, answer, dial_failure, settle};
use testkit::ssh_server::MemoryHost;

/// A session whose host has another key since the link was cut.
async fn with_an_impostor() -> World {
    let world = World::new().await;
    world.connect("web").await;
    let host = &world.web().host;
    host.set_host_key(generate_key());
    host.link.cut();
    world
}

#[tokio::test(start_paused = true)]
async fn a_changed_key_ends_the_retrying_and_gets_no_credential() {
    let world = with_an_impostor().await;
    let site = world.web();
    let attempts = site.host.auth_attempts();
    world.until_state("web", "failed").await;
    let dials = site.dials();
    assert_eq!(dials, 2);
    tokio::time::sleep(limits::DORMANT_AFTER * 2).await;
    for _ in 0..3 {
        let error = world.exec("web", "echo").await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::HostKeyChanged, "{error}");
        assert!(!error.is_retryable() && error.retry_after().is_none());
    }
    assert_eq!((site.dials(), world.state("web").await), (dials, "failed"));
    assert_eq!(
        site.host.auth_attempts(),
        attempts,
        "a credential was shown to an impostor"
    );
    let status = world.status("web").await;
    assert!(
        status
            .last_error
            .unwrap()
            .contains("no credential was sent")
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_that_meets_the_changed_key_is_told_so() {
    let world = with_an_impostor().await;
    let error = world.exec("web", "echo").await.unwrap_err();
    assert_eq!(
        (error.code(), error.state().map(|state| state.as_str())),
        (ErrorCode::HostKeyChanged, Some("failed"))
    );
    assert_eq!(world.web().host.runner.total_runs(), 0);
}

#[tokio::test(start_paused = true)]
async fn another_reconnect_meets_the_same_refusal() {
    let world = with_an_impostor().await;
    world.until_state("web", "failed").await;
    let site = world.web();
    let attempts = site.host.auth_attempts();
    let error = world.reconnect("web").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::HostKeyChanged);
    // known_hosts has the old key still: to connect anew does not help either.
    let error = world
        .ask(crate::world::request("web", "web"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::HostKeyChanged);
    assert!(
        matches!(dial_failure(&error), SshError::HostKey(_)),
        "{error}"
    );
    assert_eq!(
        (world.state("web").await, site.host.auth_attempts()),
        ("failed", attempts)
    );
}

/// known_hosts was edited to take the new key: a reconnect still holds on to the key of the first connect.
#[tokio::test(start_paused = true)]
async fn the_pin_of_a_session_outlasts_an_edited_known_hosts() {
    let world = with_an_impostor().await;
    let site = world.web();
    site.record_host_key(site.host.host_key().public_key());
    let attempts = site.host.auth_attempts();
    world.until_state("web", "failed").await;
    let error = world.exec("web", "echo").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::HostKeyChanged);
    assert!(
        matches!(dial_failure(&error), SshError::PinnedKeyChanged { .. }),
        "{error}"
    );
    assert!(
        error.to_string().contains("call ssh_connect again"),
        "{error}"
    );
    assert_eq!(site.host.auth_attempts(), attempts);

    let report = world.connect("web").await;
    assert!(!report.reused);
    assert_eq!(world.output_of("web", "echo new").await, "new\n");
    // And the new key is the pin from now on.
    site.host.link.cut();
    world.exec("web", "echo").await.unwrap();
    site.host.set_host_key(generate_key());
    site.record_host_key(site.host.host_key().public_key());
    site.host.link.cut();
    world.until_state("web", "failed").await;
}

#[tokio::test(start_paused = true)]
async fn the_pin_outlasts_a_disconnect() {
    let world = World::new().await;
    world.connect("web").await;
    world.disconnect("web").await;
    let site = world.web();
    site.host.set_host_key(generate_key());
    site.record_host_key(site.host.host_key().public_key());
    let error = world.exec("web", "echo").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::HostKeyChanged);
    world.connect("web").await;
    world.exec("web", "echo").await.unwrap();
}

/// F-14: the address may change; the key counts.
#[tokio::test(start_paused = true)]
async fn another_machine_with_the_same_key_is_the_same_host() {
    let world = World::new().await;
    world.connect("web").await;
    let site = world.web();
    let (host_key, user_key) = (site.host.host_key(), site.host.user_key());
    let twin = MemoryHost::with(|options| {
        options.host_key = host_key;
        options.authorized_key = user_key.public_key().clone();
    });
    let twin = std::sync::Arc::new(twin);
    let answering = std::sync::Arc::clone(&twin);
    site.pose_as(move || answering.connect().unwrap());
    site.host.link.cut();
    world.output_of("web", "echo twin").await;
    assert_eq!(
        (twin.runner.runs("echo twin"), site.host.runner.total_runs()),
        (1, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_revoked_meanwhile_is_refused() {
    let world = World::new().await;
    world.connect("web").await;
    let site = world.web();
    site.revoke_host_key(site.host.host_key().public_key());
    let attempts = site.host.auth_attempts();
    site.host.link.cut();
    world.until_state("web", "failed").await;
    let error = world.exec("web", "echo").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::HostKeyRevoked, "{error}");
    assert_eq!(site.host.auth_attempts(), attempts);
}

/// Callers of all kinds wait for the dial that meets the impostor.
#[tokio::test(start_paused = true)]
async fn every_caller_of_the_refused_dial_is_answered() {
    let world = World::new().await;
    world.connect("web").await;
    let site = world.web();
    site.drop_syn();
    site.host.set_host_key(generate_key());
    site.host.link.cut();
    world.until_state("web", "connecting").await;
    let calls: Vec<_> = (0..5).map(|_| world.start("web", "echo")).collect();
    settle().await;
    site.answer();
    for call in calls {
        let error = answer(call).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::HostKeyChanged);
    }
    assert_eq!(site.host.runner.total_runs(), 0);
}

/// A refusal is not for ever: when the true host is back, a new connect succeeds.
#[tokio::test(start_paused = true)]
async fn the_true_host_is_accepted_again() {
    let world = World::new().await;
    world.connect("web").await;
    let site = world.web();
    let true_key = site.host.host_key();
    site.host.set_host_key(generate_key());
    site.host.link.cut();
    world.until_state("web", "failed").await;
    site.host.set_host_key(true_key);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(world.state("web").await, "failed", "nobody has asked");
    world.connect("web").await;
    world.exec("web", "echo").await.unwrap();
}
