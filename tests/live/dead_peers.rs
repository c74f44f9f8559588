//! Peers that are silent without having gone.

use std::time::Duration;

use mcp_ssh_sessions::actors::job::outcome::Outcome;
use mcp_ssh_sessions::error::{ErrorCode, Fate};
use mcp_ssh_sessions::ssh::disconnect::Disconnect;
use tokio::time::{Instant, timeout};

use crate::world::{
    Client, TEST, assert_says, command, host_block, logged, name, refused, succeeded, through,
    write_config,
};
use testkit::bounded;
use testkit::link::TcpLink;
use testkit::sshd::Sshd;

/// Promise of the default keepalive: three intervals of 5 s and a bit.
const NOTICED_WITHIN: Duration = Duration::from_millis(15_500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_black_hole_is_noticed_by_the_default_keepalive() {
    let sshd = Sshd::start_default().await;
    let link = TcpLink::start(sshd.address()).await;
    let client = Client::new(write_config(&sshd, &through(&sshd, &link, ""))).await;
    client.must_connect(TEST).await;
    let running = client.start(command("echo begun; exec sleep 1000"));
    running.first_line().await;
    let silent = Instant::now();
    link.link.stall();
    client
        .until(TEST, "the loss", |row| row.state.as_str() != "ready")
        .await;
    let took = silent.elapsed();
    assert!(took < NOTICED_WITHIN + Duration::from_secs(1), "{took:?}");
    // Not at the first missed answer: a link may stumble.
    assert!(took > Duration::from_secs(5), "{took:?}");
    let report = running.answer().await.unwrap();
    let Outcome::ConnectionLost(reason) = &report.outcome else {
        panic!("{:?}", report.outcome);
    };
    assert_eq!(*reason, Disconnect::KeepaliveTimeout);
    assert_eq!(report.outcome.fate(), Fate::Unknown);
    // The way is free again: so is the session.
    link.link.pass();
    assert_eq!(succeeded(&client.run("echo back").await), "back\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_stall_loses_nothing() {
    let sshd = Sshd::start_default().await;
    let link = TcpLink::start(sshd.address()).await;
    let config = through(&sshd, &link, "ServerAliveInterval 1\nServerAliveCountMax 5");
    let client = Client::new(write_config(&sshd, &config)).await;
    client.must_connect(TEST).await;
    let running = client.start(command("echo begun; sleep 0.5; echo end"));
    running.first_line().await;
    link.link.stall();
    assert!(
        timeout(Duration::from_millis(2500), client.run("echo during"))
            .await
            .is_err()
    );
    link.link.pass();
    assert_eq!(succeeded(&running.answer().await.unwrap()), "begun\nend\n");
    let row = client.status(TEST).await.unwrap();
    assert_eq!((row.state.as_str(), row.reconnects), ("ready", 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keepalive_follows_the_configuration() {
    let sshd = Sshd::start_default().await;
    let link = TcpLink::start(sshd.address()).await;
    let config = through(&sshd, &link, "ServerAliveInterval 1\nServerAliveCountMax 1");
    let client = Client::new(write_config(&sshd, &config)).await;
    client.must_connect(TEST).await;
    let silent = Instant::now();
    link.link.stall();
    client
        .until(TEST, "the loss", |row| row.state.as_str() != "ready")
        .await;
    assert!(
        silent.elapsed() < Duration::from_secs(4),
        "{:?}",
        silent.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_server_delays_no_other_session() {
    let frozen = Sshd::start_default().await;
    let other = Sshd::start_default().await;
    let text = host_block(&frozen, TEST, "") + &host_block(&other, "other", "");
    let client = Client::new(write_config(&frozen, &text)).await;
    client.must_connect(TEST).await;
    client.must_connect("other").await;
    frozen.pause();
    let waiting = client.start(command("echo late"));
    // A dial to the frozen server as well: the kernel accepts the connection and nobody greets.
    let dialling = {
        let (client, mut request) = (client.clone(), crate::world::request("second", TEST));
        request.connect_timeout = Some(Duration::from_secs(20));
        tokio::spawn(async move { client.dial(request).await })
    };
    for _ in 0..20 {
        let started = Instant::now();
        succeeded(&client.run_in("other", command("true")).await);
        client.handle.list().await;
        assert!(
            started.elapsed() < Duration::from_millis(500),
            "{:?}",
            started.elapsed()
        );
    }
    // A session can be given up while its server is silent.
    let started = Instant::now();
    let third = client.handle.disconnect(Some(name("other")), true);
    bounded("the end of the other session", third)
        .await
        .unwrap();
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "{:?}",
        started.elapsed()
    );
    assert!(!waiting.call.is_finished() && !dialling.is_finished());
    frozen.resume();
    assert_eq!(succeeded(&waiting.answer().await.unwrap()), "late\n");
    dialling.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_live_on_while_nobody_listens() {
    let mut sshd = Sshd::start_default().await;
    let client = Client::connected(&sshd).await;
    let running = client.start(command("echo begun; sleep 1; echo end"));
    running.first_line().await;
    sshd.stop();
    assert_eq!(
        succeeded(&client.run("echo still here").await),
        "still here\n"
    );
    let text = refused(
        client.dial(crate::world::request("new", TEST)).await,
        ErrorCode::ConnectFailed,
    );
    assert_says(&text, &["127.0.0.1", &sshd.port().to_string(), "refused"]);
    assert_eq!(succeeded(&running.answer().await.unwrap()), "begun\nend\n");
    // The link breaks while nobody listens: the session waits for the server.
    sshd.kill_sessions().await;
    let row = client
        .until(TEST, "a failed dial", |row| {
            row.attempt.is_some_and(|tries| tries > 0)
        })
        .await;
    assert!(
        ["backoff", "connecting"].contains(&row.state.as_str()),
        "{row:?}"
    );
    let error = client.exec(TEST, command("true")).await;
    if let Err(error) = &error {
        assert!(error.is_retryable(), "{error}");
        assert_eq!(error.fate(), Fate::NotSent);
    }
    refused(error, ErrorCode::ConnectFailed);
    sshd.start().await;
    assert_eq!(succeeded(&client.run("echo back").await), "back\n");
    assert_eq!(client.status(TEST).await.unwrap().reconnects, 1);
    assert_eq!(logged(&sshd, "Accepted publickey"), 2);
}
