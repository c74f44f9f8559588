//! The processes that a connection has started on the host, and the marks by which the host finds them again.
//!
//! Nothing in SSH reports the number of a process. Every command and every subsystem therefore carries a variable with
//! a random mark in its environment (`LC_MCP_SSH`), which `ending/find_groups.sh` looks for. The variable costs no
//! round trip, because no reply is asked for. A server that does not admit the variable ignores it; the order of starts
//! decides then, so the list keeps this order.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use russh::Channel;
use russh::client::Msg;
use tokio::sync::Mutex as AsyncMutex;

/// The variable that carries the mark. The default sshd_config of Debian, Ubuntu, Arch and macOS admits `LC_*`.
const VARIABLE: &str = "LC_MCP_SSH";
/// The same for servers with the default sshd_config of Red Hat, which admits exact names. Programs of X alone read
/// this variable: its value asks for no input method, and other words in the value have no meaning.
const SECOND_VARIABLE: &str = "XMODIFIERS";

/// 128 random bits that identify a process among those of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark(u128);

impl Mark {
    pub(crate) fn random() -> Self {
        Self(rand::random())
    }

    /// Puts the mark into the environment of what the channel starts next. `configured` are the variables of the
    /// configuration, which this leaves alone.
    pub(crate) async fn send(
        self,
        channel: &Channel<Msg>,
        configured: &[(String, String)],
    ) -> Result<(), russh::Error> {
        if !configured.iter().any(|(name, _)| name == SECOND_VARIABLE) {
            let value = format!("@im=none@{VARIABLE}={self}");
            channel.set_env(false, SECOND_VARIABLE, value).await?;
        }
        channel.set_env(false, VARIABLE, self.to_string()).await
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// The kind of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A command, a shell or a helper script.
    Command,
    /// An SFTP server. sshd may serve SFTP in a process without a program of its own, which carries no mark.
    Subsystem,
}

/// A process that may be alive on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) mark: Mark,
    kind: Kind,
    /// The channel is open, so the host will report the end of the process. Without this, the process may have ended
    /// unseen.
    is_followed: bool,
}

impl fmt::Display for Entry {
    /// A letter and the mark, as `ending/find_groups.sh` reads them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match (self.kind, self.is_followed) {
            (Kind::Command, true) => 'o',
            (Kind::Command, false) => 'c',
            (Kind::Subsystem, true) => 's',
            (Kind::Subsystem, false) => 'z',
        };
        write!(f, "{letter}{}", self.mark)
    }
}

/// The processes of a connection, in the order of their start.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProcessList {
    entries: Arc<Mutex<Vec<Entry>>>,
    /// Held while an exec request goes out, so that the order is known.
    order: Arc<AsyncMutex<()>>,
}

impl ProcessList {
    /// The lock under which exec requests go out one after the other.
    pub(crate) fn order(&self) -> &AsyncMutex<()> {
        &self.order
    }

    /// The processes that were started and not yet seen to end.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.lock().clone()
    }

    /// Adds a process. Call this under [`Self::order`], after the request has gone out.
    pub(crate) fn add(&self, mark: Mark, kind: Kind) -> Running {
        self.lock().push(Entry {
            mark,
            kind,
            is_followed: true,
        });
        Running {
            list: self.clone(),
            mark,
        }
    }

    /// Removes the unfollowed processes among `seen`, which the host has been found not to have. False if a process
    /// among `seen` has ended since: then the finding says nothing.
    pub(crate) fn remove_unfollowed(&self, seen: &[Entry]) -> bool {
        let mut entries = self.lock();
        if !seen.iter().all(|entry| entries.contains(entry)) {
            return false;
        }
        entries.retain(|entry| entry.is_followed || !seen.contains(entry));
        true
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A process whose end the host is expected to report. Dropping this leaves the process in the list as unfollowed:
/// whether the process is alive is not known.
#[derive(Debug)]
pub(crate) struct Running {
    list: ProcessList,
    pub(crate) mark: Mark,
}

impl Running {
    /// The host has reported the end, or that the process never started.
    pub(crate) fn seen_to_end(self) {
        self.list.lock().retain(|entry| entry.mark != self.mark);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for entry in self.list.lock().iter_mut() {
            if entry.mark == self.mark {
                entry.is_followed = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(list: &ProcessList) -> String {
        let entries = list.entries().into_iter();
        entries
            .filter_map(|entry| entry.to_string().chars().next())
            .collect()
    }

    #[test]
    fn a_process_leaves_the_list_only_when_its_end_is_known() {
        let list = ProcessList::default();
        let first = list.add(Mark::random(), Kind::Command);
        let second = list.add(Mark::random(), Kind::Subsystem);
        let third = list.add(Mark::random(), Kind::Command);
        assert_eq!(letters(&list), "oso");
        drop(second);
        assert_eq!(letters(&list), "ozo");
        first.seen_to_end();
        assert_eq!(letters(&list), "zo");
        drop(third);
        assert_eq!(letters(&list), "zc");
    }

    #[test]
    fn unfollowed_processes_are_removed_unless_something_has_ended_meanwhile() {
        let list = ProcessList::default();
        let open = list.add(Mark::random(), Kind::Command);
        drop(list.add(Mark::random(), Kind::Subsystem));
        let ended = list.add(Mark::random(), Kind::Command);
        let seen = list.entries();
        ended.seen_to_end();
        assert!(!list.remove_unfollowed(&seen));
        assert_eq!(letters(&list), "oz");
        let seen = list.entries();
        drop(list.add(Mark::random(), Kind::Command));
        assert!(list.remove_unfollowed(&seen));
        assert_eq!(letters(&list), "oc", "what was not seen stays");
        open.seen_to_end();
    }
}
