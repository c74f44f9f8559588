//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Persistent SSH sessions as MCP tools for AI coding agents.
///
/// Without a subcommand: an MCP server on stdio, to be started by an MCP client. Starting does nothing but
/// start: no host is dialled, no file is written.
#[derive(Debug, Parser)]
#[command(version, about, long_about, max_term_width = 100)]
pub struct Cli {
    /// OpenSSH configuration to use instead of ~/.ssh/config (passed to `ssh -G -F`)
    #[arg(long, env = "MCP_SSH_CONFIG", value_name = "FILE", global = true)]
    pub ssh_config: Option<PathBuf>,

    /// Where sessions are saved; never holds a password [default: ~/.ssh-mcp-sessions.json]
    #[arg(long, env = "MCP_SSH_STORE", value_name = "FILE", global = true)]
    pub store: Option<PathBuf>,

    /// Directory below which uploads and downloads stay (repeatable)
    #[arg(
        long,
        env = "MCP_SSH_LOCAL_ROOT",
        value_name = "DIR",
        value_delimiter = ':',
        global = true
    )]
    pub local_root: Vec<PathBuf>,

    /// What is logged to stderr: off, error, warn, info, debug or trace
    #[arg(
        long,
        env = "MCP_SSH_LOG",
        value_name = "FILTER",
        default_value = "warn",
        global = true
    )]
    pub log: String,

    /// What to do instead of serving
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do instead of serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the main job on an embedded SSH server: connect, run, lose the link, go on
    Demo,
    /// Check what the product needs and say what to fix; with HOST, try it step by step
    Doctor {
        /// Host to resolve, dial, verify and authenticate to
        host: Option<String>,
    },
}

impl Cli {
    /// Where sessions are saved.
    pub fn store_path(&self) -> PathBuf {
        self.store.clone().unwrap_or_else(|| {
            // Without any home directory the store reports a path that cannot be written.
            std::env::home_dir()
                .unwrap_or_default()
                .join(".ssh-mcp-sessions.json")
        })
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
}
