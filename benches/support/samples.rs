//! Repeated measurements of one thing.

use std::time::Duration;

/// Times of one kind of work, in no order.
#[derive(Debug, Default)]
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    /// Adds one.
    pub(crate) fn push(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The smallest sample that at least this share of all do not exceed (nearest rank); zero without any.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or_default()
    }

    /// Half of the samples are at most this.
    pub(crate) fn median(&self) -> Duration {
        self.percentile(50)
    }

    /// How many times as long as the others this takes, in the median.
    pub(crate) fn over(&self, others: &Self) -> f64 {
        self.median().as_secs_f64() / others.median().as_secs_f64()
    }

    /// `3.10 ms (p90 4.02)`
    pub(crate) fn in_millis(&self) -> String {
        format!(
            "{:.2} ms (p90 {:.2})",
            millis(self.median()),
            millis(self.percentile(90))
        )
    }

    /// The same as multiples of a unit: `1.20 RTT (p90 1.31)`
    pub(crate) fn in_units(&self, unit: Duration, name: &str) -> String {
        let units = |time: Duration| time.as_secs_f64() / unit.as_secs_f64();
        format!(
            "{:.2} {name} (p90 {:.2})",
            units(self.median()),
            units(self.percentile(90))
        )
    }
}

/// Milliseconds with their fraction.
pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
