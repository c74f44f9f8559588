//! Ending, signalling and looking at running commands.
//!
//! [`target`] says which processes a signal is for. [`process_group`] ends commands that have a channel of their own,
//! [`shell_command`] those of a persistent shell: each runs a script on a second channel, whose words [`helper`]
//! reads. [`by_request`] serves where no script can run.

pub(super) mod helper;
pub mod process_group;
pub(super) mod shell_command;
mod signal;
pub(super) mod target;

use russh::ChannelWriteHalf;
use russh::client::Msg;
use tokio::time::{sleep, timeout};

pub use self::signal::{OtherName, Signal};
use crate::limits;

/// How a command was ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KillReport {
    /// The last signal that was sent.
    pub signal: Signal,
    /// Whether the process group is gone, where that could be checked.
    pub gone: Option<bool>,
}

impl KillReport {
    /// Reads the last words of a helper that has ended something: `gone SIGNAL` or `left`.
    fn read(words: &str) -> Option<Self> {
        let (signal, gone) = match words.strip_prefix("gone ") {
            Some(name) => (Signal::parse(name)?, true),
            None if words == "left" => (Signal::Kill, false),
            None => return None,
        };
        Some(Self {
            signal,
            gone: Some(gone),
        })
    }
}

/// Ends one command by signal requests on its own channel, where the caller sees its end.
pub(super) async fn by_request(write: &ChannelWriteHalf<Msg>, last: &mut Signal) {
    for signal in Signal::LADDER {
        *last = signal;
        let sent = timeout(limits::SEND_TIMEOUT, write.signal(signal.to_request())).await;
        if !matches!(sent, Ok(Ok(()))) {
            break;
        }
        sleep(limits::KILL_STEP).await;
    }
}
