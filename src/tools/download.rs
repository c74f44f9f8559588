//! `ssh_download`: copies files from the host.

use rmcp::model::CallToolResult;
use schemars::JsonSchema;
use serde::Deserialize;

use super::error::ToolError;
use super::tool::{Call, Hints, Tool};
use super::transfer::{self, Options, VerifyBy};
use crate::ssh::transfer::Direction;

/// The tool.
pub(super) struct Download;

/// Parameters of `ssh_download`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Parameters {
    /// File or directory on the host
    remote_path: String,
    /// Target, as for ssh_upload
    local_path: String,
    session: Option<String>,
    recursive: Option<bool>,
    overwrite: Option<bool>,
    resume: Option<bool>,
    verify: Option<VerifyBy>,
    mode: Option<String>,
    wait_ms: Option<u64>,
}

impl Tool for Download {
    type Parameters = Parameters;
    const NAME: &'static str = "ssh_download";
    const TITLE: &'static str = "Download files";
    const DESCRIPTION: &'static str =
        "Copy a file or a directory from the host. Same parameters and guarantees as ssh_upload.";
    const HINTS: Hints = Hints {
        read_only: false,
        destructive: true,
        idempotent: true,
    };

    async fn call(call: Call, parameters: Parameters) -> Result<CallToolResult, ToolError> {
        let Parameters {
            local_path,
            remote_path,
            session,
            recursive,
            overwrite,
            resume,
            verify,
            mode,
            wait_ms,
        } = parameters;
        let options = Options {
            session,
            recursive,
            overwrite,
            resume,
            verify,
            mode,
            wait_ms,
        };
        transfer::copy(call, Direction::Download, local_path, remote_path, options).await
    }
}
