//! The command line.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Persistent SSH sessions as MCP tools for AI coding agents.
///
/// Without a subcommand: an MCP server on stdio, to be started by an MCP client. Startup has no side effects: no host
/// is dialled, no file is written. With --http: a daemon that all clients of this machine share, for entries like
/// {"type": "http", "url": "http://127.0.0.1:7722/mcp"}; "type": "sse" works as well.
#[derive(Debug, Parser)]
#[command(version, about, long_about, max_term_width = 100)]
pub struct Cli {
    /// OpenSSH configuration to use instead of ~/.ssh/config (passed to `ssh -G -F`)
    #[arg(long, env = "MCP_SSH_CONFIG", value_name = "FILE", global = true)]
    pub ssh_config: Option<PathBuf>,

    /// File of saved sessions; never contains a password [default: ~/.ssh-mcp-sessions.json]
    #[arg(long, env = "MCP_SSH_STORE", value_name = "FILE", global = true)]
    pub store: Option<PathBuf>,

    /// Restrict the local paths of uploads and downloads to this directory (repeatable)
    #[arg(
        long,
        env = "MCP_SSH_LOCAL_ROOT",
        value_name = "DIR",
        value_delimiter = ':',
        global = true
    )]
    pub local_root: Vec<PathBuf>,

    /// Serve HTTP instead of stdio: one set of sessions for every client, at /mcp, with /health and /metrics. A
    /// bare PORT binds 127.0.0.1; port 0 picks one, which is printed on stderr
    #[arg(long, env = "MCP_SSH_HTTP", value_name = "[ADDR:]PORT", value_parser = http_address)]
    pub http: Option<SocketAddr>,

    /// Clients of --http have to send `Authorization: Bearer TOKEN` with the content of this file, which is created if
    /// missing. Without a token, only the user who runs the daemon is served, and only on loopback
    #[arg(long, env = "MCP_SSH_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// Further name, NAME or NAME:PORT, under which clients may address the --http daemon, such as that of a proxy
    /// (repeatable; in the environment separated by commas)
    #[arg(
        long = "allow-host",
        env = "MCP_SSH_ALLOW_HOST",
        value_name = "NAME",
        value_delimiter = ','
    )]
    pub allow_hosts: Vec<String>,

    /// Level of the log on stderr: off, error, warn, info, debug or trace
    #[arg(
        long,
        env = "MCP_SSH_LOG",
        value_name = "FILTER",
        default_value = "warn",
        global = true
    )]
    pub log: String,

    /// Subcommand instead of serving
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Subcommands instead of serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Walk through the features on an embedded SSH server: connect, run, lose the link, reconnect
    Demo,
    /// Check the requirements and say what to fix; with HOST, connect step by step
    Doctor {
        /// Host to resolve, dial, verify and authenticate to
        host: Option<String>,
    },
}

impl Cli {
    /// Path of the file of saved sessions.
    pub fn store_path(&self) -> PathBuf {
        self.store.clone().unwrap_or_else(|| {
            // Without a home directory, the store reports a path that cannot be written.
            std::env::home_dir()
                .unwrap_or_default()
                .join(".ssh-mcp-sessions.json")
        })
    }
}

/// `PORT`, `ADDR:PORT`, `[V6]:PORT` or `localhost:PORT`.
fn http_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse() {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let local = text.strip_prefix("localhost:").map(str::parse);
    match local {
        Some(Ok(port)) => Ok((IpAddr::from(Ipv4Addr::LOCALHOST), port).into()),
        _ => Err(
            "give a port, or an address and a port, such as 7722, 127.0.0.1:7722 or [::1]:7722"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn addresses() {
        let rows = [
            ("7722", Some("127.0.0.1:7722")),
            ("0", Some("127.0.0.1:0")),
            ("127.0.0.1:7722", Some("127.0.0.1:7722")),
            ("localhost:7722", Some("127.0.0.1:7722")),
            ("[::1]:7722", Some("[::1]:7722")),
            ("0.0.0.0:80", Some("0.0.0.0:80")),
            ("", None),
            ("70000", None),
            ("localhost", None),
            ("example.com:80", None),
            (":7722", None),
        ];
        for (text, expected) in rows {
            let expected = expected.map(|address| address.parse().unwrap());
            assert_eq!(http_address(text).ok(), expected, "{text}");
        }
    }
}
