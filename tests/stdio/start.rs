//! Startup has no side effects; and the command line.

use std::path::Path;
use std::process::Output;

use clap::CommandFactory;
use mcp_ssh_sessions::cli::Cli;
use serde_json::json;
use tokio::process::Command;

use testkit::binary;
use testkit::client::Client;
use testkit::processes::descendants;
use testkit::{bounded, host::Host};

/// Every option with its variable, as in the table of docs/daemon.md.
const OPTIONS: [(&str, &str); 7] = [
    ("--local-root", "MCP_SSH_LOCAL_ROOT"),
    ("--ssh-config", "MCP_SSH_CONFIG"),
    ("--store", "MCP_SSH_STORE"),
    ("--log", "MCP_SSH_LOG"),
    ("--http", "MCP_SSH_HTTP"),
    ("--token-file", "MCP_SSH_TOKEN_FILE"),
    ("--allow-host", "MCP_SSH_ALLOW_HOST"),
];
/// Every subcommand.
const COMMANDS: [&str; 2] = ["demo", "doctor"];

/// Arguments, environment, and a word that the error must hold.
type BadStart = (
    &'static [&'static str],
    &'static [(&'static str, &'static str)],
    &'static str,
);

/// Runs the binary with these arguments and no input.
async fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(binary());
    command
        .args(arguments)
        .env_clear()
        .env("HOME", home.path())
        .envs(environment.iter().copied())
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true);
    bounded("the binary to end", command.output())
        .await
        .unwrap()
}

fn entries(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// Inodes of the sockets that a process has open.
fn sockets(pid: i32) -> Vec<String> {
    let links = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    links
        .filter_map(|link| std::fs::read_link(link.unwrap().path()).ok())
        .filter_map(|target| {
            let target = target.to_str()?.strip_prefix("socket:[")?;
            Some(target.strip_suffix(']')?.to_owned())
        })
        .collect()
}

/// Inodes of the TCP and UDP sockets of this machine.
fn network_sockets() -> Vec<String> {
    let tables = ["tcp", "tcp6", "udp", "udp6"].map(|name| format!("/proc/net/{name}"));
    let texts = tables.map(|table| std::fs::read_to_string(table).unwrap_or_default());
    let lines = texts.iter().flat_map(|text| text.lines().skip(1));
    let inode = |line: &str| line.split_whitespace().nth(9).map(str::to_owned);
    lines.filter_map(inode).collect()
}

#[tokio::test]
async fn starting_creates_no_file_no_process_and_no_socket() {
    let host = Host::start().await;
    let mut client = Client::start(&host.sshd.ssh_config()).await;
    client.request("tools/list", json!({})).await;
    client.succeed("ssh_sessions", json!({})).await;
    let process = client.process();
    assert_eq!(entries(client.home().path()), Vec::<String>::new());
    assert_eq!(descendants(&[process]), []);
    let network = network_sockets();
    let open = sockets(process.pid);
    assert!(
        !open.iter().any(|inode| network.contains(inode)),
        "{open:?}"
    );
    // The same look at a server that does more sees it.
    client.succeed("ssh_connect", json!({"host": "test"})).await;
    let (network, open) = (network_sockets(), sockets(process.pid));
    assert!(open.iter().any(|inode| network.contains(inode)), "{open:?}");
    assert!(entries(client.home().path()).contains(&".ssh-mcp-sessions.json".to_owned()));
    assert!(client.finish().await.status.success());
}

#[tokio::test]
async fn a_bad_option_exits_2_and_says_why_on_stderr() {
    let rows: [BadStart; 6] = [
        (&["--nothing"], &[], "--nothing"),
        (&["nothing"], &[], "nothing"),
        (&["--store"], &[], "--store"),
        (&["--log", "a=b=c"], &[], "a=b=c"),
        (&[], &[("MCP_SSH_LOG", "a=b=c")], "a=b=c"),
        (&["doctor", "a", "b"], &[], "b"),
    ];
    for (arguments, environment, word) in rows {
        let output = run(arguments, environment).await;
        let words = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {words}");
        assert!(words.contains(word), "{arguments:?}: {words}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[tokio::test]
async fn help_mentions_every_option_with_its_variable() {
    for argument in ["--help", "-h"] {
        let output = run(&[argument], &[]).await;
        assert!(output.status.success());
        let help = String::from_utf8(output.stdout).unwrap();
        for (option, variable) in OPTIONS {
            assert!(help.contains(option), "{argument}: no {option}:\n{help}");
            assert!(
                help.contains(variable),
                "{argument}: no {variable}:\n{help}"
            );
        }
        for command in COMMANDS {
            assert!(help.contains(command), "{argument}: no {command}:\n{help}");
        }
    }
}

#[test]
fn the_lists_of_this_test_are_complete() {
    let command = Cli::command();
    for argument in command.get_arguments() {
        let option = format!("--{}", argument.get_long().expect("a long name"));
        let variable = argument.get_env().and_then(|name| name.to_str());
        let row = OPTIONS.iter().find(|(known, _)| *known == option);
        assert_eq!(row.map(|(_, name)| *name), variable, "{option}");
    }
    let commands: Vec<&str> = command
        .get_subcommands()
        .map(|known| known.get_name())
        .collect();
    assert_eq!(commands, COMMANDS);
}

#[tokio::test]
async fn the_version_is_that_of_the_package() {
    let output = run(&["--version"], &[]).await;
    let expected = format!("mcp-ssh-sessions {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}
