//! Delays between the dials of an outage: exponential backoff with full jitter.
//!
//! Only this file uses the `backoff` crate. The crate is unmaintained (see `deny.toml`) and only computes the
//! intervals here; waiting is on tokio's clock, and the random part comes from the caller.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use tokio::time::Instant;

use crate::limits;

/// The time from the loss of a link until a later link has proved itself.
#[derive(Debug)]
pub(crate) struct Outage {
    intervals: ExponentialBackoff,
    /// Dials since the outage began.
    attempts: u32,
    since: Instant,
}

impl Outage {
    /// An outage that begins now, with the shortest interval.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            intervals: intervals(),
            attempts: 0,
            since: now,
        }
    }

    /// Dials since the outage began.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Counts a dial.
    pub(crate) fn count_attempt(&mut self) {
        self.attempts += 1;
    }

    /// The delay before the next dial, or `None` when the outage has lasted so long that the session stops
    /// dialling by itself. `jitter` is the random part of the interval, from 0 to 1.
    pub(crate) fn next_delay(&mut self, now: Instant, jitter: f64) -> Option<Duration> {
        if now.saturating_duration_since(self.since) >= limits::DORMANT_AFTER {
            return None;
        }
        let interval = self.intervals.next_backoff()?;
        Some(interval.mul_f64(jitter.clamp(0.0, 1.0)))
    }
}

/// Intervals without the crate's own randomization: full jitter takes any part of the whole interval.
fn intervals() -> ExponentialBackoff {
    ExponentialBackoff {
        current_interval: limits::BACKOFF_INITIAL,
        initial_interval: limits::BACKOFF_INITIAL,
        randomization_factor: 0.0,
        multiplier: 2.0,
        max_interval: limits::BACKOFF_MAX,
        // The crate's own limit runs on a clock that tests cannot pause.
        max_elapsed_time: None,
        ..ExponentialBackoff::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_double_up_to_their_maximum() {
        let now = Instant::now();
        let mut outage = Outage::new(now);
        let mut interval = limits::BACKOFF_INITIAL;
        for _ in 0..12 {
            assert_eq!(outage.next_delay(now, 1.0), Some(interval));
            interval = (interval * 2).min(limits::BACKOFF_MAX);
        }
    }

    #[test]
    fn a_delay_is_the_given_part_of_its_interval() {
        let now = Instant::now();
        for jitter in [0.0, 0.25, 0.5, 1.0] {
            let delay = Outage::new(now).next_delay(now, jitter);
            assert_eq!(delay, Some(limits::BACKOFF_INITIAL.mul_f64(jitter)));
        }
    }

    #[test]
    fn an_outage_of_half_an_hour_ends_the_retrying() {
        let start = Instant::now();
        let mut outage = Outage::new(start);
        let almost = start + limits::DORMANT_AFTER - Duration::from_secs(1);
        assert!(outage.next_delay(almost, 0.5).is_some());
        assert_eq!(outage.next_delay(start + limits::DORMANT_AFTER, 0.5), None);
    }
}
