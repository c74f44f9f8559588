//! `ssh_connect`: opens a session, or confirms that the session is connected.

use std::sync::Arc;

use rmcp::model::{CallToolResult, JsonObject};
use schemars::JsonSchema;
use serde::Deserialize;

use super::connect_record::ConnectRecord;
use super::error::ToolError;
use super::tool::{Call, Hints, Tool};
use super::{parameters, progress, record, schema};
use crate::actors::request::ConnectRequest;
use crate::limits;
use crate::ssh::credentials::{Credentials, Secret};
use crate::ssh::target::Target;
use crate::store::{AuthKind, SessionName, SessionSpec};

/// The tool.
pub(super) struct Connect;

/// Parameters of `ssh_connect`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Parameters {
    /// ssh_config alias, host name, address, user@host, host:port or ssh://user@host:port
    host: String,
    /// Session name; default: the host
    name: Option<String>,
    port: Option<u16>,
    username: Option<String>,
    /// Use this key file alone
    private_key_path: Option<String>,
    /// Of the key file; kept in memory only
    passphrase: Option<String>,
    /// Kept in memory only
    password: Option<String>,
    /// Jump host, as ssh -J
    proxy_jump: Option<String>,
    make_default: Option<bool>,
    /// For the whole connect
    connect_timeout_ms: Option<u64>,
    /// Keep trying until the host is up; at most 50000
    retry_for_ms: Option<u64>,
}

impl Tool for Connect {
    type Parameters = Parameters;
    const NAME: &'static str = "ssh_connect";
    const TITLE: &'static str = "Connect";
    const DESCRIPTION: &'static str = "Open a named SSH session, or confirm that it is connected; uses ssh config, known_hosts and agent. The session reconnects by itself and is saved for later conversations.";
    const HINTS: Hints = Hints {
        read_only: false,
        destructive: false,
        idempotent: true,
    };

    fn output_schema() -> Option<Arc<JsonObject>> {
        Some(schema::output::<ConnectRecord>())
    }

    async fn call(call: Call, parameters: Parameters) -> Result<CallToolResult, ToolError> {
        let retry = parameters::retry(parameters.retry_for_ms)?;
        let request = request(parameters)?;
        let cancelled = call.context.ct.clone();
        let _reports = progress::report_tries(&call.context, retry.failures.clone());
        tokio::select! {
            report = call.supervisor.connect_within(request, retry) => record::result(&ConnectRecord::from(report?)),
            // The client gets no answer; a dial that is under way ends by itself.
            () = cancelled.cancelled() => Err(ToolError::cancelled()),
        }
    }
}

fn request(parameters: Parameters) -> Result<ConnectRequest, ToolError> {
    Target::parse(&parameters.host)
        .map_err(|error| ToolError::invalid(format!("host: {error}")))?;
    if parameters.port == Some(0) {
        return Err(ToolError::invalid("port is 0; give 1 to 65535".to_owned()));
    }
    let name = match &parameters.name {
        Some(name) => parameters::session_name("name", name)?,
        None => SessionName::from_host(&parameters.host),
    };
    let auth = if parameters.password.is_some() {
        AuthKind::Password
    } else {
        AuthKind::Agent
    };
    let mut spec = SessionSpec::new(parameters.host, auth);
    spec.port = parameters.port;
    spec.username = parameters.username;
    spec.private_key_path = parameters.private_key_path;
    spec.proxy_jump = parameters.proxy_jump;
    Ok(ConnectRequest {
        name,
        spec,
        credentials: Credentials {
            password: parameters.password.map(Secret::new),
            passphrase: parameters.passphrase.map(Secret::new),
        },
        make_default: parameters.make_default.unwrap_or(false),
        connect_timeout: parameters::positive(
            "connectTimeoutMs",
            parameters.connect_timeout_ms,
            limits::CONNECT_TIMEOUT_MAX,
        )?,
    })
}
