//! The blocks of a file in flight: hands out the next block, and bounds the distance to the oldest missing block.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// A part of a file, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Block {
    pub(super) offset: u64,
    pub(super) length: u64,
}

impl Block {
    /// The offset behind the block.
    pub(super) fn end(self) -> u64 {
        self.offset + self.length
    }
}

/// The answer of [`Window::try_next`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Take this block.
    Block(Block),
    /// Earlier blocks must arrive first.
    Wait,
    /// No blocks are left.
    End,
}

/// The blocks of a file, handed out in order to any number of channels.
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
    /// All bytes below this offset have arrived.
    low: u64,
    /// Bytes from this offset on have not been handed out.
    next: u64,
    /// Blocks that arrived above `low`.
    done: BTreeSet<Block>,
}

impl Window {
    /// The bytes of a file from `start` to `size`, in blocks of `block` bytes, of which at most `span` bytes are in
    /// flight.
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

    /// Hands out the next block, if the span allows.
    fn try_next(&self) -> Next {
        let mut state = self.state();
        if state.next >= self.size {
            return Next::End;
        }
        let length = self.block.min(self.size - state.next);
        if state.next + length > state.low + self.span {
            return Next::Wait;
        }
        let offset = state.next;
        state.next += length;
        Next::Block(Block { offset, length })
    }

    /// Waits for the next block; `None` at the end.
    pub(super) async fn next(&self) -> Option<Block> {
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            match self.try_next() {
                Next::End => return None,
                Next::Block(block) => return Some(block),
                Next::Wait => moved.await,
            }
        }
    }

    /// Records the arrival of a block.
    pub(super) fn mark_arrived(&self, block: Block) {
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

    /// Whether all blocks have arrived.
    pub(super) fn is_done(&self) -> bool {
        self.low() >= self.size
    }

    /// Waits for the arrival of all blocks.
    pub(super) async fn done(&self) {
        self.reached(self.size).await;
    }

    /// Waits for the arrival of all bytes below `offset`.
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

    /// Bytes above [`Self::low`].
    pub(super) fn left(&self) -> u64 {
        self.size.saturating_sub(self.low())
    }

    /// All bytes below this offset have arrived.
    pub(super) fn low(&self) -> u64 {
        self.state().low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn try_block(window: &Window) -> Option<Block> {
        match window.try_next() {
            Next::Block(block) => Some(block),
            Next::Wait | Next::End => None,
        }
    }

    #[test]
    fn blocks_come_in_order_and_end_with_the_file() {
        let window = Window::new(0, 25, 10, 100);
        let lengths: Vec<_> = std::iter::from_fn(|| try_block(&window))
            .map(|block| (block.offset, block.length))
            .collect();
        assert_eq!(lengths, [(0, 10), (10, 10), (20, 5)]);
        assert_eq!(window.try_next(), Next::End);
        assert_eq!(Window::new(0, 0, 10, 100).try_next(), Next::End);
        assert_eq!(Window::new(25, 25, 10, 100).try_next(), Next::End);
    }

    #[tokio::test]
    async fn nothing_runs_further_ahead_than_the_span() {
        let window = Window::new(0, 100, 10, 30);
        let blocks: Vec<Block> = std::iter::from_fn(|| try_block(&window)).collect();
        assert_eq!(blocks.len(), 3);
        // Blocks that arrive out of order do not move the window.
        window.mark_arrived(blocks[1]);
        window.mark_arrived(blocks[2]);
        assert_eq!((window.try_next(), window.low()), (Next::Wait, 0));
        let next = window.next();
        tokio::pin!(next);
        window.mark_arrived(blocks[0]);
        assert_eq!(next.await.map(|block| block.offset), Some(30));
        assert_eq!(window.low(), 30);
    }
}
