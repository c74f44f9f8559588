//! A real Prometheus, with the configuration, the rules and the dashboard that the project ships.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::mcp;
use super::metrics::scrape;
use super::request::fetch;
use super::world;
use testkit::daemon::Daemon;
use testkit::{bounded, run};

/// The limit of waits for something that several scrapes have to show.
const PATIENCE: Duration = Duration::from_secs(60);

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(deploy(path)).unwrap()
}

/// A running Prometheus that scrapes a daemon.
struct Prometheus {
    child: Child,
    address: String,
    _directory: tempfile::TempDir,
}

impl Prometheus {
    async fn start(daemon: &Daemon) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = read("prometheus/prometheus.yml");
        assert!(config.contains("127.0.0.1:7722"), "{config}");
        let config = config
            .replace("127.0.0.1:7722", daemon.address())
            .replace("15s", "250ms");
        std::fs::write(directory.path().join("prometheus.yml"), config).unwrap();
        std::fs::copy(
            deploy("prometheus/alerts.yml"),
            directory.path().join("alerts.yml"),
        )
        .unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let child = Command::new("prometheus")
            .arg(format!(
                "--config.file={}",
                directory.path().join("prometheus.yml").display()
            ))
            .arg(format!(
                "--storage.tsdb.path={}",
                directory.path().join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus of Debian's package of that name");
        let prometheus = Self {
            child,
            address,
            _directory: directory,
        };
        let ready = async {
            while fetch(&prometheus.address, "/-/ready")
                .await
                .is_none_or(|(status, _)| status != 200)
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        bounded("prometheus", ready).await;
        prometheus
    }

    /// The result of a query of now.
    async fn query(&self, query: &str) -> Vec<Value> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let path = format!("/api/v1/query?query={encoded}");
        let (_, text) = fetch(&self.address, &path).await.expect("an answer");
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        answer["data"]["result"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    }

    /// Asks until a query of one series has this value.
    async fn reaches(&self, query: &str, wanted: &str) {
        let asking = async {
            loop {
                let result = self.query(query).await;
                if result
                    .first()
                    .is_some_and(|series| series["value"][1] == wanted)
                {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let reached = tokio::time::timeout(PATIENCE, asking).await;
        assert!(reached.is_ok(), "{query} never was {wanted}");
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The queries of the dashboard.
fn queries() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read("grafana/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().unwrap());
    let queries: Vec<String> = targets
        .map(|target| target["expr"].as_str().unwrap().to_owned())
        .collect();
    assert!(queries.len() >= 15, "{queries:?}");
    queries
}

/// The metrics that a query names.
fn metrics_of(query: &str) -> BTreeSet<String> {
    let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = words.filter(|word| word.starts_with("mcp_ssh_") || word.starts_with("process_"));
    ours.map(str::to_owned).collect()
}

#[tokio::test]
async fn it_sees_a_session_go_down_and_come_back() {
    let (mut host, daemon) = world().await;
    mcp::succeed(&daemon, "ssh_connect", json!({"host": "test"})).await;
    mcp::succeed(&daemon, "ssh_exec", json!({"command": "true"})).await;
    let prometheus = Prometheus::start(&daemon).await;
    let up = "mcp_ssh_session_up{session=\"test\"}";
    prometheus.reaches(up, "1").await;
    prometheus
        .reaches("up{job=\"mcp-ssh-sessions\"}", "1")
        .await;
    host.sshd.stop();
    host.sshd.kill_sessions().await;
    prometheus.reaches(up, "0").await;
    prometheus
        .reaches("sum(mcp_ssh_sessions{state=~\"connecting|backoff\"})", "1")
        .await;
    prometheus
        .reaches(
            "count(ALERTS{alertname=\"McpSshSessionDown\", alertstate=\"pending\"})",
            "1",
        )
        .await;
    // The first dial that fails comes within half a second.
    let failed = "mcp_ssh_reconnects_total{outcome=\"connectFailed\"} > bool 0";
    prometheus.reaches(failed, "1").await;
    host.sshd.start().await;
    prometheus.reaches(up, "1").await;
    prometheus
        .reaches("mcp_ssh_reconnects_total{outcome=\"ok\"}", "1")
        .await;
    // The queries of the dashboard, with the variables as Grafana fills them in.
    for query in queries() {
        let query = query
            .replace("$__rate_interval", "1m")
            .replace("$instance", ".*");
        prometheus.query(&query).await;
    }
    mcp::succeed(
        &daemon,
        "ssh_disconnect",
        json!({"session": "test", "forget": true}),
    )
    .await;
    prometheus
        .reaches(&format!("count({up}) or vector(0)"), "0")
        .await;
}

#[tokio::test]
async fn every_query_of_the_dashboard_names_a_metric_that_is_there() {
    let (_host, daemon) = world().await;
    mcp::succeed(&daemon, "ssh_connect", json!({"host": "test"})).await;
    mcp::succeed(&daemon, "ssh_exec", json!({"command": "true"})).await;
    let text = scrape(&daemon).await;
    for query in queries() {
        let names = metrics_of(&query);
        assert!(!names.is_empty(), "{query}");
        for name in names {
            let sample = text.lines().any(|line| {
                let rest = line.strip_prefix(&name);
                rest.is_some_and(|rest| rest.starts_with('{') || rest.starts_with(' '))
            });
            assert!(sample, "{name} of {query}");
        }
    }
}

#[test]
fn the_rules_are_rules_and_do_what_they_should() {
    let promtool = |arguments: &[&str]| {
        run(Command::new("promtool")
            .args(arguments)
            .current_dir(deploy("prometheus")))
    };
    promtool(&["check", "rules", "alerts.yml"]);
    promtool(&["check", "config", "prometheus.yml"]);
    let report = promtool(&["test", "rules", "alerts_test.yml"]);
    assert!(report.contains("SUCCESS"), "{report}");
    for alert in [
        "McpSshSessionDown",
        "McpSshReconnectStorm",
        "McpSshHostKeyRefused",
    ] {
        assert!(
            read("prometheus/alerts_test.yml").contains(alert),
            "{alert} has no test"
        );
    }
}

/// The command line that a service manager starts is valid for the binary.
#[tokio::test]
async fn the_service_files_start_a_daemon() {
    let unit = read("systemd/mcp-ssh-sessions.service");
    let line = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="));
    let arguments = line.unwrap().split_whitespace().skip(1).collect::<Vec<_>>();
    assert_eq!(arguments, ["--http", "7722"]);

    // Python's own reader of property lists is as strict as launchd.
    let script =
        "import json, plistlib, sys; print(json.dumps(plistlib.load(open(sys.argv[1], 'rb'))))";
    let plist = deploy("launchd/mcp-ssh-sessions.plist");
    let text = run(Command::new("python3").args(["-c", script]).arg(plist));
    let plist: Value = serde_json::from_str(&text).unwrap();
    let command = plist["ProgramArguments"][2].as_str().unwrap();
    let arguments = "--http 7722 --token-file \"$HOME/.mcp-ssh-sessions-token\"";
    assert!(command.contains(arguments), "{command}");
    // The daemon starts with these options, on a port of its own.
    let home = tempfile::tempdir().unwrap();
    let token = home.path().join(".mcp-ssh-sessions-token");
    let daemon = Daemon::builder()
        .arg("--token-file")
        .arg(&token)
        .start()
        .await;
    assert!(token.exists());
    drop(daemon);
}
