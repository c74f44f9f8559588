//! Progress notifications, at most once a second: a running command's last line, a transfer's bytes, the failed
//! tries of a connect.

use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::service::RequestContext;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::actors::RetryWatch;
use crate::actors::output::OutputWatch;
use crate::actors::request::TransferWatch;
use crate::output::Output;
use crate::text::{visible, visible_line};

/// Time between two notifications.
const PERIOD: Duration = Duration::from_secs(1);
/// Characters of a reported line.
const LINE_MAX_CHARS: usize = 200;

/// Reports the last line of a command's output to a client that asked for progress, until the guard is dropped.
pub(super) fn report_output(
    context: &RequestContext<RoleServer>,
    output: OutputWatch,
) -> Option<DropGuard> {
    let mut reported = 0;
    report(context, move |token| {
        let (length, line) = output.get().map(|output| last_line(&output.lock()))?;
        if length <= reported {
            return None;
        }
        reported = length;
        Some(ProgressNotificationParam::new(token, length as f64).with_message(line))
    })
}

/// Reports the bytes of a transfer to a client that asked for progress, until the guard is dropped.
pub(super) fn report_transfer(
    context: &RequestContext<RoleServer>,
    transfer: TransferWatch,
) -> Option<DropGuard> {
    let mut reported = None;
    report(context, move |token| {
        let transfer = transfer.get()?;
        let bytes = transfer.progress.bytes();
        // The value has to grow with each notification.
        if reported.is_some_and(|reported| bytes <= reported) {
            return None;
        }
        reported = Some(bytes);
        let mut note = ProgressNotificationParam::new(token, bytes as f64);
        let total = transfer.progress.total();
        if total >= bytes && total > 0 {
            note = note.with_total(total as f64);
        }
        Some(note.with_message(format!("{bytes} of {total} bytes")))
    })
}

/// Reports the failed tries of a connect to a client that asked for progress, until the guard is dropped.
pub(super) fn report_tries(
    context: &RequestContext<RoleServer>,
    failures: RetryWatch,
) -> Option<DropGuard> {
    let mut reported = 0;
    report(context, move |token| {
        let failures = failures
            .get()
            .filter(|failures| failures.tries > reported)?;
        reported = failures.tries;
        let last = visible_line(&failures.last.to_string(), LINE_MAX_CHARS);
        let note = ProgressNotificationParam::new(token, f64::from(failures.tries));
        Some(note.with_message(format!("try {} failed: {last}", failures.tries)))
    })
}

/// Sends a notification a period, where `look` has news, until the guard is dropped or the client is gone.
fn report(
    context: &RequestContext<RoleServer>,
    mut look: impl FnMut(ProgressToken) -> Option<ProgressNotificationParam> + Send + 'static,
) -> Option<DropGuard> {
    let token = context.meta.get_progress_token()?;
    let peer = context.peer.clone();
    let ended = CancellationToken::new();
    let guard = ended.clone().drop_guard();
    tokio::spawn(async move {
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        loop {
            tokio::select! {
                () = ended.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let Some(note) = look(token.clone()) else {
                continue;
            };
            if peer.notify_progress(note).await.is_err() {
                return;
            }
        }
    });
    Some(guard)
}

/// Length of the output, and its last line that is not blank.
fn last_line(output: &Output) -> (u64, String) {
    let length = output.len(None);
    let page = output.read(
        None,
        length.saturating_sub(4 * LINE_MAX_CHARS as u64),
        4 * LINE_MAX_CHARS,
    );
    let text = visible(&page.bytes()).text;
    let line = text
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default();
    (length, visible_line(line, LINE_MAX_CHARS))
}
