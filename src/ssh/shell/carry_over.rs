//! The state that a session carries from a shell to the next. In memory only.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::ssh::framing::Saved;

/// Shared by a session and the shell that it has at the moment.
#[derive(Debug, Default)]
pub(crate) struct ShellCarryOver(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    /// Shells so far.
    generation: u64,
    saved: Option<Saved>,
    /// Why the last shell ended, and when a call ended it.
    ended: Option<(String, Option<Instant>)>,
    /// Commands that have ended and behind which the shell tells its state, less those whose state has come. Either
    /// may come first. Above zero, the saved state may lack changes of the last command.
    owed: i64,
    /// The missing bash was already reported.
    said_sh: bool,
}

impl ShellCarryOver {
    /// The directory of the shell, not yet made visible.
    pub(crate) fn cwd(&self) -> Option<String> {
        let remembered = self.lock();
        let cwd = remembered.saved.as_ref()?.cwd.as_ref()?;
        Some(String::from_utf8_lossy(cwd).into_owned())
    }

    /// Drops the saved state, which a new shell did not survive.
    pub(crate) fn forget_state(&self) {
        self.lock().saved = None;
    }

    /// Notes why the shell is no more. The first reason counts: a shell that a call ended may say something else.
    pub(crate) fn note_end(&self, words: String) {
        self.lock().ended.get_or_insert((words, None));
    }

    /// Notes that a call ends the shell.
    pub(crate) fn note_ended_by(&self, call: &str) {
        let words = format!("the shell was ended by {call}");
        let now = Instant::now();
        self.lock().ended.get_or_insert((words, Some(now)));
    }

    /// Why the last shell ended; taken when the next shell is ready.
    pub(crate) fn take_end(&self) -> Option<String> {
        let (words, at) = self.lock().ended.take()?;
        Some(match at {
            Some(at) => format!("{words} {} s ago", at.elapsed().as_secs()),
            None => words,
        })
    }

    /// Counts a new shell.
    pub(crate) fn next_generation(&self) -> u64 {
        let mut remembered = self.lock();
        remembered.generation += 1;
        remembered.generation
    }

    /// Whether the missing bash is still to be reported. True once.
    pub(crate) fn says_sh(&self) -> bool {
        !std::mem::replace(&mut self.lock().said_sh, true)
    }

    pub(super) fn keep_cwd(&self, cwd: Vec<u8>) {
        let mut remembered = self.lock();
        remembered.saved.get_or_insert_default().cwd = Some(cwd);
    }

    /// A command has ended behind which its shell tells its state.
    pub(super) fn owe_state(&self) {
        self.lock().owed += 1;
    }

    /// The shell has written its state, readable or not.
    pub(super) fn pay_state(&self) {
        self.lock().owed -= 1;
    }

    /// Whether the last shell ended before it had written the state after its last command.
    pub(crate) fn take_owed(&self) -> bool {
        std::mem::take(&mut self.lock().owed) > 0
    }

    /// Umask and variables; the directory was told before.
    pub(super) fn keep_state(&self, mut state: Saved) {
        let mut remembered = self.lock();
        let saved = remembered.saved.get_or_insert_default();
        state.cwd = saved.cwd.take();
        *saved = state;
    }

    pub(super) fn saved(&self) -> Option<Saved> {
        self.lock().saved.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_reason_of_an_end_counts() {
        let memory = ShellCarryOver::default();
        memory.note_ended_by("ssh_disconnect");
        memory.note_end("its connection is gone".to_owned());
        let words = memory.take_end().unwrap();
        assert_eq!(words, "the shell was ended by ssh_disconnect 0 s ago");
        assert_eq!(memory.take_end(), None);
    }

    #[test]
    fn what_was_not_told_is_owed_once_whichever_comes_first() {
        let memory = ShellCarryOver::default();
        memory.owe_state();
        memory.pay_state();
        assert!(!memory.take_owed());
        // The state may be seen before the end of the command.
        memory.pay_state();
        memory.owe_state();
        assert!(!memory.take_owed());
        memory.owe_state();
        memory.pay_state();
        memory.owe_state();
        assert!(memory.take_owed());
        assert!(!memory.take_owed());
    }
}
