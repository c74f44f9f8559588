//! Striping: how many channels carry one file, and how many blocks each channel has in flight.
//!
//! On a long link the window of a channel is the limit: four channels carry four times as much, and the whole
//! [`limits::TRANSFER_SPAN_BYTES`] is in flight. On a short link the processors are the limit. There sshd shares a
//! pipe of 64 KiB with the SFTP process of each channel, and with a single channel the two wait for each other in
//! turns; with three channels, some process can always continue. Few bytes are in flight there: data that waits in
//! a buffer has left the processor's caches before use.

use std::time::Duration;

use crate::limits;

/// The limit of a link's speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkKind {
    /// The processors at both ends.
    Short,
    /// The round trips.
    Long,
}

impl LinkKind {
    /// The kind of a link with this round trip; an unmeasured link counts as short.
    pub(super) fn with_round_trip(round_trip: Option<Duration>) -> Self {
        if round_trip.unwrap_or_default() >= limits::TRANSFER_LONG_ROUND_TRIP {
            Self::Long
        } else {
            Self::Short
        }
    }

    /// The number of channels for a file of which `remaining` bytes are missing.
    pub(super) fn channel_count(self, remaining: u64) -> usize {
        let (least, most) = match self {
            Self::Short => (
                limits::TRANSFER_STRIPE_NEAR_MIN_BYTES,
                limits::TRANSFER_STRIPES_NEAR_MAX,
            ),
            Self::Long => (limits::TRANSFER_STRIPE_MIN_BYTES, limits::SFTP_CHANNELS_MAX),
        };
        if remaining < least {
            return 1;
        }
        let useful = remaining / (least / 2);
        usize::try_from(useful).unwrap_or(usize::MAX).min(most)
    }

    /// The number of blocks in flight on each of `channels` channels; a block has `block` bytes. All channels
    /// together fill the span, and no channel takes blocks that another channel could carry.
    pub(super) fn depth(self, channels: usize, block: u64) -> usize {
        let bytes = match self {
            Self::Short => limits::TRANSFER_NEAR_BYTES,
            Self::Long => limits::TRANSFER_SPAN_BYTES,
        };
        let blocks = usize::try_from(bytes / block).unwrap_or(usize::MAX);
        (blocks.min(limits::SFTP_REQUESTS_MAX) / channels).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEBIBYTE: u64 = 1024 * 1024;

    #[test]
    fn large_files_and_long_links_get_more_channels() {
        for (link, remaining, channels) in [
            (LinkKind::Short, 0, 1),
            (LinkKind::Short, 64 * MEBIBYTE - 1, 1),
            (LinkKind::Short, 64 * MEBIBYTE, 2),
            (LinkKind::Short, 96 * MEBIBYTE, 3),
            (LinkKind::Short, u64::MAX, 3),
            (LinkKind::Long, 4 * MEBIBYTE - 1, 1),
            (LinkKind::Long, 4 * MEBIBYTE, 2),
            (LinkKind::Long, 8 * MEBIBYTE, 4),
            (LinkKind::Long, u64::MAX, 4),
        ] {
            let count = link.channel_count(remaining);
            assert_eq!(count, channels, "{link:?} {remaining}");
        }
    }

    #[test]
    fn channels_share_the_blocks_in_flight() {
        let (large, small) = (limits::SFTP_BLOCK_MAX_BYTES, 32 * 1024);
        for (link, channels, block, blocks) in [
            (LinkKind::Short, 1, large, 12),
            (LinkKind::Short, 3, large, 4),
            (LinkKind::Short, 1, small, 64),
            (LinkKind::Short, 3, small, 21),
            (LinkKind::Short, 1, u64::MAX, 1),
            (LinkKind::Long, 1, large, 64),
            (LinkKind::Long, 4, large, 16),
            (LinkKind::Long, 4, small, 16),
        ] {
            let depth = link.depth(channels, block);
            assert_eq!(depth, blocks, "{link:?} {channels} {block}");
        }
    }
}
