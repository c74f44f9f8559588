//! Restart or park: the supervisor's decision about a session that crashed.
//!
//! Intensity and period in OTP's sense, counted for each session separately, so that a session that keeps crashing
//! cannot take the others down.

use std::collections::VecDeque;

use tokio::time::Instant;

use crate::limits;

/// The crashes of a session within the period.
#[derive(Debug, Default)]
pub(crate) struct CrashHistory(VecDeque<Instant>);

/// The answer to a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RestartDecision {
    /// Start the session anew.
    Restart,
    /// Leave the session down, in the state `failed`.
    Park,
}

impl CrashHistory {
    /// Counts a crash and decides on the answer.
    pub(crate) fn decide_on_crash(&mut self, now: Instant) -> RestartDecision {
        let recent =
            |crash: &Instant| now.saturating_duration_since(*crash) < limits::RESTART_PERIOD;
        self.0.retain(recent);
        self.0.push_back(now);
        if self.0.len() > limits::RESTART_INTENSITY {
            RestartDecision::Park
        } else {
            RestartDecision::Restart
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn more_crashes_than_the_intensity_within_the_period_park_a_session() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut history = CrashHistory::default();
        for second in [0, 1, 2] {
            assert_eq!(
                history.decide_on_crash(at(second)),
                RestartDecision::Restart,
                "crash at {second} s"
            );
        }
        assert_eq!(history.decide_on_crash(at(3)), RestartDecision::Park);
        assert_eq!(
            CrashHistory::default().decide_on_crash(at(3)),
            RestartDecision::Restart,
            "others are not counted"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn crashes_that_are_rarer_than_the_period_always_lead_to_a_restart() {
        let mut history = CrashHistory::default();
        for round in 0..100 {
            let now = Instant::now() + limits::RESTART_PERIOD / 3 * round + Duration::from_secs(1);
            assert_eq!(
                history.decide_on_crash(now),
                RestartDecision::Restart,
                "round {round}"
            );
        }
    }
}
