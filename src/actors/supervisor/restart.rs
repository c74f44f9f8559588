//! Restart or park: the supervisor's decision about a session that crashed.
//!
//! Intensity and period in OTP's sense, counted for each session by itself, so that one that keeps crashing
//! cannot take the others down.

use std::collections::VecDeque;

use tokio::time::Instant;

use crate::limits;

/// The crashes of one session within the period.
#[derive(Debug, Default)]
pub(crate) struct CrashHistory(VecDeque<Instant>);

/// What to do about a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RestartDecision {
    /// Start it anew.
    Restart,
    /// Leave it down and say so.
    Park,
}

impl CrashHistory {
    /// Counts a crash and decides.
    pub(crate) fn note(&mut self, now: Instant) -> RestartDecision {
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
                history.note(at(second)),
                RestartDecision::Restart,
                "crash at {second} s"
            );
        }
        assert_eq!(history.note(at(3)), RestartDecision::Park);
        assert_eq!(
            CrashHistory::default().note(at(3)),
            RestartDecision::Restart,
            "others are not counted"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn crashes_that_are_rarer_than_the_period_are_mended_for_ever() {
        let mut history = CrashHistory::default();
        for round in 0..100 {
            let now = Instant::now() + limits::RESTART_PERIOD / 3 * round + Duration::from_secs(1);
            assert_eq!(history.note(now), RestartDecision::Restart, "round {round}");
        }
    }
}
