//! How many channels carry one file, and how many blocks each has under way.
//!
//! On a long link a channel's window is the limit, so that four carry four times as much, and all of the span is
//! under way. On a short link the processors are. There sshd shares a pipe of 64 KiB with the SFTP process of each
//! channel, and with one channel they wait for each other in turns; with three there is always one to go on with.
//! What is under way is kept small there: everything that waits in a buffer has left the caches when it is needed.

use super::Context;
use crate::limits;

/// What bounds the speed of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    /// The processors at its ends.
    Short,
    /// The round trips.
    Long,
}

fn link(context: &Context) -> Link {
    let round_trip = context.pool.channels().round_trip().unwrap_or_default();
    if round_trip >= limits::TRANSFER_LONG_ROUND_TRIP {
        Link::Long
    } else {
        Link::Short
    }
}

/// Whether round trips cost more than the work that they stand for.
pub(super) fn is_long_link(context: &Context) -> bool {
    link(context) == Link::Long
}

/// How many channels the rest of a file goes over.
pub(super) fn count(context: &Context, remaining: u64) -> usize {
    count_on(link(context), remaining)
}

/// How many blocks of this size each of so many channels has under way.
pub(super) fn depth(context: &Context, lanes: usize, block: u64) -> usize {
    depth_on(link(context), lanes, block)
}

fn count_on(link: Link, remaining: u64) -> usize {
    let (least, most) = match link {
        Link::Short => (
            limits::TRANSFER_STRIPE_NEAR_MIN_BYTES,
            limits::TRANSFER_STRIPES_NEAR_MAX,
        ),
        Link::Long => (limits::TRANSFER_STRIPE_MIN_BYTES, limits::SFTP_CHANNELS_MAX),
    };
    if remaining < least {
        return 1;
    }
    let useful = remaining / (least / 2);
    usize::try_from(useful).unwrap_or(usize::MAX).min(most)
}

/// Together they fill what may be under way, and no channel takes the blocks that another one could carry.
fn depth_on(link: Link, lanes: usize, block: u64) -> usize {
    let bytes = match link {
        Link::Short => limits::TRANSFER_NEAR_BYTES,
        Link::Long => limits::TRANSFER_SPAN_BYTES,
    };
    let blocks = usize::try_from(bytes / block).unwrap_or(usize::MAX);
    (blocks.min(limits::SFTP_REQUESTS_MAX) / lanes).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEBIBYTE: u64 = 1024 * 1024;

    #[test]
    fn large_files_and_long_links_get_more_channels() {
        for (link, remaining, lanes) in [
            (Link::Short, 0, 1),
            (Link::Short, 64 * MEBIBYTE - 1, 1),
            (Link::Short, 64 * MEBIBYTE, 2),
            (Link::Short, 96 * MEBIBYTE, 3),
            (Link::Short, u64::MAX, 3),
            (Link::Long, 4 * MEBIBYTE - 1, 1),
            (Link::Long, 4 * MEBIBYTE, 2),
            (Link::Long, 8 * MEBIBYTE, 4),
            (Link::Long, u64::MAX, 4),
        ] {
            assert_eq!(count_on(link, remaining), lanes, "{link:?} {remaining}");
        }
    }

    #[test]
    fn channels_share_what_may_be_under_way() {
        let (large, small) = (limits::SFTP_BLOCK_MAX_BYTES, 32 * 1024);
        for (link, lanes, block, blocks) in [
            (Link::Short, 1, large, 12),
            (Link::Short, 3, large, 4),
            (Link::Short, 1, small, 64),
            (Link::Short, 3, small, 21),
            (Link::Short, 1, u64::MAX, 1),
            (Link::Long, 1, large, 64),
            (Link::Long, 4, large, 16),
            (Link::Long, 4, small, 16),
        ] {
            let depth = depth_on(link, lanes, block);
            assert_eq!(depth, blocks, "{link:?} {lanes} {block}");
        }
    }
}
