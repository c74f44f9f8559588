//! `ssh_output` of a transfer: waits for the end, and tells how far the transfer is.

use std::time::Duration;

use rmcp::model::{CallToolResult, ContentBlock, MetaObject};
use serde::Serialize;
use serde_json::json;
use tokio::time::Instant;

use super::record::{TransferRecord, TransferState};
use crate::actors::SessionError;
use crate::actors::job::ended_by::EndedBy;
use crate::actors::job::record::JobRecord;
use crate::actors::job::transfer::TransferJob;
use crate::actors::request::TransferWatch;
use crate::error::Fate;
use crate::ssh::transfer::TransferError;
use crate::tools::command_result::RESULT_META;
use crate::tools::error::ToolError;
use crate::tools::progress;
use crate::tools::record::text_with_notes;
use crate::tools::tool::Call;

/// The record in `_meta`: the transfer's own record with the fields that every job's result has.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct JobMeta<'a> {
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fate: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_by: Option<&'static str>,
    #[serde(flatten)]
    transfer: &'a TransferRecord,
}

/// Waits until the transfer has ended or `wait` is over, and renders the state of the transfer.
pub(in crate::tools) async fn wait_and_render(
    call: &Call,
    job: &JobRecord,
    transfer: &std::sync::Arc<TransferJob>,
    wait: Duration,
) -> Result<CallToolResult, ToolError> {
    let watch = TransferWatch::default();
    watch.set(transfer.clone());
    let _progress = progress::report_transfer(&call.context, watch);
    tokio::select! {
        () = job.wait_ended() => {}
        () = call.context.ct.cancelled() => return Err(ToolError::cancelled()),
        () = tokio::time::sleep_until(Instant::now() + wait) => {}
    }
    let ended = job.ended();
    let elapsed = ended
        .as_ref()
        .map_or_else(|| job.running_for(), |ended| ended.elapsed);
    let ended_by = ended.as_ref().and_then(|ended| ended.ended_by);
    let state = match ended.map(|ended| ended.outcome) {
        None => TransferState::Running,
        Some(Ok(_)) => TransferState::Done,
        Some(Err(SessionError::Transfer(failure))) if failure.error == TransferError::Cancelled => {
            TransferState::Cancelled
        }
        Some(Err(error)) => return Err(error.into()),
    };
    let names = (job.session.to_string(), job.name.clone());
    Ok(render(
        &TransferRecord::of_job(names, state, transfer, elapsed),
        ended_by,
    ))
}

fn render(record: &TransferRecord, ended_by: Option<EndedBy>) -> CallToolResult {
    let (outcome, fate) = match record.state {
        TransferState::Running => ("running", None),
        TransferState::Done => ("exited", Some(Fate::Completed)),
        TransferState::Cancelled => ("cancelled", Some(Fate::Completed)),
    };
    let meta_record = JobMeta {
        outcome,
        fate: fate.map(Fate::as_str),
        ended_by: ended_by.map(EndedBy::as_str),
        transfer: record,
    };
    let mut meta = MetaObject::new();
    meta.insert(RESULT_META.to_owned(), json!(meta_record));
    let mut result = CallToolResult::success(vec![ContentBlock::text(text_with_notes(record))]);
    result.meta = Some(meta);
    result
}
