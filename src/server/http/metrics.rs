//! `/metrics`: counters and gauges in the text format of Prometheus.
//!
//! Events come from the recorder. States (sessions, running jobs) are read from the actors at each scrape and written
//! here, so that a forgotten session is gone with the next scrape: the recorder never forgets a label, and its idle
//! timeout would also remove counters of live sessions and start them at 0 again.

use std::fmt::Write;

use axum::body::Body;
use axum::http::{HeaderValue, Response, header};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;

use super::health::count;
use crate::actors::SupervisorHandle;
use crate::actors::report::SessionStatus;
use crate::actors::session::StateName;
use crate::limits;
use crate::metrics;
use crate::tools::Catalog;

/// Version 0.0.4 of the text format, which every Prometheus reads.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The recorder of this process.
#[derive(Clone)]
pub(super) struct Recorder {
    handle: PrometheusHandle,
    process: Collector,
}

impl Recorder {
    /// Installs the recorder; works once in a process.
    pub(super) fn install() -> Result<Self, String> {
        let mut builder = PrometheusBuilder::new();
        for (name, bounds) in metrics::BUCKETS {
            builder = builder
                .set_buckets_for_metric(Matcher::Full(name.to_owned()), bounds)
                .map_err(|error| error.to_string())?;
        }
        let handle = builder
            .install_recorder()
            .map_err(|error| error.to_string())?;
        metrics::register(env!("CARGO_PKG_VERSION"), &Catalog::default().names());
        let process = Collector::default();
        process.describe();
        tokio::spawn(keep_up(handle.clone()));
        Ok(Self { handle, process })
    }

    /// Answers a scrape.
    pub(super) async fn render(&self, supervisor: &SupervisorHandle) -> Response<Body> {
        self.process.collect();
        let list = supervisor.list().await;
        let mut text = self.handle.render();
        text.push_str(&states(&list.sessions));
        let mut response = Response::new(Body::from(text));
        let format = HeaderValue::from_static(TEXT_FORMAT);
        response.headers_mut().insert(header::CONTENT_TYPE, format);
        response
    }
}

/// Folds recorded durations into their histograms regularly: a scrape does the same, but there may be no scraper.
async fn keep_up(handle: PrometheusHandle) {
    loop {
        tokio::time::sleep(limits::METRICS_UPKEEP).await;
        handle.run_upkeep();
    }
}

/// Writes the gauges. Session names need no escaping: they consist of letters, digits, `.`, `_` and `-`.
fn states(sessions: &[SessionStatus]) -> String {
    let mut text = String::new();
    gauge(
        &mut text,
        "mcp_ssh_sessions",
        "Sessions in each state.",
        StateName::ALL.map(|state| {
            (
                format!("{{state=\"{state}\"}}"),
                count(sessions, state) as f64,
            )
        }),
    );
    gauge(
        &mut text,
        "mcp_ssh_session_up",
        "Whether a session is connected.",
        sessions.iter().map(|status| {
            let up = if status.state == StateName::Ready {
                1.0
            } else {
                0.0
            };
            (label(status), up)
        }),
    );
    gauge(
        &mut text,
        "mcp_ssh_session_connected_seconds",
        "Time that a session has been connected; 0 while disconnected.",
        sessions.iter().map(|status| {
            let connected = status.connected_for.unwrap_or_default();
            (label(status), connected.as_secs_f64())
        }),
    );
    let jobs: usize = sessions.iter().map(|status| status.jobs.len()).sum();
    gauge(
        &mut text,
        "mcp_ssh_jobs_running",
        "Commands that run now.",
        [(String::new(), jobs as f64)],
    );
    text
}

fn label(status: &SessionStatus) -> String {
    format!("{{session=\"{}\"}}", status.session)
}

fn gauge(
    text: &mut String,
    name: &str,
    help: &str,
    samples: impl IntoIterator<Item = (String, f64)>,
) {
    // Writing to a String does not fail.
    let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n");
    for (labels, value) in samples {
        let _ = writeln!(text, "{name}{labels} {value}");
    }
    text.push('\n');
}
