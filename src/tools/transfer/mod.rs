//! Calls of `ssh_upload` and `ssh_download`, and `ssh_output` of a transfer.

mod job_result;
mod record;

use std::sync::Arc;

use rmcp::model::CallToolResult;
use schemars::JsonSchema;
use serde::Deserialize;

pub(super) use self::job_result::wait_and_render;
pub(super) use self::record::TransferRecord;
use super::error::ToolError;
use super::tool::Call;
use super::{parameters, progress, record as records};
use crate::actors::request::{TransferRequest, TransferWatch};
use crate::ssh::transfer::{Direction, TransferSpec, Verify};

/// Permissions that can be given to a file.
const MODE_MAX: u32 = 0o7777;

/// Parameters that both tools take besides their paths.
pub(super) struct Options {
    pub(super) session: Option<String>,
    pub(super) recursive: Option<bool>,
    pub(super) overwrite: Option<bool>,
    pub(super) resume: Option<bool>,
    pub(super) verify: Option<VerifyBy>,
    pub(super) mode: Option<String>,
    pub(super) wait_ms: Option<u64>,
}

// The value of `verify`. Not a doc comment: that would become a part of `tools/list`.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum VerifyBy {
    Size,
    Sha256,
}

impl From<VerifyBy> for Verify {
    fn from(by: VerifyBy) -> Self {
        match by {
            VerifyBy::Size => Self::Size,
            VerifyBy::Sha256 => Self::Sha256,
        }
    }
}

/// Serves a call of either tool.
pub(super) async fn copy(
    call: Call,
    direction: Direction,
    local: String,
    remote: String,
    options: Options,
) -> Result<CallToolResult, ToolError> {
    let session = parameters::session(options.session)?;
    let watch = TransferWatch::default();
    let spec = TransferSpec {
        direction,
        local,
        remote,
        recursive: options.recursive.unwrap_or(false),
        overwrite: options.overwrite.unwrap_or(true),
        resume: options.resume.unwrap_or(false),
        verify: options.verify.map_or(Verify::Size, Verify::from),
        mode: options.mode.as_deref().map(mode).transpose()?,
        policy: Arc::clone(&call.local_policy),
    };
    let request = TransferRequest {
        spec,
        wait: parameters::wait(options.wait_ms)?,
        cancel: call.context.ct.clone(),
        watch: watch.clone(),
    };
    let _progress = progress::report_transfer(&call.context, watch);
    let report = call.supervisor.transfer(session, request).await?;
    records::result(&TransferRecord::of_call(&report))
}

/// Parses permissions, in octal digits as `chmod` takes them.
fn mode(text: &str) -> Result<u32, ToolError> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let is_octal = !digits.is_empty() && digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    let mode = u32::from_str_radix(digits, 8).ok();
    mode.filter(|mode| is_octal && *mode <= MODE_MAX)
        .ok_or_else(|| {
            let given: String = text.chars().take(20).collect();
            ToolError::invalid(format!(
                "mode is {given:?}; give octal digits such as \"0644\" or \"755\""
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_octal() {
        for (text, expected) in [
            ("0644", 0o644),
            ("755", 0o755),
            ("0o600", 0o600),
            ("4755", 0o4755),
        ] {
            assert_eq!(mode(text), Ok(expected), "{text}");
        }
        for text in ["", "rw", "888", "0x1ff", "17777", "-1", "+644", "6 4"] {
            assert!(mode(text).is_err(), "{text}");
        }
    }
}
