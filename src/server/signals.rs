//! The signals that end a server.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Waits for SIGINT, SIGTERM or SIGHUP. The handlers are installed by the call, before the first poll. A second signal
/// changes nothing, because the time of the shutdown is bounded.
pub(super) fn termination() -> impl Future<Output = ()> {
    let listen = |kind| signal(kind).ok();
    let mut signals = [
        listen(SignalKind::interrupt()),
        listen(SignalKind::terminate()),
        listen(SignalKind::hangup()),
    ];
    async move {
        let [interrupt, terminate, hangup] = &mut signals;
        tokio::select! {
            () = received(interrupt) => {}
            () = received(terminate) => {}
            () = received(hangup) => {}
        }
    }
}

async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}
