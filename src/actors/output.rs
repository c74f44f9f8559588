//! The output of a command, shared between the task that reads it and those who look at it.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;

use crate::output::{Output, OutputLimits, Stream};

/// The output of a command that may not have started yet.
#[derive(Debug, Clone, Default)]
pub struct OutputWatch(Arc<OnceLock<SharedOutput>>);

impl OutputWatch {
    /// The output, once there is a command.
    pub fn get(&self) -> Option<&SharedOutput> {
        self.0.get()
    }

    /// Makes an output watchable.
    pub fn set(&self, output: SharedOutput) {
        // A command that was requeued before it was sent shows its first output, which stays empty.
        let _ = self.0.set(output);
    }
}

/// The output of one command, shared between its reader and those who look at it.
#[derive(Debug, Clone)]
pub struct SharedOutput {
    output: Arc<Mutex<Output>>,
    /// For those who wait for more.
    arrived: watch::Sender<Arrived>,
}

/// How much output there is, and since when.
#[derive(Debug, Clone, Copy)]
pub struct Arrived {
    /// Bytes of both streams.
    pub bytes: u64,
    /// When the last of them came, or when the command was made.
    pub at: Instant,
}

impl Default for SharedOutput {
    fn default() -> Self {
        Self {
            output: Arc::new(Mutex::new(Output::new(OutputLimits::default()))),
            arrived: watch::Sender::new(Arrived {
                bytes: 0,
                at: Instant::now(),
            }),
        }
    }
}

impl SharedOutput {
    /// Looks at the output. Keep it short: the reader of the channel waits meanwhile.
    pub fn lock(&self) -> MutexGuard<'_, Output> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells when more arrives.
    pub fn subscribe(&self) -> watch::Receiver<Arrived> {
        self.arrived.subscribe()
    }

    /// How much there is, and since when.
    pub fn arrived(&self) -> Arrived {
        *self.arrived.borrow()
    }

    pub(crate) fn append(&self, stream: Stream, bytes: &[u8]) {
        let bytes = {
            let mut output = self.lock();
            output.append(stream, bytes);
            output.len(None)
        };
        self.arrived.send_replace(Arrived {
            bytes,
            at: Instant::now(),
        });
    }
}
