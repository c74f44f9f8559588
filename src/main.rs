//! The binary: reads the command line and starts the server or a subcommand.

use std::net::SocketAddr;
use std::num::NonZero;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use mcp_ssh_sessions::actors::SupervisorHandle;
use mcp_ssh_sessions::cli::{Cli, Command};
use mcp_ssh_sessions::policy::LocalPolicy;
use mcp_ssh_sessions::server::http::HttpOptions;
use mcp_ssh_sessions::ssh::dial::{Dialer, OpenSsh};
use mcp_ssh_sessions::ssh::resolve::Resolver;
use mcp_ssh_sessions::store::Store;
use mcp_ssh_sessions::{demo, doctor, limits, server, telemetry};

/// Exit status for a bad option, as in most command line tools.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Err(error) = telemetry::init(&cli.log) {
        eprintln!("error: {error}");
        return ExitCode::from(EXIT_USAGE);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers())
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the runtime cannot be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(dispatch(cli));
    // Local children end with their tasks. A thread that is blocked in a read of stdin is not waited for.
    runtime.shutdown_timeout(limits::RUNTIME_END_TIMEOUT);
    code
}

/// Threads of the runtime: half of the processors. A call, a connection and a transfer are chains of tasks that wake
/// each other, which costs least within a thread. The other processors are left to the far end of a loopback connection
/// and to the user's other programs.
fn workers() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    (processors / 2).max(1)
}

async fn dispatch(cli: Cli) -> ExitCode {
    match &cli.command {
        Some(Command::Demo) => demo::walk_through().await,
        Some(Command::Doctor { host }) => doctor::examine_all(&cli, host.as_deref()).await,
        None => serve(&cli).await,
    }
}

async fn serve(cli: &Cli) -> ExitCode {
    let network = OpenSsh {
        resolver: Resolver::new(cli.ssh_config.clone()),
    };
    let started =
        SupervisorHandle::start(Dialer::new(Arc::new(network)), Store::new(cli.store_path())).await;
    match started {
        Ok(supervisor) => {
            let policy = local_policy(cli);
            match cli.http {
                Some(address) => {
                    server::http::serve(supervisor, policy, http_options(cli, address)).await
                }
                None => server::stdio::serve(supervisor, policy).await,
            }
        }
        Err(error) => {
            eprintln!("error: the supervisor cannot be started: {error}");
            ExitCode::FAILURE
        }
    }
}

fn http_options(cli: &Cli, address: SocketAddr) -> HttpOptions {
    HttpOptions {
        address,
        token_file: cli.token_file.clone(),
        allow_hosts: cli.allow_hosts.clone(),
    }
}

/// The local paths that transfers may touch.
fn local_policy(cli: &Cli) -> LocalPolicy {
    let policy = LocalPolicy::new(std::env::home_dir(), Some(cli.store_path()))
        .with_roots(cli.local_root.clone());
    if cli.http.is_some() {
        // The directory that a daemon was started in means nothing to its clients.
        return policy.without_relative_paths();
    }
    policy
}
