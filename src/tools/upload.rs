//! `ssh_upload`: copies files to the host.

use std::sync::Arc;

use rmcp::model::{CallToolResult, JsonObject};
use schemars::JsonSchema;
use serde::Deserialize;

use super::error::ToolError;
use super::schema;
use super::tool::{Call, Hints, Tool};
use super::transfer::{self, Options, TransferRecord, VerifyBy};
use crate::ssh::transfer::Direction;

/// The tool.
pub(super) struct Upload;

/// Parameters of `ssh_upload`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Parameters {
    /// File or directory here
    local_path: String,
    /// Target: a file, or an existing directory to copy into
    remote_path: String,
    session: Option<String>,
    /// Copy a directory's content
    recursive: Option<bool>,
    /// Replace what is there; default true
    overwrite: Option<bool>,
    /// Continue from a partial file, and leave one on failure
    resume: Option<bool>,
    /// Compare by; default size
    verify: Option<VerifyBy>,
    /// Octal permissions instead of the source's
    mode: Option<String>,
    wait_ms: Option<u64>,
}

impl Tool for Upload {
    type Parameters = Parameters;
    const NAME: &'static str = "ssh_upload";
    const TITLE: &'static str = "Upload files";
    const DESCRIPTION: &'static str = "Copy a file or a directory to the host. The target is whole or untouched; modes, times and links are kept. After waitMs the transfer continues as a job.";
    const HINTS: Hints = Hints {
        read_only: false,
        destructive: true,
        idempotent: true,
    };

    fn output_schema() -> Option<Arc<JsonObject>> {
        Some(schema::output::<TransferRecord>())
    }

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
        transfer::copy(call, Direction::Upload, local_path, remote_path, options).await
    }
}
