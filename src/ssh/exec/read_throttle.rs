//! Bounds the speed at which a flood of output is read.
//!
//! Nobody waits for each of many megabytes, and reading them at full speed would keep the processor busy at the cost
//! of every other session. So the reader rests after each batch; the windows of the channel and of TCP hand that on,
//! and the command waits as it would for a slow terminal.

use tokio::time::Instant;

use crate::limits;

/// The speed limit of one command's output.
#[derive(Debug, Default)]
pub(in crate::ssh) struct ReadThrottle {
    /// Bytes read so far.
    read: u64,
    /// Bytes after which the reader rests next.
    rest_at: u64,
    /// No byte is read before this.
    until: Option<Instant>,
}

impl ReadThrottle {
    /// Counts bytes that were read.
    pub(in crate::ssh) fn count(&mut self, bytes: usize) {
        self.read += bytes as u64;
        if self.read > limits::FLOOD_AFTER_BYTES && self.read >= self.rest_at {
            self.rest_at = self.read + limits::FLOOD_BATCH_BYTES;
            self.until = Some(Instant::now() + limits::FLOOD_REST);
        }
    }

    /// The end of the current rest, in which nothing is to be read.
    pub(in crate::ssh) fn rests_until(&self) -> Option<Instant> {
        self.until
    }

    /// The rest is over.
    pub(in crate::ssh) fn end_rest(&mut self) {
        self.until = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_is_read_at_full_speed_and_more_of_it_in_batches() {
        let mut throttle = ReadThrottle::default();
        for _ in 0..limits::FLOOD_AFTER_BYTES / 1024 {
            throttle.count(1024);
            assert_eq!(throttle.rests_until(), None);
        }
        throttle.count(1);
        assert!(throttle.rests_until().is_some());
        throttle.end_rest();
        throttle.count(limits::FLOOD_BATCH_BYTES as usize - 1);
        assert_eq!(throttle.rests_until(), None);
        throttle.count(1);
        assert!(throttle.rests_until().is_some());
    }
}
