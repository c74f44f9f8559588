//! A running job in the table of its session.

use std::sync::Arc;

use ractor::ActorRef;

use crate::actors::job::message::JobMessage;
use crate::actors::job::record::JobRecord;

/// A running job as its session knows it.
#[derive(Debug)]
pub(super) struct JobEntry {
    pub(super) actor: ActorRef<JobMessage>,
    pub(super) record: Arc<JobRecord>,
}

impl JobEntry {
    pub(super) fn is_transfer(&self) -> bool {
        self.record.transfer().is_some()
    }
}
