//! Peers that are no SSH servers, or bad ones: each is refused within its time, and its text is made harmless.

use std::time::Duration;

use mcp_ssh_sessions::actors::SessionError;
use mcp_ssh_sessions::error::ErrorCode;
use mcp_ssh_sessions::limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, sleep};

use crate::network::Site;
use crate::world::{World, request};

const STREAM_BYTES: usize = 64 * 1024;
/// Soon enough for a peer that can be refused at once.
const AT_ONCE: Duration = Duration::from_millis(100);

/// Lets `speak` answer every connect to a site.
fn answer_with<F>(site: &Site, speak: impl Fn(DuplexStream) -> F + Send + Sync + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    site.pose_as(move || {
        let (client, end) = tokio::io::duplex(STREAM_BYTES);
        tokio::spawn(speak(end));
        client
    });
}

/// Connects, and has to fail within the time.
async fn refused(world: &World, within: Duration) -> SessionError {
    let start = Instant::now();
    let error = world.ask(request("web", "web")).await.unwrap_err();
    let took = start.elapsed();
    assert!(took <= within + AT_ONCE, "{took:?}: {error}");
    let text = error.to_string();
    assert!(!text.chars().any(|c| c.is_control()), "{text:?}");
    assert!(text.len() < 2000, "{} bytes", text.len());
    assert!(world.list().await.sessions.is_empty());
    error
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_says_a_word() {
    let world = World::new().await;
    answer_with(&world.web(), |stream| async move {
        let _open = stream;
        std::future::pending().await
    });
    let error = refused(&world, limits::HANDSHAKE_TIMEOUT).await;
    assert_eq!(error.code(), ErrorCode::TimedOut);
}

/// Bytes keep coming, each in time, and the whole does not: the deadline is that of the phase.
#[tokio::test(start_paused = true)]
async fn a_peer_that_drips_its_banner() {
    let world = World::new().await;
    answer_with(&world.web(), |mut stream| async move {
        for byte in b"SSH-2.0-".iter().chain([b'x'; 300].iter()) {
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
            sleep(Duration::from_millis(500)).await;
        }
    });
    let error = refused(&world, limits::HANDSHAKE_TIMEOUT).await;
    assert_eq!(error.code(), ErrorCode::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_drips_its_key_exchange() {
    let world = World::new().await;
    answer_with(&world.web(), |mut stream| async move {
        let mut sent = stream.write_all(b"SSH-2.0-slow\r\n\0\0\x04\0").await;
        while sent.is_ok() {
            sleep(Duration::from_secs(1)).await;
            sent = stream.write_all(b"\x14").await;
        }
    });
    let error = refused(&world, limits::HANDSHAKE_TIMEOUT).await;
    assert_eq!(error.code(), ErrorCode::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_hangs_up_at_once() {
    let world = World::new().await;
    answer_with(&world.web(), |stream| async move { drop(stream) });
    let error = refused(&world, AT_ONCE).await;
    assert_eq!(error.code(), ErrorCode::ConnectFailed);
    assert!(error.is_retryable());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_speaks_another_protocol() {
    let world = World::new().await;
    answer_with(&world.web(), |mut stream| async move {
        let _ = stream
            .write_all(b"HTTP/1.1 400 \x1b]0;gotcha\x07Bad Request\r\nX: \xff\xfe\r\n\r\n")
            .await;
    });
    let error = refused(&world, AT_ONCE).await;
    assert_eq!(error.code(), ErrorCode::ConnectFailed);
    answer_with(&world.web(), |mut stream| async move {
        let _ = stream.write_all(b"SSH-1.5-old \x1b[2J\r\n").await;
        let _ = stream.read(&mut [0; 1024]).await;
        std::future::pending().await
    });
    let error = refused(&world, limits::HANDSHAKE_TIMEOUT).await;
    assert!(
        matches!(error.code(), ErrorCode::ConnectFailed | ErrorCode::TimedOut),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_peer_whose_greeting_never_ends() {
    let world = World::new().await;
    answer_with(&world.web(), |mut stream| async move {
        while stream
            .write_all(b"welcome, dear guest, please wait\r\n")
            .await
            .is_ok()
        {}
    });
    let error = refused(&world, AT_ONCE).await;
    assert_eq!(error.code(), ErrorCode::ConnectFailed, "{error}");
    answer_with(&world.web(), |mut stream| async move {
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    });
    let error = refused(&world, limits::HANDSHAKE_TIMEOUT).await;
    assert!(error.is_retryable(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_whose_packets_are_no_packets() {
    let packets: [&[u8]; 4] = [
        b"\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\0\0\0\0\0\0\0\0\0\0\0\0",
        b"\0\x01\0\0\xff\x14 more padding than packet",
        b"\0\0\0\x0c\x0a\x14\x1b[2J\x1b[2J\x1b[2J\x1b[2J",
    ];
    for packet in packets {
        let world = World::new().await;
        answer_with(&world.web(), move |mut stream| async move {
            let _ = stream.write_all(b"SSH-2.0-broken\r\n").await;
            let _ = stream.write_all(packet).await;
            let _open = stream;
            std::future::pending().await
        });
        let error = refused(&world, limits::HANDSHAKE_TIMEOUT).await;
        assert!(
            matches!(error.code(), ErrorCode::ConnectFailed | ErrorCode::TimedOut),
            "{error}"
        );
    }
}

/// A session that was up meets such a peer on its reconnect: it goes on trying, and is back with its host.
#[tokio::test(start_paused = true)]
async fn a_bad_peer_on_the_way_back_is_not_the_end() {
    let world = World::new().await;
    world.connect("web").await;
    let site = world.web();
    answer_with(&site, |mut stream| async move {
        let _ = stream.write_all(b"\x1b[31mgo away\x1b[0m\r\n").await;
    });
    site.host.link.cut();
    tokio::time::sleep(Duration::from_secs(30)).await;
    let error = world.exec("web", "echo").await.unwrap_err();
    assert_eq!(
        (error.code(), error.state().map(|state| state.as_str())),
        (ErrorCode::ConnectFailed, Some("backoff"))
    );
    let told = world.status("web").await.last_error.unwrap();
    assert!(!told.chars().any(char::is_control), "{told:?}");
    site.pose_as_itself();
    world.until_state("web", "ready").await;
}

/// Text of the host at the login is marked as the host's, and harmless in every place.
#[tokio::test(start_paused = true)]
async fn a_banner_has_no_way_into_an_error() {
    let world = World::new().await;
    let site = world.web();
    site.host.set_options(|options| {
        options.banner = Some(format!("\x1b]52;c;ZXZpbA==\x07{}", "x".repeat(100_000)));
    });
    let report = world.connect("web").await;
    assert!(!format!("{report:?}").contains('\x1b'));
    world.output_of("web", "echo works").await;
    world.forget("web").await;
    site.set_user_key(&mcp_ssh_sessions::demo::generate_key());
    let error = refused(&world, AT_ONCE).await;
    assert_eq!(error.code(), ErrorCode::AuthFailed);
}
