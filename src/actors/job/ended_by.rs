//! Who ended a job, where the job did not end by itself.

use super::outcome::Outcome;
use crate::ssh::ending::Signal;

/// The call or event that ended a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedBy {
    /// `timeoutMs` of the call that started the job.
    Timeout,
    /// A signal of `ssh_input`.
    Input,
    /// `ssh_disconnect`.
    Disconnect,
    /// `ssh_reconnect`.
    Reconnect,
    /// The end of this program.
    Shutdown,
}

impl EndedBy {
    /// The value in `_meta`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Input => "input",
            Self::Disconnect => "disconnect",
            Self::Reconnect => "reconnect",
            Self::Shutdown => "shutdown",
        }
    }

    /// The call or event in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Timeout => "timeoutMs",
            Self::Input => "ssh_input",
            Self::Disconnect => "ssh_disconnect",
            Self::Reconnect => "ssh_reconnect",
            Self::Shutdown => "the end of this program",
        }
    }

    /// Who ended a command. `stop` is who told the job to end, `sent` the last signal that `ssh_input` sent.
    ///
    /// A signal of `ssh_input` counts only where the outcome shows that very signal: a command that exits after a
    /// signal may have exited by itself.
    pub(super) fn of_outcome(
        outcome: &Outcome,
        stop: Option<Self>,
        sent: Option<Signal>,
    ) -> Option<Self> {
        match outcome {
            Outcome::TimedOut { .. } => Some(Self::Timeout),
            Outcome::Cancelled(_) | Outcome::ConnectionLost(_) => stop,
            Outcome::Signaled(signal) if sent == Some(*signal) => Some(Self::Input),
            // A shutdown signals all processes of a host at once, without a word to their jobs.
            Outcome::Signaled(_) if stop == Some(Self::Shutdown) => stop,
            Outcome::Exited(status) if sent.and_then(shell_status) == Some(*status) => {
                Some(Self::Input)
            }
            Outcome::Exited(_) | Outcome::Signaled(_) | Outcome::Running => None,
        }
    }
}

/// The exit status of a shell whose command was ended by the signal: 128 and the signal's number.
const fn shell_status(signal: Signal) -> Option<u32> {
    match signal {
        Signal::Hup => Some(129),
        Signal::Int => Some(130),
        Signal::Quit => Some(131),
        Signal::Kill => Some(137),
        Signal::Term => Some(143),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssh::disconnect::Disconnect;

    #[test]
    fn the_end_is_attributed_where_it_is_known() {
        let lost = || Outcome::ConnectionLost(Disconnect::ClosedHere);
        let disconnect = Some(EndedBy::Disconnect);
        let rows = [
            (Outcome::Exited(0), None, None, None),
            (Outcome::Exited(0), None, Some(Signal::Term), None),
            (Outcome::Exited(143), None, None, None),
            (
                Outcome::Exited(143),
                None,
                Some(Signal::Term),
                Some(EndedBy::Input),
            ),
            (
                Outcome::Signaled(Signal::Term),
                None,
                Some(Signal::Term),
                Some(EndedBy::Input),
            ),
            (
                Outcome::Signaled(Signal::Kill),
                None,
                Some(Signal::Term),
                None,
            ),
            (Outcome::Cancelled(None), disconnect, None, disconnect),
            (Outcome::Cancelled(None), None, None, None),
            (lost(), disconnect, None, disconnect),
            (lost(), None, None, None),
        ];
        for (outcome, stop, sent, expected) in rows {
            let by = EndedBy::of_outcome(&outcome, stop, sent);
            assert_eq!(by, expected, "{outcome:?} {stop:?} {sent:?}");
        }
    }
}
