//! The output of a command, shared between the task that reads from the channel and the calls that show the output.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;

use crate::output::{Output, OutputLimits, Stream};

/// The output of a command that may not have started yet.
#[derive(Debug, Clone)]
pub struct OutputWatch(watch::Sender<Option<SharedOutput>>);

impl Default for OutputWatch {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl OutputWatch {
    /// The output, once there is a command.
    pub fn get(&self) -> Option<SharedOutput> {
        self.0.borrow().clone()
    }

    /// Wakes the receiver when there is a command.
    pub fn subscribe(&self) -> watch::Receiver<Option<SharedOutput>> {
        self.0.subscribe()
    }

    /// Makes an output watchable.
    pub fn set(&self, output: SharedOutput) {
        // A command that went back to the queue has the output of its latest job.
        self.0.send_replace(Some(output));
    }
}

/// The output of a command, shared between the task that appends and the calls that read.
#[derive(Debug, Clone)]
pub struct SharedOutput {
    output: Arc<Mutex<Output>>,
    /// Wakes calls that wait for more output.
    arrived: watch::Sender<Arrived>,
}

/// The amount of output, and the time of the newest.
#[derive(Debug, Clone, Copy)]
pub struct Arrived {
    /// Bytes of both streams.
    pub bytes: u64,
    /// Arrival of the newest byte; before the first byte, the time when the job was made.
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
    /// Locks the output. The reader of the channel waits while the lock is held, so hold it briefly.
    pub fn lock(&self) -> MutexGuard<'_, Output> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the receiver when more output arrives.
    pub fn subscribe(&self) -> watch::Receiver<Arrived> {
        self.arrived.subscribe()
    }

    /// The amount of output, and the time of the newest.
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
