//! The change of a shell's directory in front of a command.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::command::{Done, Frame};
use super::{Shell, ShellCarryOver};
use crate::output::Stream;
use crate::ssh::command;
use crate::ssh::peer_text::one_line;

/// Bytes of output that are kept of `cd`.
const KEPT_BYTES: usize = 4096;

impl Shell {
    /// Changes the directory in a frame of its own. If the directory cannot be entered, the result has the reason.
    pub(super) async fn change_directory(
        &mut self,
        directory: &str,
        stop: &CancellationToken,
        sent: impl FnOnce(),
        carry_over: &ShellCarryOver,
    ) -> Done {
        let failure = command::token();
        let text = self.dialect.changing_directory(directory, &failure);
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let mut sink = |stream: Stream, bytes: &[u8]| {
            let kept = match stream {
                Stream::Stdout => &mut stdout,
                Stream::Stderr => &mut stderr,
            };
            kept.extend_from_slice(&bytes[..bytes.len().min(KEPT_BYTES - kept.len())]);
        };
        let frame = Frame {
            text: &text,
            sink: &mut sink,
            stop,
            signals: mpsc::channel(1).1,
        };
        let is_plain = self.is_plain;
        let mut done = self.run_frame(frame, sent, carry_over).await;
        // The change defines nothing that could give plain words another meaning.
        self.is_plain = is_plain;
        if String::from_utf8_lossy(&stdout).contains(&failure) {
            done.no_directory = Some(reason(&String::from_utf8_lossy(&stderr)));
        }
        done
    }
}

/// The message of `cd` among the traces that the shell may print.
fn reason(stderr: &str) -> String {
    let is_message = |line: &&str| line.contains("cd: ") && !line.starts_with('+');
    match stderr.lines().find(is_message) {
        Some(line) => one_line(line.trim()),
        None => "no reason given".to_owned(),
    }
}
