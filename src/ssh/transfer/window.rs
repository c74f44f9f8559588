//! Which blocks of a file are under way: decides what comes next, and bounds how far it runs ahead.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// A part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Block {
    pub(super) offset: u64,
    pub(super) length: u64,
}

impl Block {
    pub(super) fn end(self) -> u64 {
        self.offset + self.length
    }
}

/// The blocks of one file, handed out in order to any number of workers.
#[derive(Debug)]
pub(super) struct Window {
    state: Mutex<State>,
    moved: Notify,
    size: u64,
    block: u64,
    span: u64,
}

#[derive(Debug)]
struct State {
    /// Everything below has arrived.
    low: u64,
    /// Everything from here on has not been asked for.
    next: u64,
    /// What has arrived above `low`.
    done: BTreeSet<Block>,
}

impl Window {
    /// The part of a file from `start` on, in blocks of `block` bytes.
    pub(super) fn new(start: u64, size: u64, block: u64, span: u64) -> Self {
        let state = State {
            low: start,
            next: start,
            done: BTreeSet::new(),
        };
        Self {
            state: Mutex::new(state),
            moved: Notify::new(),
            size,
            block,
            span: span.max(block),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next block, if it may be asked for now. `None` at the end, `Some(None)` when others have to arrive first.
    pub(super) fn try_next(&self) -> Option<Option<Block>> {
        let mut state = self.state();
        if state.next >= self.size {
            return None;
        }
        let length = self.block.min(self.size - state.next);
        if state.next + length > state.low + self.span {
            return Some(None);
        }
        let offset = state.next;
        state.next += length;
        Some(Some(Block { offset, length }))
    }

    /// The next block, once it may be asked for; nothing at the end.
    pub(super) async fn next(&self) -> Option<Block> {
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            match self.try_next() {
                None => return None,
                Some(Some(block)) => return Some(block),
                Some(None) => moved.await,
            }
        }
    }

    /// A block has arrived.
    pub(super) fn arrived(&self, block: Block) {
        let mut state = self.state();
        state.done.insert(block);
        while let Some(first) = state.done.first().copied()
            && first.offset <= state.low
        {
            state.low = state.low.max(first.end());
            state.done.pop_first();
        }
        drop(state);
        self.moved.notify_waiters();
    }

    /// Everything has arrived.
    pub(super) fn is_done(&self) -> bool {
        self.low() >= self.size
    }

    /// Waits until everything has arrived.
    pub(super) async fn done(&self) {
        self.reached(self.size).await;
    }

    /// Waits until everything below `offset` has arrived.
    pub(super) async fn reached(&self, offset: u64) {
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            if self.low() >= offset {
                return;
            }
            moved.await;
        }
    }

    /// Bytes that have not arrived.
    pub(super) fn left(&self) -> u64 {
        self.size.saturating_sub(self.low())
    }

    /// Everything below this has arrived.
    pub(super) fn low(&self) -> u64 {
        self.state().low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_in_order_and_end_with_the_file() {
        let window = Window::new(0, 25, 10, 100);
        let lengths: Vec<_> = std::iter::from_fn(|| window.try_next().flatten())
            .map(|block| (block.offset, block.length))
            .collect();
        assert_eq!(lengths, [(0, 10), (10, 10), (20, 5)]);
        assert_eq!(window.try_next(), None);
        assert_eq!(Window::new(0, 0, 10, 100).try_next(), None);
        assert_eq!(Window::new(25, 25, 10, 100).try_next(), None);
    }

    #[tokio::test]
    async fn nothing_runs_further_ahead_than_the_span() {
        let window = Window::new(0, 100, 10, 30);
        let blocks: Vec<Block> = std::iter::from_fn(|| window.try_next().flatten()).collect();
        assert_eq!(blocks.len(), 3);
        // What arrives out of order does not move the window.
        window.arrived(blocks[1]);
        window.arrived(blocks[2]);
        assert_eq!((window.try_next(), window.low()), (Some(None), 0));
        let next = window.next();
        tokio::pin!(next);
        window.arrived(blocks[0]);
        assert_eq!(next.await.map(|block| block.offset), Some(30));
        assert_eq!(window.low(), 30);
    }
}
