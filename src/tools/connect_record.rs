//! The record of `ssh_connect` and `ssh_reconnect`.

use schemars::JsonSchema;
use serde::Serialize;

use super::record::{LINE_MAX_CHARS, Notes, Record, as_word, millis};
use crate::actors::report::ConnectReport;
use crate::actors::session::StateName;
use crate::text::visible_line;

/// The host key that a connection accepted.
#[derive(Debug, Serialize, JsonSchema)]
struct HostKeyRecord {
    algorithm: String,
    fingerprint: String,
    source: String,
}

/// A session that is connected.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConnectRecord {
    session: String,
    #[serde(serialize_with = "as_word")]
    #[schemars(with = "String")]
    state: StateName,
    host: String,
    port: u16,
    username: String,
    is_default: bool,
    reused: bool,
    auth: String,
    host_key: HostKeyRecord,
    server_version: String,
    connect_ms: u64,
    /// Jobs that `ssh_reconnect` told to end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub(super) ended_jobs: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Notes::is_empty")]
    #[schemars(skip)]
    notes: Notes,
}

impl From<ConnectReport> for ConnectRecord {
    fn from(report: ConnectReport) -> Self {
        Self {
            session: report.session.to_string(),
            state: StateName::Ready,
            host: report.host,
            port: report.port,
            username: report.username,
            is_default: report.is_default,
            reused: report.reused,
            auth: report.auth.to_owned(),
            host_key: HostKeyRecord {
                algorithm: report.host_key.algorithm,
                fingerprint: report.host_key.fingerprint,
                source: report.host_key.source,
            },
            server_version: report.server_version,
            connect_ms: millis(report.connect_time),
            ended_jobs: (!report.ended_jobs.is_empty()).then_some(report.ended_jobs),
            notes: Notes::new(&report.notes),
        }
    }
}

impl Record for ConnectRecord {
    fn text(&self) -> String {
        let default = if self.is_default {
            ", the default session"
        } else {
            ""
        };
        let how = if self.reused {
            "already connected".to_owned()
        } else {
            format!("connected in {} ms", self.connect_ms)
        };
        let text = format!(
            "session {}{default}: {how} to {}@{} port {} ({}); host key {} {} ({}); {}",
            self.session,
            self.username,
            self.host,
            self.port,
            self.auth,
            self.host_key.algorithm,
            self.host_key.fingerprint,
            self.host_key.source,
            self.server_version,
        );
        let ended = match self.ended_jobs.as_deref() {
            None | Some([]) => String::new(),
            Some(jobs) => format!("; ended {}", jobs.join(", ")),
        };
        visible_line(&format!("{text}{ended}"), LINE_MAX_CHARS)
    }

    fn notes(&self) -> &Notes {
        &self.notes
    }
}
