//! When to dial again: exponential backoff with full jitter. The only place that uses the `backoff` crate.
//!
//! The crate is unmaintained (see `deny.toml`): it only computes delays here. Waiting is on tokio's clock.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use tokio::time::Instant;

use crate::limits;

/// The delays of one outage.
#[derive(Debug)]
pub(crate) struct Reconnect {
    delays: ExponentialBackoff,
    attempts: u32,
    /// Start of the outage.
    since: Instant,
}

impl Reconnect {
    /// The first delay of a fresh outage comes next.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            delays: delays(),
            attempts: 0,
            since: now,
        }
    }

    /// Dials since the outage began.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Counts a dial.
    pub(crate) fn note_attempt(&mut self) {
        self.attempts += 1;
    }

    /// The delay before the next dial, or nothing when the session should go dormant.
    pub(crate) fn next_delay(&mut self, now: Instant) -> Option<Duration> {
        if now.saturating_duration_since(self.since) >= limits::DORMANT_AFTER {
            return None;
        }
        self.delays.next_backoff()
    }
}

/// Full jitter: the crate spreads a delay by ± its randomization factor, so a factor of 1 around half of
/// the interval gives a random part of the whole interval.
fn delays() -> ExponentialBackoff {
    ExponentialBackoff {
        current_interval: limits::BACKOFF_INITIAL / 2,
        initial_interval: limits::BACKOFF_INITIAL / 2,
        randomization_factor: 1.0,
        multiplier: 2.0,
        max_interval: limits::BACKOFF_MAX / 2,
        // The crate's own limit runs on a clock that tests cannot pause.
        max_elapsed_time: None,
        ..ExponentialBackoff::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn delays_grow_to_their_maximum_and_stay_below_their_interval() {
        let mut reconnect = Reconnect::new(Instant::now());
        let mut interval = limits::BACKOFF_INITIAL;
        let mut delays = Vec::new();
        for _ in 0..12 {
            let delay = reconnect
                .next_delay(Instant::now())
                .expect("not dormant yet");
            assert!(
                delay <= interval + Duration::from_millis(1),
                "{delay:?} is over {interval:?}"
            );
            delays.push(delay);
            interval = (interval * 2).min(limits::BACKOFF_MAX);
        }
        let distinct: std::collections::HashSet<_> = delays.iter().collect();
        assert!(distinct.len() > 6, "no jitter: {delays:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_of_half_an_hour_ends_the_retrying() {
        let start = Instant::now();
        let mut reconnect = Reconnect::new(start);
        assert!(
            reconnect
                .next_delay(start + limits::DORMANT_AFTER - Duration::from_secs(1))
                .is_some()
        );
        assert_eq!(reconnect.next_delay(start + limits::DORMANT_AFTER), None);
    }
}
