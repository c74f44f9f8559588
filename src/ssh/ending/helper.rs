//! The channel of a helper script: its words, and its end.

use russh::ChannelMsg;
use tokio::time::timeout;

use crate::limits;
use crate::ssh::channel::Lease;
use crate::ssh::processes::Running;

/// More than the helper ever says.
const REPORT_MAX_BYTES: usize = 4096;

/// Waits until the host has told the helper's end. Until then sshd may count it among its children, and the next
/// helper has to as well: two errors that cancel each other out would make that helper take one command for another.
pub(super) async fn see_off(mut lease: Lease, running: Running, report: Report) {
    let told = report.ended || {
        let end = timeout(limits::KILL_TIMEOUT, wait_for_end(&mut lease));
        end.await == Ok(true)
    };
    if told {
        running.seen_to_end();
    }
    let _ = timeout(limits::SEND_TIMEOUT, lease.channel.close()).await;
}

/// False when the channel ends without that message.
async fn wait_for_end(lease: &mut Lease) -> bool {
    while let Some(message) = lease.channel.wait().await {
        if is_end(&message) {
            return true;
        }
    }
    false
}

/// Whether a message tells that the host has no process of a command any more, or never had one.
pub(in crate::ssh) fn is_end(message: &ChannelMsg) -> bool {
    matches!(
        message,
        ChannelMsg::ExitStatus { .. } | ChannelMsg::ExitSignal { .. } | ChannelMsg::Failure
    )
}

/// The output of the helper so far.
pub(super) struct Report {
    token: String,
    text: Vec<u8>,
    /// Its end came, maybe before its last words.
    ended: bool,
}

impl Report {
    pub(super) fn new(token: String) -> Self {
        Self {
            token,
            text: Vec::new(),
            ended: false,
        }
    }

    /// The words behind the token, line by line. Anything else (a login banner) is not the helper's.
    pub(super) fn said(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.text);
        let complete = text.rsplit_once('\n').map_or("", |(lines, _)| lines);
        let lines = complete
            .lines()
            .filter_map(|line| line.strip_prefix(self.token.as_str()));
        lines.map(|words| words.trim().to_owned()).collect()
    }

    /// Reads until the condition holds; gives the last words then.
    pub(super) async fn wait_for(
        &mut self,
        lease: &mut Lease,
        done: impl Fn(&[String]) -> bool,
    ) -> Option<String> {
        loop {
            let said = self.said();
            if done(&said) {
                return said.last().cloned();
            }
            let message = lease.channel.wait().await?;
            self.ended |= is_end(&message);
            match message {
                ChannelMsg::Data { data } if self.text.len() + data.len() <= REPORT_MAX_BYTES => {
                    self.text.extend_from_slice(&data);
                }
                ChannelMsg::Data { .. } | ChannelMsg::Failure | ChannelMsg::Close => return None,
                _ => {}
            }
        }
    }
}
