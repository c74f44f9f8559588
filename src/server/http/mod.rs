//! The HTTP daemon: one set of sessions for every client of this machine.
//!
//! ```text
//! accept loop (listen)   connections counted, headers and stalls timed, the peer looked up
//! └─ guard               Host, Origin, token, peer: in front of every route
//!    ├─ /mcp (mcp)       bodies read within their limits, then rmcp's streamable HTTP, both protocol eras,
//!    │                   or the older HTTP+SSE transport (legacy_sse)
//!    ├─ /health          version, uptime, and the number of sessions in each state
//!    └─ /metrics         counters, and gauges of the present sessions, for Prometheus
//! ```
//!
//! [`routes()`] and [`listen()`] know nothing of SSH: `examples/conformance.rs` puts the protocol's own test
//! fixtures behind them.

mod body;
mod caller;
mod guard;
mod health;
mod legacy_sse;
mod listen;
mod mcp;
mod mcp_sessions;
mod metrics;
mod peer;
mod process;
mod reply;
mod stall;
mod token;

pub use guard::Guard;
pub use listen::listen;
pub use mcp::routes;
pub use token::{Token, TokenError};

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::McpServer;
use super::signals::termination;
use crate::actors::SupervisorHandle;
use crate::limits;
use crate::policy::LocalPolicy;

/// Exit status for a bad option, as in most command line tools.
const EXIT_USAGE: u8 = 2;

/// Options of the daemon.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Address to listen on; port 0 picks a free port.
    pub address: SocketAddr,
    /// The file with the token that every request has to carry.
    pub token_file: Option<PathBuf>,
    /// Names besides the loopback ones that requests may call this server.
    pub allow_hosts: Vec<String>,
}

/// Serves until a signal arrives.
pub async fn serve(
    supervisor: SupervisorHandle,
    local_policy: LocalPolicy,
    options: HttpOptions,
) -> ExitCode {
    match serve_until_signal(supervisor, local_policy, options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, error)) => {
            eprintln!("error: {error}");
            ExitCode::from(code)
        }
    }
}

/// Serves until a signal arrives; an error comes with the exit status of the process.
async fn serve_until_signal(
    supervisor: SupervisorHandle,
    local_policy: LocalPolicy,
    options: HttpOptions,
) -> Result<(), (u8, String)> {
    let usage = |error: String| (EXIT_USAGE, error);
    let failure = |error: String| (1, error);
    let token = match &options.token_file {
        Some(path) => {
            Some(Token::read_or_create(path).map_err(|error| failure(error.to_string()))?)
        }
        None if options.address.ip().is_loopback() => None,
        None => return Err(usage(unprotected(options.address))),
    };
    // Installed before the first line on stderr, after which a signal may arrive.
    let terminated = termination();
    let (listener, address) = bind(options.address).await.map_err(failure)?;
    if token.is_none() && cfg!(not(target_os = "linux")) {
        eprintln!(
            "warning: this system does not report the user at the other end of a connection, so every local user is served; --token-file FILE keeps others out"
        );
    }
    let recorder = metrics::Recorder::install().map_err(failure)?;
    let guard = Guard::new(token, options.allow_hosts);
    let stop = CancellationToken::new();
    let router = routes(
        McpServer::new(supervisor.clone(), local_policy).with_callers(caller::of),
        stop.clone(),
    )
    .merge(observation(supervisor.clone(), recorder));
    eprintln!("listening on http://{address}/mcp");
    let closing = CancellationToken::new();
    let mut serving = tokio::spawn(listen(listener, guard, router, closing.clone()));
    terminated.await;
    // No further connection is accepted; calls are answered while their sessions end.
    closing.cancel();
    supervisor.shut_down().await;
    if timeout(limits::HTTP_END_GRACE, &mut serving).await.is_err() {
        // Only event streams are left, which do not end by themselves.
        stop.cancel();
        let _ = timeout(limits::HTTP_END_GRACE, serving).await;
    }
    Ok(())
}

/// `/health` and `/metrics`.
fn observation(supervisor: SupervisorHandle, recorder: metrics::Recorder) -> Router {
    let health = health::Health::new(supervisor.clone());
    Router::new()
        .route("/health", get(async move || health.report().await))
        .route(
            "/metrics",
            get(async move || recorder.render(&supervisor).await),
        )
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), String> {
    let bound = async {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    bound.await.map_err(|error: std::io::Error| {
        let advice = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                "; another program uses this port, perhaps a daemon that already runs: use that daemon, end it, or choose another port"
            }
            _ => "",
        };
        format!("cannot listen on {address}: {error}{advice}")
    })
}

fn unprotected(address: SocketAddr) -> String {
    format!(
        "{address} can be reached from other machines, and whoever reaches it commands every session; give a token with --token-file FILE (created if missing), or listen on 127.0.0.1"
    )
}
